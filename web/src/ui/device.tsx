/* One device: what it is, how its numbers went, and everything that it last said. */
import type { JSX } from 'preact';
import { formatCount, formatDateTime, formatInterval } from '../model/format';
import { pickFields } from '../model/pick';
import { RANGE_MS, type FieldRef, type Range, type Route } from '../model/route';
import { store, type DeviceModel } from '../store';
import { Ago, Notice, PresenceBadge, Skeleton } from './bits';
import { Chart } from './chart';
import { DeliverySection } from './delivery';
import { go, useStore } from './hooks';
import { RangePicker } from './range';
import { StreamSection } from './stream';

type DeviceRoute = Extract<Route, { page: 'device' }>;

const CHARTS_FIRST = 6;

export function DevicePage({ route }: { route: DeviceRoute }): JSX.Element {
    useStore();
    const device = store.devices.get(route.device);
    if (!device) return store.rest.kind === 'loading' ? <Skeleton lines={8} /> : <Missing id={route.device} />;
    const shown = (route.show ?? defaultFields(device)).filter((ref) => device.streams.has(ref.stream));
    const streams = [...device.streams.values()].sort((a, b) => Number(b.kind === 'reading') - Number(a.kind === 'reading'));
    const setRange = (range: Range): void => go({ ...route, range });
    const toggle = (ref: FieldRef): void => {
        const without = shown.filter((s) => s.stream !== ref.stream || s.field !== ref.field);
        go({ ...route, show: without.length < shown.length ? without : [...shown, ref] }, true);
    };
    return (
        <>
            <DeviceHead device={device} />
            <div class="charts-head">
                <h2 class="offscreen">History</h2>
                <RangePicker range={route.range} onRange={setRange} />
                {shown.length > 0 && route.range.kind === 'last' && <p class="hint">Drag across a chart to look closer</p>}
                {route.show && (
                    <button type="button" class="button small quiet" onClick={() => go({ ...route, show: undefined }, true)}>Usual charts</button>
                )}
            </div>
            <Silent device={device} range={route.range} onRange={setRange} />
            {shown.length > 0 ? (
                <div class="charts">
                    {shown.map((ref) => (
                        <Chart
                            key={`${ref.stream}:${ref.field}`}
                            device={device.id}
                            stream={ref.stream}
                            field={ref.field}
                            range={route.range}
                            streamShown={device.streams.size > 1}
                            onZoom={(from, to) => setRange({ kind: 'fixed', from, to })}
                            onClose={() => toggle(ref)}
                        />
                    ))}
                </div>
            ) : (
                <p class="charts-none">{route.show ? 'No chart is chosen. Press a number below to see its history.' : 'This device has sent no numbers yet.'}</p>
            )}
            <DeliverySection device={device} range={route.range} onZoom={(from, to) => setRange({ kind: 'fixed', from, to })} />
            {streams.map((stream) => (
                <StreamSection key={stream.name} device={device} stream={stream} shown={shown} onToggle={toggle} />
            ))}
        </>
    );
}

const BEFORE_LAST_MS = 3_600_000;
const AFTER_LAST_MS = 60_000;

/** A device that fell silent before the range begins has empty charts: the way to where it last spoke. */
function Silent({ device, range, onRange }: { device: DeviceModel; range: Range; onRange: (r: Range) => void }): JSX.Element | null {
    const last = Math.max(0, ...[...device.streams.values()].map((s) => s.lastTime || 0));
    if (range.kind !== 'last' || last === 0 || last > store.now() - RANGE_MS[range.name]) return null;
    const show = (): void => onRange({ kind: 'fixed', from: last - BEFORE_LAST_MS, to: last + AFTER_LAST_MS });
    return (
        <Notice tone="info" title={`Its last record is of ${formatDateTime(last)}, before this range`} action={<button type="button" class="button small" onClick={show}>Show its last hour</button>} />
    );
}

function defaultFields(device: DeviceModel): FieldRef[] {
    const readings = [...device.streams.values()].filter((s) => s.kind === 'reading' && s.fields.length > 0);
    const each = Math.max(2, Math.floor(CHARTS_FIRST / Math.max(1, readings.length)));
    return readings.flatMap((s) => pickFields(s.fields, each).map((field) => ({ stream: s.name, field }))).slice(0, CHARTS_FIRST);
}

function DeviceHead({ device }: { device: DeviceModel }): JSX.Element {
    const interval = formatInterval(store.intervalOf(device));
    const count = [...device.streams.values()].reduce((sum, s) => sum + s.count, 0);
    return (
        <>
            <nav class="crumbs" aria-label="Where you are"><a href="#/devices">Devices</a><span aria-hidden="true">/</span><span aria-current="page">{device.id}</span></nav>
            <div class="page-head">
                <h1>{device.title || device.id}</h1>
                <PresenceBadge presence={store.presence(device)} />
            </div>
            <dl class="facts">
                <div><dt>Last record</dt><dd><Ago at={device.lastSeen} /></dd></div>
                {interval && <div><dt>Usually</dt><dd>{interval}</dd></div>}
                <div><dt>Records</dt><dd>{formatCount(count)}</dd></div>
                <div><dt>First seen</dt><dd>{formatDateTime(device.firstSeen)}</dd></div>
                {device.location && <div><dt>Place</dt><dd>{device.location}</dd></div>}
            </dl>
        </>
    );
}

function Missing({ id }: { id: string }): JSX.Element {
    const away = store.rest.kind === 'failed';
    return (
        <div class="blank">
            <h1>{away ? 'The hub is away' : <>No device is called <code>{id}</code></>}</h1>
            <p>{away ? 'This page fills when the hub answers again.' : 'It appears here by itself with its first record.'}</p>
            <a class="button" href="#/devices">All devices</a>
        </div>
    );
}
