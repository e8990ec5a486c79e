/* How the records of a device reach the hub: what waits, what is lost, and how long they took. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { clockError, reasonText, type Delivery, type Gap, type NodeState, type Waiting } from '../model/delivery';
import { formatAbout, formatAgo, formatCount, formatDateTime, formatLag, withUnit } from '../model/format';
import type { Range } from '../model/route';
import { LAG } from '../model/units';
import { fetchGaps } from '../net/api';
import { store, type DeviceModel, type StreamModel } from '../store';
import { Ago, Notice } from './bits';
import { Chart } from './chart';

const FORK_TITLE = 'Its journal was copied or restored';
const FORK_HELP = 'It went on from a number that it had passed: it was restored from an image, or two devices run on copies of one. Nothing is merged or lost, but give each device a folder of its own.';
const GAPS_HELP = 'Records that will not come: the page of the device says which, and why';
const WAITING_HELP = 'Records that wait on their node and come in their order';
const SILENT_HELP = 'So many waited when the node was last heard of. They come when it can reach the hub again';

function things(n: number, one: string, many: string): string {
    return `${formatCount(n)}\u00a0${n === 1 ? one : many}`;
}

function gapsText({ gaps, lost }: Delivery): string {
    return `${things(gaps, 'gap', 'gaps')}, ${things(lost, 'record', 'records')} lost`;
}

/** The line of a card or a row; nothing while all is well. The whole card is a link, and so is each chip, so that its title shows. */
export function DeliveryLine({ device, href }: { device: DeviceModel; href: string }): JSX.Element | null {
    const { delivery } = device;
    const waiting = store.waiting(device);
    const gaps = delivery.gaps > 0 || delivery.lost > 0;
    if (!waiting && !gaps && delivery.forks === 0) return null;
    return (
        <div class="delivery-line">
            {waiting && <WaitingLine waiting={waiting} />}
            {gaps && <a class="chip warn" tabIndex={-1} href={href} title={GAPS_HELP}>{gapsText(delivery)}</a>}
            {delivery.forks > 0 && <a class="chip warn" tabIndex={-1} href={href} title={`${FORK_TITLE}. ${FORK_HELP}`}>{things(delivery.forks, 'copy', 'copies')} of its journal</a>}
        </div>
    );
}

function WaitingLine({ waiting }: { waiting: Waiting }): JSX.Element {
    if (waiting.kind === 'silent') return <p class="waits" title={SILENT_HELP}>{formatCount(waiting.count)} waiting {silentSince(waiting)}</p>;
    return (
        <p class="waits" title={WAITING_HELP}>
            <span>catching up: <b>{formatCount(waiting.count)}</b> waiting</span>
            <CatchUpBar waiting={waiting} />
        </p>
    );
}

function silentSince(waiting: Waiting): string {
    return waiting.lastContact > 0 ? `as of ${formatAgo(store.now() - waiting.lastContact)}` : 'when last heard of';
}

function CatchUpBar({ waiting }: { waiting: Waiting }): JSX.Element {
    return <progress class="bar" max={1} value={waiting.done} aria-label="Caught up" />;
}

/** Everything about the way of a device's records. A hub that says nothing of it has no such section. */
export function DeliverySection({ device, range, onZoom }: { device: DeviceModel; range: Range; onZoom: (from: number, to: number) => void }): JSX.Element | null {
    const { delivery } = device;
    const [chosen, choose] = useState<string | undefined>();
    const streams = [...device.streams.values()];
    const usual = useRef<string>();
    usual.current ??= busiest(streams);
    const stream = device.streams.get(chosen ?? usual.current ?? '');
    const waiting = store.waiting(device);
    if (!delivery.journal) return null;
    return (
        <section class="panel delivery" aria-labelledby="delivery" data-backlog={delivery.node?.backlog ?? 0} data-gaps={delivery.gaps}>
            <header class="stream-head">
                <h2 id="delivery">Delivery</h2>
                <p role="status">{waiting ? <WaitingText waiting={waiting} /> : 'up to date'}</p>
            </header>
            {waiting?.kind === 'catching' && <CatchUpBar waiting={waiting} />}
            <Facts device={device} />
            {delivery.forks > 0 && <Notice tone="wait" title={`${FORK_TITLE}${delivery.forks > 1 ? `, ${formatCount(delivery.forks)} times` : ''}`}>{FORK_HELP}</Notice>}
            {stream && <LagChart device={device} streams={streams} stream={stream} range={range} onZoom={onZoom} onStream={choose} />}
            {(delivery.gaps > 0 || delivery.lost > 0) && <Gaps device={device.id} delivery={delivery} />}
        </section>
    );
}

/** All streams of a device go the same way; the one with the most records tells most of it. */
function busiest(streams: readonly StreamModel[]): string | undefined {
    return streams.reduce<StreamModel | undefined>((best, s) => (best && best.count >= s.count ? best : s), undefined)?.name;
}

