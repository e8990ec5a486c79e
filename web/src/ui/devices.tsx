/* The overview: every device with its state and what it measures, to be found, sorted and opened. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { formatCount } from '../model/format';
import type { Route, Sort } from '../model/route';
import type { Presence } from '../model/state';
import { store, type DeviceModel } from '../store';
import { readSetting, writeSetting } from '../theme';
import { Notice, Skeleton } from './bits';
import { DeviceCard, DeviceRow } from './card';
import { FirstDevice } from './empty';
import { go, useStore, useTick } from './hooks';

type DevicesRoute = Extract<Route, { page: 'devices' }>;
type Look = 'cards' | 'table';

const LOOK_KEY = 'wayside.devices.look';
const BATCH = 48;
const ORDER: Readonly<Record<Presence, number>> = { online: 0, late: 1, offline: 2 };
const SORT_TEXT: readonly (readonly [Sort, string])[] = [['name', 'Name'], ['state', 'Trouble first'], ['recent', 'Newest record']];

export function DevicesPage({ route }: { route: DevicesRoute }): JSX.Element {
    useStore();
    useTick();
    const [look, setLook] = useState<Look>(readSetting(LOOK_KEY) === 'table' ? 'table' : 'cards');
    const [only, setOnly] = useState<Presence | undefined>();
    const all = [...store.devices.values()];
    const counts = countPresence(all);
    const shown = sortDevices(all.filter((d) => matches(d, route.query) && (!only || store.presence(d) === only)), route.sort);

    if (all.length === 0 && store.rest.kind === 'loading') return <Skeleton lines={6} />;
    if (all.length === 0 && store.rest.kind === 'failed') return <Unreachable why={store.rest.why} />;
    if (all.length === 0) return <FirstDevice />;

    const choose = (next: Look): void => {
        writeSetting(LOOK_KEY, next);
        setLook(next);
    };
    return (
        <>
            <div class="page-head">
                <h1>Devices</h1>
                <Counts counts={counts} only={only} onOnly={(p) => setOnly(p === only ? undefined : p)} />
            </div>
            <div class="tools" role="search">
                <Search value={route.query} onInput={(query) => go({ ...route, query }, true)} />
                <label class="select">
                    <span class="offscreen">Sort by</span>
                    <select value={route.sort} onChange={(e) => go({ ...route, sort: e.currentTarget.value as Sort }, true)}>
                        {SORT_TEXT.map(([key, text]) => <option key={key} value={key}>{text}</option>)}
                    </select>
                </label>
                <div class="segments look" role="group" aria-label="Show as">
                    <button type="button" aria-pressed={look === 'cards'} onClick={() => choose('cards')}>Cards</button>
                    <button type="button" aria-pressed={look === 'table'} onClick={() => choose('table')}>Table</button>
                </div>
            </div>
            {store.left > 0 && <Notice tone="wait" title="More devices or streams than this page shows">{formatCount(store.left)} records of further ones were left out since it was opened.</Notice>}
            {shown.length === 0 ? <NoMatch onClear={() => { setOnly(undefined); go({ ...route, query: '' }, true); }} /> : <Listing devices={shown} look={look} />}
        </>
    );
}

function Search({ value, onInput }: { value: string; onInput: (text: string) => void }): JSX.Element {
    const box = useRef<HTMLInputElement>(null);
    useEffect(() => {
        const key = (e: KeyboardEvent): void => {
            const typing = e.target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName);
            if (e.key === '/' && !typing && !e.ctrlKey && !e.metaKey) {
                e.preventDefault();
                box.current?.focus();
            }
        };
        document.addEventListener('keydown', key);
        return () => document.removeEventListener('keydown', key);
    }, []);
    return (
        <label class="search">
            <span class="offscreen">Find a device by its name, stream or field</span>
            <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><circle cx="8.5" cy="8.5" r="5.5" /><path d="m12.7 12.7 4.5 4.5" /></svg>
            <input ref={box} type="search" placeholder="Find a device, stream or field" value={value} autocomplete="off" spellcheck={false} onInput={(e) => onInput(e.currentTarget.value)} />
            <kbd aria-hidden="true">/</kbd>
        </label>
    );
}

function Counts({ counts, only, onOnly }: { counts: Record<Presence, number>; only: Presence | undefined; onOnly: (p: Presence) => void }): JSX.Element {
    return (
        <div class="counts" role="group" aria-label="Show only">
            {(['online', 'late', 'offline'] as const).map((p) => (
                <button key={p} type="button" class={`count ${p}`} aria-pressed={only === p} disabled={counts[p] === 0 && only !== p} onClick={() => onOnly(p)}>
                    <b>{counts[p]}</b> {p}
                </button>
            ))}
        </div>
    );
}

/** A thousand devices are drawn as one scrolls to them. */
function Listing({ devices, look }: { devices: DeviceModel[]; look: Look }): JSX.Element {
    const [room, setRoom] = useState(BATCH);
    const end = useRef<HTMLDivElement>(null);
    const more = devices.length > room;
    useEffect(() => {
        if (!end.current || !more) return undefined;
        const watch = new IntersectionObserver((seen) => {
            if (seen.some((s) => s.isIntersecting)) setRoom((n) => n + BATCH);
        }, { rootMargin: '600px' });
        watch.observe(end.current);
        return () => watch.disconnect();
    }, [more, room]);
    const some = devices.slice(0, room);
    return (
        <>
            {look === 'cards' ? (
                <ul class="cards">{some.map((d) => <DeviceCard key={d.id} device={d} />)}</ul>
            ) : (
                <div class="table-box">
                    <table class="devices">
                        <thead>
                            <tr><th scope="col">Device</th><th scope="col">State</th><th scope="col">Last record</th><th scope="col" class="wide">Newest values</th><th scope="col" class="num wide">Streams</th></tr>
                        </thead>
                        <tbody>{some.map((d) => <DeviceRow key={d.id} device={d} />)}</tbody>
                    </table>
                </div>
            )}
            {more && <div ref={end} class="more">{devices.length - room} more</div>}
        </>
    );
}

