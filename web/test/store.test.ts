import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WireDevice, WireRecord } from '../src/model/wire';
import { noDelivery } from '../src/model/delivery';

const hub = vi.hoisted(() => ({ onRecord: (_record: unknown, _retained: boolean): void => undefined, devices: [] as unknown[], whole: true, asked: 0 }));
vi.mock('../src/net/live', () => ({
    Live: class {
        constructor(handlers: { onRecord: typeof hub.onRecord }) {
            hub.onRecord = handlers.onRecord;
        }
        start(): void {}
        retry(): void {}
    },
}));
vi.mock('../src/net/api', () => ({
    ApiError: Error,
    hubNow: () => Date.now(),
    fetchLatest: async () => [],
    fetchNodes: async () => [],
    fetchDevices: async () => {
        hub.asked++;
        return { items: hub.devices, whole: hub.whole };
    },
}));
const { DEVICES_MAX, Store, STREAMS_MAX } = await import('../src/store');

const record = (device: string, stream = 's'): WireRecord => ({ device, stream, kind: 'reading', time: Date.now(), seq: undefined, value: 1 });
const listed = (device: string): WireDevice => ({
    device, title: '', location: '', firstSeen: 1, lastSeen: 1, delivery: noDelivery, streams: [{ stream: 's', kind: 'reading', fields: [], count: 1, lastTime: 1, last: 1 }],
});

beforeEach(() => {
    vi.useFakeTimers({ now: 1_800_000_000_000 });
    hub.devices = [];
    hub.whole = true;
    hub.asked = 0;
});
afterEach(() => vi.useRealTimers());

describe('what the page keeps', () => {
    it('has a bound for devices, and says what is left out', () => {
        const store = new Store();
        for (let n = 0; n < DEVICES_MAX + 5; n++) hub.onRecord(record(`d${n}`), false);
        expect(store.devices.size).toBe(DEVICES_MAX);
        expect(store.left).toBe(5);
        hub.onRecord(record('d0'), false);
        expect(store.left).toBe(5);
    });
    it('has a bound for streams', () => {
        const store = new Store();
        for (let n = 0; n < STREAMS_MAX + 5; n++) hub.onRecord(record('d', `s${n}`), false);
        expect(store.devices.get('d')?.streams.size).toBe(STREAMS_MAX);
        expect(store.left).toBe(5);
    });
    it('forgets what the hub does not list, unless it was heard a moment ago', async () => {
        const store = new Store();
        hub.onRecord(record('gone'), false);
        await vi.advanceTimersByTimeAsync(70_000);
        hub.onRecord(record('new'), false);
        hub.devices = [listed('old')];
        store.retry();
        await vi.advanceTimersByTimeAsync(0);
        expect([...store.devices.keys()]).toEqual(['new', 'old']);
        /* A list that was cut says nothing of the others. */
        await vi.advanceTimersByTimeAsync(1);
        hub.devices = [];
        hub.whole = false;
        store.retry();
        await vi.advanceTimersByTimeAsync(0);
        expect([...store.devices.keys()]).toEqual(['new', 'old']);
    });
    it('does not fetch the list for each new device', async () => {
        const store = new Store();
        store.retry();
        await vi.advanceTimersByTimeAsync(20_000);
        const before = hub.asked;
        for (let n = 0; n < 200; n++) {
            hub.onRecord(record(`d${n}`), false);
            await vi.advanceTimersByTimeAsync(100);
        }
        expect(hub.asked - before).toBeGreaterThan(2);
        expect(hub.asked - before).toBeLessThan(8);
    });
});
