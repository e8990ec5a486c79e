import { describe, expect, it } from 'vitest';
import { formatAbout, formatCount, formatLag, withUnit } from '../src/model/format';
import { floorLag, lagRange, lagTicks } from '../src/model/lag';
import { labelOf, LAG, unitOf } from '../src/model/units';

const N = '\u00a0';

describe('a lag', () => {
    it.each([
        [0, `0${N}ms`], [0.0004, `0.4${N}ms`], [0.0042, `4.2${N}ms`], [0.042, `42${N}ms`], [0.9994, `999${N}ms`], [0.9996, `1${N}s`], [1, `1${N}s`], [1.25, `1.3${N}s`], [42.4, `42${N}s`],
        [59.4, `59${N}s`], [59.6, `1${N}min`], [150, `2.5${N}min`], [600, `10${N}min`], [3569, `59${N}min`], [3600, `1${N}h`], [7200, `2${N}h`], [12_600, `3.5${N}h`], [84_599, `23${N}h`], [86_400, `1${N}d`], [216_000, `2.5${N}d`],
        [-2, `−2${N}s`], [-0.05, `−50${N}ms`], [-0.00001, `0${N}ms`], [NaN, '–'],
    ])('of %d s is %s', (seconds, text) => expect(withUnit(formatLag(seconds))).toBe(text));
    it('is a field of every stream', () => {
        expect(unitOf(LAG)).toBe('lag');
        expect(labelOf(LAG)).toBe('Lag');
    });
});

it('guesses without false precision', () => {
    expect([0, 12_000, 57_000, 58_000, 79_000, 3_400_000, 4_100_000, 90_000_000].map(formatAbout)).toEqual([`5${N}s`, `10${N}s`, `55${N}s`, `1${N}min`, `1${N}min`, `57${N}min`, `1${N}h 10${N}min`, `1${N}d 1${N}h`]);
});

it('counts with all digits', () => {
    expect([0, 120, 1234, 12_345, 1_234_567, NaN].map(formatCount)).toEqual(['0', '120', '1234', '12\u202f345', '1\u202f234\u202f567', '–']);
});

describe('the scale of lags', () => {
    it('ends at the marks around the values, two at least apart from nothing', () => {
        expect(lagRange(0.02, 0.06)).toEqual([0.01, 0.1]);
        expect(lagRange(0.03, 5000)).toEqual([0.01, 36_000]);
        expect(lagRange(1, 1)).toEqual([0.1, 1]);
        expect(lagRange(20, 40)).toEqual([10, 60]);
        expect(lagRange(null, null)).toEqual([0.01, 10]);
    });
    it('holds whatever comes', () => {
        for (const [low, high] of [[0.001, 0.001], [1e-9, 1e12], [5, 4e9], [86_400, 86_400]] as const) {
            const [bottom, top] = lagRange(low, high);
            expect(bottom).toBeGreaterThan(0);
            expect(top).toBeGreaterThan(bottom);
            expect(lagTicks(bottom, top).length).toBeGreaterThanOrEqual(2);
        }
    });
    it('marks what a clock has', () => expect(lagTicks(0.01, 3600)).toEqual([0.01, 0.1, 1, 10, 60, 600, 3600]));
    it('has no place for nothing and less', () => expect([null, -2, 0, 0.5].map(floorLag)).toEqual([null, 0.001, 0.001, 0.5]));
});
