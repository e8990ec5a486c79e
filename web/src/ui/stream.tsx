/* A stream of a device: its newest values, each number a switch for its chart, and the record as it came. */
import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { flatten, groupLeaves, isChartable, type Leaf } from '../model/flatten';
import { formatDateTime, formatInterval, formatLeaf, withUnit } from '../model/format';
import { mergeNewest } from '../model/place';
import type { FieldRef } from '../model/route';
import { labelOf, unitOf } from '../model/units';
import type { WireRecord } from '../model/wire';
import { fetchLatest } from '../net/api';
import { store, type DeviceModel, type StreamModel } from '../store';
import { Ago, CopyButton } from './bits';

interface Props {
    readonly device: DeviceModel;
    readonly stream: StreamModel;
    readonly shown: readonly FieldRef[];
    readonly onToggle: (ref: FieldRef) => void;
}

export function StreamSection({ device, stream, shown, onToggle }: Props): JSX.Element {
    const groups = groupLeaves(stream.leaves).sort((a, b) => Number(a.name === '') - Number(b.name === ''));
    const isShown = (leaf: Leaf): boolean => shown.some((s) => s.stream === stream.name && s.field === leaf.path);
    const interval = formatInterval(stream.interval.value);
    return (
        <section class="stream" aria-labelledby={`stream-${stream.name}`} data-stream={stream.name}>
            <header class="stream-head">
                <h2 id={`stream-${stream.name}`}>{stream.name}</h2>
                {stream.kind !== stream.name && <span class="kind">{stream.kind}</span>}
                <p>{interval && `${interval} · `}<Ago at={stream.lastTime} /></p>
            </header>
            {stream.hasLast ? (
                <>
                    <div class="groups">
                        {groups.map((group) => (
                            <div class={groups.length > 1 ? 'group' : 'group loose'} key={group.name}>
                                {(group.name || groups.length > 1) && <h3>{group.name || 'others'}</h3>}
                                {group.leaves.map((leaf) => (
                                    <LeafLine key={leaf.path} leaf={leaf} prefix={group.name} on={isShown(leaf)} onToggle={() => onToggle({ stream: stream.name, field: leaf.path })} />
                                ))}
                            </div>
                        ))}
                    </div>
                    {(stream.kind === 'detection' || stream.kind === 'event') && <Recent device={device} stream={stream} />}
                    <Raw stream={stream} />
                </>
            ) : (
                <p class="card-note">{stream.count > 0 ? 'Its newest value is too long for this list, or no JSON.' : 'No records yet.'}</p>
            )}
        </section>
    );
}

function LeafLine({ leaf, prefix, on, onToggle }: { leaf: Leaf; prefix: string; on: boolean; onToggle: () => void }): JSX.Element {
    const q = formatLeaf(leaf.value, unitOf(leaf.path));
    const short = prefix && leaf.path.startsWith(`${prefix}.`) ? leaf.path.slice(prefix.length + 1) : leaf.path;
    const inner = (
        <>
            <span class="leaf-name" title={leaf.path}>{labelOf(short, short !== leaf.path && short.includes('.'))}</span>
            <span class="leaf-value">{q.text}{q.unit && <small>{q.unit}</small>}</span>
        </>
    );
    if (!isChartable(leaf)) return <div class="leaf plain"><span class="leaf-mark" />{inner}</div>;
    return (
        <button type="button" class="leaf" aria-pressed={on} title={`${leaf.path}: ${on ? 'hide' : 'show'} the chart`} onClick={onToggle}>
            <svg class="leaf-mark" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="m1.5 11 3.5-4 3 2.5L14.5 4" /></svg>
            {inner}
        </button>
    );
}

function Raw({ stream }: { stream: StreamModel }): JSX.Element {
    const [open, setOpen] = useState(false);
    const text = open ? JSON.stringify(stream.last, null, 2) : '';
    return (
        <details class="raw" onToggle={(e) => setOpen(e.currentTarget.open)}>
            <summary><svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true"><path d="m6 3.5 4.5 4.5L6 12.5" /></svg>Newest record as JSON</summary>
            {open && (
                <div class="raw-box">
                    <pre tabIndex={0}>{text}</pre>
                    <CopyButton text={text} label="Copy the record" />
                </div>
            )}
        </details>
    );
}

const RECENT = 8;
const RECENT_LEAVES = 8;

/** The last few detections or events: what came since the page was opened, before it what the hub has stored. */
function Recent({ device, stream }: { device: DeviceModel; stream: StreamModel }): JSX.Element | null {
    const [stored, setStored] = useState<readonly WireRecord[]>([]);
    const generation = store.generation;
    useEffect(() => {
        const abort = new AbortController();
        fetchLatest(device.id, stream.name, RECENT, abort.signal).then(setStored, () => undefined);
        return () => abort.abort();
    }, [device.id, stream.name, generation]);
    const list = mergeNewest(device.news.filter((r) => r.stream === stream.name), stored, RECENT);
    if (list.length === 0) return null;
    return (
        <ol class="recent" aria-label={`Latest of ${stream.name}`}>
            {list.map((r) => (
                <li key={`${r.time}/${r.seq ?? ''}`}>
                    <time dateTime={new Date(r.time).toISOString()}>{formatDateTime(r.time)}</time>
                    <span class="recent-leaves">
                        {flatten(r.value).slice(0, RECENT_LEAVES).map((leaf) => (
                            <span key={leaf.path}><small>{leaf.path}</small> {withUnit(formatLeaf(leaf.value, unitOf(leaf.path)))}</span>
                        ))}
                    </span>
                </li>
            ))}
        </ol>
    );
}
