/* One device in the overview, as a card or as a row of the table: its state, when it last spoke, and the few numbers that tell most. */
import { useEffect, useRef } from 'preact/hooks';
import type { JSX, RefObject } from 'preact';
import { numberAt } from '../model/flatten';
import { formatDateTime, formatQuantity } from '../model/format';
import { pickFields } from '../model/pick';
import { buildRoute, DEFAULT_RANGE } from '../model/route';
import { gapFor } from '../model/series';
import { labelOf, unitOf } from '../model/units';
import { KEY_FIELDS, store, type DeviceModel, type StreamModel } from '../store';
import { Ago, PresenceBadge } from './bits';
import { DeliveryLine } from './delivery';
import { Spark } from './spark';

interface KeyValue {
    readonly stream: StreamModel;
    readonly field: string;
    readonly value: number | undefined;
}

export function deviceHref(id: string): string {
    return buildRoute({ page: 'device', device: id, range: DEFAULT_RANGE, show: undefined });
}

/** The most telling numbers of the device over all its streams of readings. */
function keyValues(device: DeviceModel): KeyValue[] {
    const streams = [...device.streams.values()].filter((s) => s.fields.length > 0);
    const readings = streams.filter((s) => s.kind === 'reading');
    const from = readings.length > 0 ? readings : streams;
    const named = from.flatMap((stream) => stream.fields.map((field) => ({ stream, field })));
    const picked = pickFields(named.map((n) => n.field), KEY_FIELDS);
    const out: KeyValue[] = [];
    for (const field of picked) {
        const found = named.find((n) => n.field === field && !out.some((o) => o.stream === n.stream && o.field === field));
        if (found) out.push({ ...found, value: numberAt(found.stream.last, field) });
    }
    return out;
}

const asked = new WeakMap<StreamModel, number>();

/** Fills the sparklines of a card when it is first seen, and again after the connection was away. */
function useRings(device: DeviceModel, keys: readonly KeyValue[]): RefObject<HTMLElement> {
    const box = useRef<HTMLElement>(null);
    const generation = store.generation;
    const names = keys.map((k) => k.stream.name).join('/');
    useEffect(() => {
        if (!box.current) return undefined;
        const watch = new IntersectionObserver((seen) => {
            if (!seen.some((s) => s.isIntersecting)) return;
            watch.disconnect();
            for (const stream of new Set(keys.map((k) => k.stream))) {
                if (asked.get(stream) === generation) continue;
                asked.set(stream, generation);
                void store.fillRings(device, stream);
            }
        }, { rootMargin: '300px' });
        watch.observe(box.current);
        return () => watch.disconnect();
    }, [device.id, names, generation]);
    return box;
}

export function DeviceCard({ device }: { device: DeviceModel }): JSX.Element {
    const keys = keyValues(device);
    const box = useRings(device, keys);
    const presence = store.presence(device);
    return (
        <li class={`card ${presence}`} ref={box as RefObject<HTMLLIElement>} data-device={device.id}>
            <div class="card-head">
                <h2><a href={deviceHref(device.id)}>{device.title || device.id}</a></h2>
                <PresenceBadge presence={presence} />
            </div>
            <p class="card-sub">
                {subtitle(device)}
                <Ago at={device.lastSeen} />
            </p>
            <DeliveryLine device={device} href={deviceHref(device.id)} />
            {keys.length > 0 ? (
                <dl class="keys">
                    {keys.map((k) => <KeyLine key={`${k.stream.name}/${k.field}`} item={k} />)}
                </dl>
            ) : (
                <p class="card-note">{noteOf(device)}</p>
            )}
        </li>
    );
}

function subtitle(device: DeviceModel): string {
    const about = device.title ? device.id : '';
    return [about, device.location].filter(Boolean).map((s) => `${s} · `).join('');
}

function noteOf(device: DeviceModel): string {
    const names = [...device.streams.keys()];
    return names.length === 0 ? 'No records yet' : `No numbers among its newest values (${names.slice(0, 3).join(', ')})`;
}

function KeyLine({ item }: { item: KeyValue }): JSX.Element {
    const q = item.value === undefined ? { text: '–', unit: '' } : formatQuantity(item.value, unitOf(item.field));
    return (
        <div class="key">
            <dt title={`${item.stream.name}: ${item.field}`}>{labelOf(item.field)}</dt>
            <Spark ring={item.stream.rings.get(item.field)} gapMs={gapFor(1000, item.stream.interval.value)} />
            <dd>{q.text}{q.unit && <small>{q.unit}</small>}</dd>
        </div>
    );
}

export function DeviceRow({ device }: { device: DeviceModel }): JSX.Element {
    const keys = keyValues(device);
    return (
        <tr data-device={device.id}>
            <th scope="row"><a href={deviceHref(device.id)}>{device.title || device.id}</a>{device.location && <small>{device.location}</small>}<DeliveryLine device={device} href={deviceHref(device.id)} /></th>
            <td><PresenceBadge presence={store.presence(device)} /></td>
            <td title={formatDateTime(device.lastSeen)}><Ago at={device.lastSeen} /></td>
            <td class="wide">
                {keys.map((k) => {
                    const q = k.value === undefined ? { text: '–', unit: '' } : formatQuantity(k.value, unitOf(k.field));
                    return <span class="row-value" key={`${k.stream.name}/${k.field}`}><small>{labelOf(k.field)}</small> {q.text}{q.unit && <small class="unit">{q.unit}</small>}</span>;
                })}
            </td>
            <td class="num wide">{device.streams.size}</td>
        </tr>
    );
}
