import { describe, expect, it } from 'vitest';
import { Arrivals } from '../src/model/arrivals';

describe('Arrivals', () => {
    it('counts the whole seconds before this one, since the page was opened at most', () => {
        const a = new Arrivals(1_000_000);
        expect(a.rate(1_000_000)).toBe(0);
        for (let ms = 0; ms < 4_000; ms += 500) a.note(1_000_000 + ms);
        expect(a.rate(1_004_000)).toBe(2);
        expect(a.rate(1_010_000)).toBe(0.8);
        expect(a.rate(1_012_000)).toBe(0.4);
        expect(a.rate(1_100_000)).toBe(0);
    });
});