function NoMatch({ onClear }: { onClear: () => void }): JSX.Element {
    return (
        <div class="blank">
            <h2>No device matches</h2>
            <p>Names, places, streams and fields are searched.</p>
            <button type="button" class="button" onClick={onClear}>Show all devices</button>
        </div>
    );
}

function Unreachable({ why }: { why: string }): JSX.Element {
    const retry = <button type="button" class="button small" onClick={() => store.retry()}>Try now</button>;
    return (
        <>
            <h1>Devices</h1>
            <Notice tone="bad" title={why} action={retry}>
                The page tries again by itself. See on the hub's machine whether it runs: <code>systemctl status wayside</code> and{' '}
                <code>wayside status</code>
            </Notice>
        </>
    );
}

function countPresence(devices: readonly DeviceModel[]): Record<Presence, number> {
    const counts = { online: 0, late: 0, offline: 0 };
    for (const device of devices) counts[store.presence(device)]++;
    return counts;
}

function matches(device: DeviceModel, query: string): boolean {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) return true;
    let hay = `${device.id} ${device.title} ${device.location}`;
    for (const stream of device.streams.values()) hay += ` ${stream.name} ${stream.fields.join(' ')}`;
    hay = hay.toLowerCase();
    return words.every((word) => hay.includes(word));
}

const byName = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

function sortDevices(devices: DeviceModel[], sort: Sort): DeviceModel[] {
    const name = (a: DeviceModel, b: DeviceModel): number => byName.compare(a.id, b.id);
    if (sort === 'recent') return devices.sort((a, b) => Math.round((b.lastSeen - a.lastSeen) / 10_000) || name(a, b));
    if (sort === 'state') return devices.sort((a, b) => ORDER[store.presence(b)] - ORDER[store.presence(a)] || name(a, b));
    return devices.sort(name);
}

