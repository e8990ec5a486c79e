import { describe, expect, it } from 'vitest';
import { IntervalTracker, presenceOf, readDeclared } from '../src/model/state';

const S = 1000;
const NOW = 1_000_000 * S;

describe('presenceOf', () => {
    it('holds a fast device online for 15 s, late until 2 min, offline after', () => {
        expect(presenceOf(NOW - 15 * S, 2 * S, NOW)).toBe('online');
        expect(presenceOf(NOW - 16 * S, 2 * S, NOW)).toBe('late');
        expect(presenceOf(NOW - 120 * S, 2 * S, NOW)).toBe('late');
        expect(presenceOf(NOW - 121 * S, 2 * S, NOW)).toBe('offline');
    });
    it('gives a slow device three of its intervals, then ten', () => {
        const hour = 3600 * S;
        expect(presenceOf(NOW - 3 * hour, hour, NOW)).toBe('online');
        expect(presenceOf(NOW - 4 * hour, hour, NOW)).toBe('late');
        expect(presenceOf(NOW - 11 * hour, hour, NOW)).toBe('offline');
    });
    it('is offline for a device that never spoke', () => {
        expect(presenceOf(0, undefined, NOW)).toBe('offline');
        expect(presenceOf(NaN, undefined, NOW)).toBe('offline');
    });
    it('believes a last will until the device speaks again', () => {
        expect(presenceOf(NOW - 5 * S, 2 * S, NOW, { online: false, at: NOW - 1 * S })).toBe('offline');
        expect(presenceOf(NOW - 1 * S, 2 * S, NOW, { online: false, at: NOW - 5 * S })).toBe('online');
        expect(presenceOf(NOW - 500 * S, 2 * S, NOW, { online: true, at: NOW })).toBe('offline');
    });
    it('bears a clock of ours that is behind', () => {
        expect(presenceOf(NOW + 60 * S, 2 * S, NOW)).toBe('online');
    });
});

describe('readDeclared', () => {
    it('reads what devices say of themselves', () => {
        expect(readDeclared('offline', 1)).toEqual({ online: false, at: 1 });
        expect(readDeclared({ state: 'Online' }, 1)).toEqual({ online: true, at: 1 });
        expect(readDeclared({ status: 'down' }, 1)).toEqual({ online: false, at: 1 });
        expect(readDeclared({ online: false }, 1)).toEqual({ online: false, at: 1 });
    });
    it('says nothing when they do not', () => {
        expect(readDeclared({ cpu: 3 }, 1)).toBeUndefined();
        expect(readDeclared('42', 1)).toBeUndefined();
        expect(readDeclared(null, 1)).toBeUndefined();
    });
});

describe('IntervalTracker', () => {
    it('holds to its guess until it has seen enough', () => {
        const t = new IntervalTracker(9000);
        t.note(1000);
        t.note(3000);
        expect(t.value).toBe(9000);
    });
    it('is the median, so one pause is no habit', () => {
        const t = new IntervalTracker();
        for (const at of [0, 2, 4, 6, 8, 100, 102, 104]) t.note(1000 + at * S);
        expect(t.value).toBe(2000);
    });
    it('is not confused by two records at one time', () => {
        const t = new IntervalTracker();
        for (const at of [1, 1, 3, 3, 5, 5, 7, 7, 9]) t.note(at * S);
        expect(t.value).toBe(2000);
    });
});
