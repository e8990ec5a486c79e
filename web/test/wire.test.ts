import { describe, expect, it } from 'vitest';
import { counterRates, gaugeOf, parseMetrics } from '../src/model/metrics';
import { pickFields } from '../src/model/pick';
import { parseTime, readBuckets, readDevice, readItems, readLive, readPayload, readRecord, readTopic } from '../src/model/wire';

describe('what the hub sends', () => {
    it('reads a device', () => {
        const device = readDevice({
            device: 'pi-1', first_seen: '2026-01-01T00:00:00Z', last_seen: '2026-01-01T00:00:10.5Z',
            streams: [{ stream: 'host', kind: 'reading', last_time: '2026-01-01T00:00:10Z', count: 5, fields: ['a.b', 3], last: { a: { b: 1 } } }, 'x', {}],
        });
        expect(device).toMatchObject({ device: 'pi-1', lastSeen: Date.UTC(2026, 0, 1, 0, 0, 10, 500), title: '' });
        expect(device?.streams).toEqual([{ stream: 'host', kind: 'reading', lastTime: Date.UTC(2026, 0, 1, 0, 0, 10), count: 5, fields: ['a.b'], last: { a: { b: 1 } } }]);
    });
    it('leaves out what it cannot use and goes on', () => {
        expect(readItems({ items: [null, 3, { device: '' }, { device: 'a' }], next: '' }, readDevice)).toMatchObject({ items: [{ device: 'a', streams: [] }], next: null });
        expect(readItems('no', readDevice)).toEqual({ items: [], next: null });
        expect(readItems({ items: [], next: 'k' }, readRecord).next).toBe('k');
        expect(readBuckets({ t: [1], avg: [2], step_ms: 5 })).toEqual({ stepMs: 5, t: [1], avg: [2], min: [], max: [] });
        expect(readBuckets({})).toBeUndefined();
    });
    it('reads times with any fraction and offset, and no others', () => {
        const base = Date.UTC(2026, 0, 1);
        expect(parseTime('2026-01-01T00:00:00Z')).toBe(base);
        expect(parseTime('2026-01-01T00:00:00.123456789Z')).toBe(base + 123);
        expect(parseTime('2026-01-01T02:00:00+02:00')).toBe(base);
        for (const bad of ['2026-01-01', '2026-01-01T00:00:00', 'now', 5, undefined, '2026-13-01T00:00:00Z']) expect(parseTime(bad)).toBeNaN();
    });
    it('knows its topics and no others', () => {
        expect(readTopic('wayside/pi-1/reading/host.v2')).toEqual({ device: 'pi-1', kind: 'reading', stream: 'host.v2' });
        expect(readTopic('wayside/pi-1/status')).toEqual({ device: 'pi-1', kind: 'status', stream: 'status' });
        for (const bad of ['wayside/pi-1/reading', 'wayside/a b/reading/x', 'other/pi/reading/x', 'wayside/p/reading/x/y', 'wayside/p/command/1']) expect(readTopic(bad)).toBeUndefined();
    });
    it('reads a live message by what its properties say', () => {
        const user = { time: '2026-01-01T00:00:00.5Z', seq: '42', stored: '0' };
        const time = Date.parse('2026-01-01T00:00:00.500Z');
        expect(readLive('wayside/pi/reading/env', '{"t":1}', user, false, 9)).toEqual({ device: 'pi', kind: 'reading', stream: 'env', time, seq: 42, value: { t: 1 }, stored: false });
        expect(readLive('wayside/pi/reading/env', '7', undefined, false, 9)).toMatchObject({ time: 9, seq: undefined, value: 7, stored: true });
        expect(readLive('wayside/pi/reading/env', '{"timestamp":"2026-01-01T00:00:00.5Z"}', { seq: 'x' }, false, 9)).toMatchObject({ time, seq: undefined });
        expect(readLive('wayside/pi/reading/env', '7', { time: ['2026-01-01T00:00:00.5Z', 'x'] }, true, 9)?.time).toBe(time);
        expect(readLive('wayside/pi/reading/env', '7', undefined, true, 9)).toBeUndefined();
        expect(readLive('wayside/pi/status', 'offline', undefined, true, 9)?.time).toBe(0);
        expect(readLive('else/pi', '7', undefined, false, 9)).toBeUndefined();
    });
    it('takes text that is no JSON as text', () => {
        expect(readPayload('{"a":1}')).toEqual({ a: 1 });
        expect(readPayload('offline')).toBe('offline');
    });
});

describe('metrics', () => {
    const text = '# HELP a\n# TYPE a counter\na_total{x="1"} 10\na_total{x="2"} 5\nmem_bytes 7\nbroken\nb_total NaN\n';
    it('reads samples', () => expect(parseMetrics(text).map((s) => [s.name, s.labels, s.value])).toEqual([['a_total', '{x="1"}', 10], ['a_total', '{x="2"}', 5], ['mem_bytes', '', 7]]));
    it('rates counters, from zero after a restart', () => {
        const before = parseMetrics(text);
        const after = parseMetrics('a_total{x="1"} 30\na_total{x="2"} 4\nnew_total 9\n');
        expect(counterRates(before, after, 2000).map((r) => [r.key, r.perSecond])).toEqual([['a_total{x="1"}', 10], ['a_total{x="2"}', 2], ['new_total', 0]]);
    });
    it('sums a gauge', () => {
        expect(gaugeOf(parseMetrics(text), 'mem_bytes')).toBe(7);
        expect(gaugeOf([], 'x')).toBeUndefined();
    });
});

it('picks what people look at first', () => {
    const host = ['uptime_s', 'cpu.cores', 'cpu.percent', 'cpu.temperature_c', 'memory.total_bytes', 'memory.percent', 'disk.percent', 'net.rx_bytes_per_s'];
    expect(pickFields(host, 3)).toEqual(['cpu.percent', 'memory.percent', 'cpu.temperature_c']);
    expect(pickFields(['humidity', 'temperature', 'id'], 2)).toEqual(['temperature', 'humidity']);
    expect(pickFields(['b', 'a'], 5)).toEqual(['b', 'a']);
    expect(pickFields([], 3)).toEqual([]);
    const own = ['cpu.percent', 'cpu.core0_percent', 'load.1m', 'memory.used_percent', 'memory.total_bytes', 'disk.used_percent', 'disk.sda.read_bytes_per_s',
        'network.lo.received_bytes_per_s', 'network.ifb0.received_bytes_per_s', 'network.eth0.received_bytes_per_s', 'temperature.cpu_c', 'uptime_s'];
    expect(pickFields(own, 6)).toEqual(['cpu.percent', 'memory.used_percent', 'temperature.cpu_c', 'disk.used_percent', 'network.eth0.received_bytes_per_s', 'load.1m']);
});
