/* How the records of a device reach the hub: what waits, what is lost, and how long they took. */
import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { clockError, isBehind, reasonText, type Gap } from '../model/delivery';
import { formatDateTime, formatDuration, formatNumber } from '../model/format';
import type { Range } from '../model/route';
import { fetchGaps } from '../net/api';
import type { DeviceModel } from '../store';
import { Ago, Notice } from './bits';
import { Chart } from './chart';

/** The one line of a card; nothing while all is well. */
export function DeliveryLine({ device }: { device: DeviceModel }): JSX.Element | null {
    const { delivery } = device;
    const behind = isBehind(delivery);
    if (!behind && delivery.gaps === 0 && delivery.forks === 0) return null;
    return (
        <p class="delivery-line">
            {behind && <span class="chip busy" title="Records that wait on their node and come in their order">Catching up: {formatNumber(delivery.node?.backlog ?? 0)} waiting</span>}
            {delivery.gaps > 0 && <span class="chip warn" title="Records that are lost; the device's page says which and why">{gapsText(delivery.gaps, delivery.lost)}</span>}
            {delivery.forks > 0 && <span class="chip warn" title={FORK_HELP}>Copied or restored</span>}
        </p>
    );
}

const FORK_HELP = 'Its journal went on from a number that it had passed: it was restored from an image, or two devices run on copies of one. Nothing is merged or lost, but give each device a folder of its own.';

function gapsText(gaps: number, lost: number): string {
    return `${formatNumber(gaps)} ${gaps === 1 ? 'gap' : 'gaps'}, ${formatNumber(lost)} ${lost === 1 ? 'record' : 'records'} lost`;
}

export function DeliverySection({ device, range, onZoom }: { device: DeviceModel; range: Range; onZoom: (from: number, to: number) => void }): JSX.Element | null {
    const { delivery } = device;
    const stream = busiest(device);
    const error = clockError(delivery);
    if (!delivery.journal) return null;
    return (
        <section class="delivery" data-backlog={delivery.node?.backlog ?? 0} data-gaps={delivery.gaps}>
            <h2>Delivery</h2>
            <dl class="facts">
                <div><dt>Last record</dt><dd><Ago at={device.lastSeen} /></dd></div>
                {delivery.node ? (
                    <>
                        <div><dt>Comes by</dt><dd title={delivery.journal}>{delivery.node.name || delivery.journal.slice(0, 8)}</dd></div>
                        <div><dt>Last contact</dt><dd><Ago at={delivery.node.lastContact} /></dd></div>
                        <div><dt>Waiting there</dt><dd>{formatNumber(delivery.node.backlog)}</dd></div>
                        <div><dt>Dropped there</dt><dd>{formatNumber(delivery.node.dropped)}</dd></div>
                    </>
                ) : (
                    <div><dt>Comes by</dt><dd>this hub</dd></div>
                )}
                <div><dt>Gaps</dt><dd>{delivery.gaps === 0 ? 'none' : gapsText(delivery.gaps, delivery.lost)}</dd></div>
                {error !== undefined && <div><dt>Clock</dt><dd>{formatDuration(Math.abs(error))} {error < 0 ? 'behind' : 'ahead'}</dd></div>}
            </dl>
            {delivery.forks > 0 && <Notice tone="info" title={FORK_HELP} />}
            {stream && (
                <div class="charts">
                    <Chart device={device.id} stream={stream} field="@lag" range={range} streamShown={device.streams.size > 1} onZoom={onZoom} />
                </div>
            )}
            {delivery.gaps > 0 && <Gaps device={device.id} count={delivery.gaps} />}
        </section>
    );
}

/** The stream that tells most about the way: the one with the most records. */
function busiest(device: DeviceModel): string | undefined {
    let best: { name: string; count: number } | undefined;
    for (const s of device.streams.values()) if (!best || s.count > best.count) best = { name: s.name, count: s.count };
    return best?.name;
}

const GAPS_SHOWN = 20;

function Gaps({ device, count }: { device: string; count: number }): JSX.Element | null {
    const [gaps, setGaps] = useState<readonly Gap[] | undefined>();
    useEffect(() => {
        const abort = new AbortController();
        fetchGaps(device, GAPS_SHOWN, abort.signal).then(setGaps, () => undefined);
        return () => abort.abort();
    }, [device, count]);
    if (!gaps || gaps.length === 0) return null;
    return (
        <table class="gaps">
            <caption>{count > gaps.length ? `The newest ${gaps.length} of ${formatNumber(count)} gaps` : 'Gaps'}</caption>
            <thead><tr><th scope="col">Told</th><th scope="col" class="num">Records</th><th scope="col" class="wide">Numbers</th><th scope="col">Why</th></tr></thead>
            <tbody>
                {gaps.map((gap) => (
                    <tr key={`${gap.journal}/${gap.last}`}>
                        <td>{formatDateTime(gap.time)}</td>
                        <td class="num">{formatNumber(gap.last - gap.first + 1)}</td>
                        <td class="wide">{gap.first}…{gap.last}</td>
                        <td>{reasonText(gap.reason)}</td>
                    </tr>
                ))}
            </tbody>
        </table>
    );
}
