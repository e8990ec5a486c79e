import { describe, expect, it } from 'vitest';
import { flatten, groupLeaves, isChartable, numberAt } from '../src/model/flatten';

describe('flatten', () => {
    it('names leaves by their path with dots, in the order of the device', () => {
        expect(flatten({ cpu: { percent: 3, t: 40 }, up: true, name: 'x', none: null })).toEqual([
            { path: 'cpu.percent', value: 3 },
            { path: 'cpu.t', value: 40 },
            { path: 'up', value: true },
            { path: 'name', value: 'x' },
            { path: 'none', value: null },
        ]);
    });
    it('calls a bare scalar value, as the hub does', () => {
        expect(flatten(21.5)).toEqual([{ path: 'value', value: 21.5 }]);
        expect(flatten('on')).toEqual([{ path: 'value', value: 'on' }]);
    });
    it('keeps an array as one text, of which the hub makes no series', () => {
        expect(flatten({ box: [1, 2] })).toEqual([{ path: 'box', value: '[1,2]' }]);
    });
    it('bounds what a hostile device sends', () => {
        const wide = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`f${i}`, i]));
        expect(flatten(wide).length).toBe(400);
        let deep: unknown = 1;
        for (let i = 0; i < 500; i++) deep = { d: deep };
        expect(flatten(deep).length).toBe(1);
        expect(String(flatten('x'.repeat(10_000))[0]?.value).length).toBeLessThan(600);
    });
    it('charts numbers only', () => {
        expect(flatten({ a: 1, b: '1', c: true, d: null }).filter(isChartable).map((l) => l.path)).toEqual(['a']);
    });
});

describe('numberAt', () => {
    it('finds what flatten named', () => {
        const value = { cpu: { percent: 3 }, 'a.b': 4, a: { 'b.c': 5 } };
        for (const leaf of flatten(value)) expect(numberAt(value, leaf.path)).toBe(leaf.value);
        expect(numberAt(7, 'value')).toBe(7);
    });
    it('is undefined for what is no number, not there, or inherited', () => {
        expect(numberAt({ a: '3' }, 'a')).toBeUndefined();
        expect(numberAt({ a: 3 }, 'b')).toBeUndefined();
        expect(numberAt({}, 'constructor.length')).toBeUndefined();
        expect(numberAt({ a: [1] }, 'a.0')).toBeUndefined();
        expect(numberAt(null, 'a')).toBeUndefined();
    });
});

it('groups leaves by their first segment', () => {
    expect(groupLeaves(flatten({ a: { x: 1, y: 2 }, z: 3 })).map((g) => [g.name, g.leaves.length])).toEqual([['a', 2], ['', 1]]);
});