function WaitingText({ waiting }: { waiting: Waiting }): JSX.Element {
    if (waiting.kind === 'silent') return <>{formatCount(waiting.count)} waiting {silentSince(waiting)}</>;
    return <>catching up: {formatCount(waiting.count)} waiting{waiting.leftMs !== undefined && `, about ${formatAbout(waiting.leftMs)}`}</>;
}

function Facts({ device }: { device: DeviceModel }): JSX.Element {
    const { delivery } = device;
    const node = store.nodeOf(device);
    const error = clockError(delivery);
    return (
        <dl class="facts">
            <LastRecord device={device} />
            {node ? <NodeFacts node={node} /> : <div><dt>Recorded by</dt><dd title={delivery.journal}>this hub</dd></div>}
            <div><dt>Gaps</dt><dd class={delivery.gaps > 0 || delivery.lost > 0 ? 'warn' : ''}>{delivery.gaps > 0 || delivery.lost > 0 ? gapsText(delivery) : 'none'}</dd></div>
            {error !== undefined && (
                <div title="Its clock against the hub's, with the time that the message took"><dt>Clock of the node</dt><dd class="warn">{withUnit(formatLag(Math.abs(error) / 1000))} {error < 0 ? 'behind' : 'ahead'}</dd></div>
            )}
        </dl>
    );
}

/** By its own time, which is not when it came. */
function LastRecord({ device }: { device: DeviceModel }): JSX.Element {
    const newest = Math.max(0, ...[...device.streams.values()].map((s) => s.lastTime || 0));
    return <div><dt>Last record</dt><dd><Ago at={newest || device.lastSeen} /></dd></div>;
}

function NodeFacts({ node }: { node: NodeState }): JSX.Element {
    return (
        <>
            <div><dt>Comes by</dt><dd title={node.journal}>{node.name || node.journal.slice(0, 8)}</dd></div>
            <div><dt>Last contact</dt><dd>{node.lastContact > 0 ? <Ago at={node.lastContact} /> : "not since the hub's start"}</dd></div>
            <div><dt>Waiting there</dt><dd>{node.backlog > 0 ? formatCount(node.backlog) : 'nothing'}</dd></div>
            <div title="By the quota of its journal, of all its devices together"><dt>Dropped there</dt><dd class={node.dropped > 0 ? 'warn' : ''}>{node.dropped > 0 ? formatCount(node.dropped) : 'nothing'}</dd></div>
            {node.holes > 0 && <div title="Batches that left records out; the hub refused them, and the node began again"><dt>Batches refused</dt><dd>{formatCount(node.holes)}</dd></div>}
        </>
    );
}

interface LagProps {
    readonly device: DeviceModel;
    readonly streams: readonly StreamModel[];
    readonly stream: StreamModel;
    readonly range: Range;
    readonly onZoom: (from: number, to: number) => void;
    readonly onStream: (name: string) => void;
}

function LagChart({ device, streams, stream, range, onZoom, onStream }: LagProps): JSX.Element {
    return (
        <>
            <Chart key={stream.name} device={device.id} stream={stream.name} field={LAG} note="from a record's own time to its arrival in the database" range={range} streamShown={false} onZoom={onZoom} />
            {streams.length > 1 && (
                <div class="lag-streams">
                    <span>of</span>
                    <div class="segments" role="group" aria-label="Lag of the stream">
                        {streams.map((s) => <button key={s.name} type="button" aria-pressed={s === stream} onClick={() => onStream(s.name)}>{s.name}</button>)}
                    </div>
                </div>
            )}
        </>
    );
}

const GAPS_SHOWN = 20;

function Gaps({ device, delivery }: { device: string; delivery: Delivery }): JSX.Element | null {
    const [gaps, setGaps] = useState<readonly Gap[] | undefined>();
    useEffect(() => {
        const abort = new AbortController();
        fetchGaps(device, GAPS_SHOWN, abort.signal).then(setGaps, () => undefined);
        return () => abort.abort();
    }, [device, delivery.journal, delivery.gaps, delivery.lost]);
    if (!gaps || gaps.length === 0) return null;
    return (
        <div class="table-box">
            <table class="gaps">
                <caption>{delivery.gaps > gaps.length ? `The newest ${formatCount(gaps.length)} of ${formatCount(delivery.gaps)} gaps` : 'Gaps'}</caption>
                <thead><tr><th scope="col">When</th><th scope="col" class="num">Records</th><th scope="col" class="num wide">Numbers</th><th scope="col">Why</th></tr></thead>
                <tbody>
                    {gaps.map((gap) => (
                        <tr key={`${gap.journal}/${gap.first}/${gap.last}`}>
                            <td>{formatDateTime(gap.time)}</td>
                            <td class="num">{formatCount(gap.last - gap.first + 1)}</td>
                            <td class="num wide">{formatCount(gap.first)} … {formatCount(gap.last)}</td>
                            <td>{reasonText(gap.reason)}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}
