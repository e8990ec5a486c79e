import { describe, expect, it } from 'vitest';
import { formatAgo, formatDuration, formatInterval, formatLeaf, formatNumber, formatQuantity, formatRate, toLocalInput, withUnit } from '../src/model/format';
import { labelOf, unitOf } from '../src/model/units';

describe('formatNumber', () => {
    it.each([
        [0, '0'], [3, '3'], [3.14159, '3.14'], [31.4159, '31.4'], [314.159, '314.2'], [3141.59, '3142'], [0.31459, '0.31'], [0.0031, '0.003'], [-2.5, '−2.50'],
        [1234567, '1\u202f234\u202f567'], [12345, '12345'], [1e15, '1.00e+15'], [0.00001, '1.00e-5'], [NaN, '–'],
    ])('%d is %s', (value, text) => expect(formatNumber(value)).toBe(text));
});

describe('formatQuantity', () => {
    it.each([
        [512, 'bytes', '512\u00a0B'], [1536, 'bytes', '1.50\u00a0KiB'], [3.2e9, 'bytes', '2.98\u00a0GiB'], [2048, 'bytes_per_s', '2.00\u00a0KiB/s'],
        [41.26, 'celsius', '41.3\u00a0°C'], [-3, 'celsius', '−3.0\u00a0°C'], [99.5, 'percent', '99.5%'], [100, 'percent', '100%'], [90, 'seconds', '90\u00a0s'],
        [93784, 'seconds', '1\u00a0d 2\u00a0h'], [1.8e9, 'hertz', '1.80\u00a0GHz'], [7, 'none', '7'], [2.5, 'per_s', '2.50/s'],
    ] as const)('%d as %s is %s', (value, unit, text) => expect(withUnit(formatQuantity(value, unit))).toBe(text));
});

it('says how long ago in one unit', () => {
    expect([0, 1400, 3000, 59_400, 60_000, 3_599_000, 3_600_000, 47 * 3_600_000, 49 * 3_600_000, NaN].map(formatAgo)).toEqual([
        'now', 'now', '3\u00a0s ago', '59\u00a0s ago', '1\u00a0min ago', '59\u00a0min ago', '1\u00a0h ago', '47\u00a0h ago', '2\u00a0d ago', 'never',
    ]);
    expect(formatAgo(-5000)).toBe('now');
});

it('says durations, intervals and rates', () => {
    expect([0, 12_000, 185_000, 3_600_000, 90_061_000].map(formatDuration)).toEqual(['0\u00a0s', '12\u00a0s', '3\u00a0min 5\u00a0s', '1\u00a0h', '1\u00a0d 1\u00a0h']);
    expect([undefined, 200, 2000, 2040, 2500, 300_000].map(formatInterval)).toEqual(['', '5 per s', 'every 2\u00a0s', 'every 2\u00a0s', 'every 2.5\u00a0s', 'every 5\u00a0min']);
    expect([0, 0.64, 3.7, 99.94, 1234.5].map(formatRate)).toEqual(['0', '0.6', '3.7', '99.9', '1235']);
});

it('shows leaves that are no numbers', () => {
    expect([true, false, null, 'on'].map((v) => formatLeaf(v, 'none').text)).toEqual(['yes', 'no', 'null', 'on']);
});

it('gives a time input what it takes', () => {
    expect(toLocalInput(new Date(2026, 0, 2, 3, 4).getTime())).toBe('2026-01-02T03:04');
});

describe('units', () => {
    it.each([
        ['cpu.percent', 'percent'], ['cpu_percent', 'percent'], ['cpu.temperature_c', 'celsius'], ['temperature', 'celsius'], ['memory.used_bytes', 'bytes'],
        ['net.rx_bytes_per_s', 'bytes_per_s'], ['uptime_s', 'seconds'], ['latency_ms', 'milliseconds'], ['humidity', 'percent'], ['value', 'none'], ['fps', 'none'],
        ['rows', 'none'], ['topic', 'none'], ['items_per_s', 'per_s'], ['throttling.under_voltage', 'none'], ['battery_voltage', 'volt'], ['voltage', 'volt'],
    ] as const)('%s is %s', (path, unit) => expect(unitOf(path)).toBe(unit));
    it('leaves alone what the device named', () => expect(labelOf('eth0.received_bytes_per_s', true)).toBe('eth0 received'));
    it('labels for people', () => {
        expect(['cpu.percent', 'net.rx_bytes_per_s', 'temperature', 'uptime_s', 'value', 'c'].map((path) => labelOf(path))).toEqual(['CPU', 'Net received', 'Temperature', 'Uptime', 'Value', 'C']);
    });
});
