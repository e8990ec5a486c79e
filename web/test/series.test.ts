import { describe, expect, it } from 'vitest';
import { gapFor, Ring, Series, stepFor, type Buckets } from '../src/model/series';

const rest = (stepMs: number, rows: readonly (readonly [number, number, number?, number?])[]): Buckets => ({
    stepMs,
    t: rows.map((r) => r[0]),
    avg: rows.map((r) => r[1]),
    min: rows.map((r) => r[2] ?? r[1]),
    max: rows.map((r) => r[3] ?? r[1]),
});
const drawn = (s: Series, gap = Infinity): (readonly [number, number | null | undefined])[] => {
    const d = s.draw(0, 1e12, gap);
    return d.t.map((t, i) => [t * 1000, d.avg[i]] as const);
};

describe('Series', () => {
    it('takes a record that comes by both ways once, whichever is first', () => {
        const a = new Series(1000);
        a.mergeHistory(rest(1000, [[10_000, 5], [12_000, 6]]), 0, 14_000);
        a.addLive(12_400, 6);
        a.addLive(14_400, 7);
        const b = new Series(1000);
        b.addLive(12_400, 6);
        b.addLive(14_400, 7);
        b.mergeHistory(rest(1000, [[10_000, 5], [12_000, 6]]), 0, 14_000);
        expect(drawn(a)).toEqual([[10_000, 5], [12_000, 6], [14_000, 7]]);
        expect(drawn(b)).toEqual(drawn(a));
    });
    it('is in order when live points are not', () => {
        const s = new Series(1000);
        for (const t of [5000, 3000, 9000, 4000, 1000]) s.addLive(t, t);
        expect(drawn(s).map(([t]) => t)).toEqual([1000, 3000, 4000, 5000, 9000]);
    });
    it('fills the stretch that was missed and keeps both sides', () => {
        const s = new Series(1000);
        s.mergeHistory(rest(1000, [[1000, 1], [2000, 2]]), 0, 3000);
        s.addLive(9000, 9);
        s.mergeHistory(rest(1000, [[2000, 2], [5000, 5], [7000, 7]]), 2000, 9000);
        expect(drawn(s).map(([t]) => t)).toEqual([1000, 2000, 5000, 7000, 9000]);
    });
    it('lets REST correct what it covers, and only that', () => {
        const s = new Series(1000);
        s.mergeHistory(rest(1000, [[1000, 1], [2000, 2], [3000, 3]]), 0, 4000);
        s.mergeHistory(rest(1000, [[2000, 20]]), 2000, 4000);
        expect(drawn(s)).toEqual([[1000, 1], [2000, 20]]);
    });
    it('keeps live points that the store does not have yet', () => {
        const s = new Series(1000);
        s.addLive(8000, 8);
        s.addLive(3000, 3);
        s.mergeHistory(rest(1000, []), 0, 10_000, 5000);
        expect(drawn(s)).toEqual([[8000, 8]]);
    });
    it('keeps what is shown ahead, whatever REST says, until it is stored', () => {
        const s = new Series(1000);
        s.addAhead(3000, 3);
        s.addAhead(8000, 8);
        s.mergeHistory(rest(1000, [[1000, 1]]), 0, 10_000, 5000);
        s.mergeHistory(rest(1000, [[1000, 1]]), 0, 20_000, 15_000);
        expect(drawn(s)).toEqual([[1000, 1], [3000, 3], [8000, 8]]);
        s.settle(3000, 3);
        expect(drawn(s)).toEqual([[1000, 1], [3000, 3], [8000, 8]]);
        s.mergeHistory(rest(1000, [[1000, 1], [3000, 3], [8000, 8]]), 0, 20_000, 15_000);
        expect(drawn(s)).toEqual([[1000, 1], [3000, 3], [8000, 8]]);
        /* Both are stored by now: REST is the truth for them again. */
        s.mergeHistory(rest(1000, [[1000, 1]]), 0, 20_000, 15_000);
        expect(drawn(s)).toEqual([[1000, 1]]);
    });
    it('keeps several that are ahead in one wide bucket, each once', () => {
        const s = new Series(60_000);
        for (const [t, v] of [[61_000, 2], [63_000, 6], [65_000, 4]] as const) s.addAhead(t, v);
        for (let i = 0; i < 3; i++) s.mergeHistory(rest(60_000, []), 0, 300_000, 290_000);
        const d = s.draw(0, 1e12, Infinity);
        expect([d.min, d.avg, d.max]).toEqual([[2], [4], [6]]);
        s.mergeHistory(rest(60_000, [[60_000, 4, 2, 6]]), 0, 300_000, 290_000);
        expect(drawn(s)).toEqual([[60_000, 4]]);
    });
    it('takes the stored copy of what it never saw ahead, and forgets with its window', () => {
        const s = new Series(1000);
        s.settle(3000, 3);
        s.addAhead(4000, 4);
        expect(drawn(s)).toEqual([[3000, 3], [4000, 4]]);
        s.trim(90_000);
        s.mergeHistory(rest(1000, []), 0, 100_000);
        expect(drawn(s)).toEqual([]);
    });
    it('folds live values into a wide bucket: least, greatest, mean', () => {
        const s = new Series(60_000);
        for (const [t, v] of [[61_000, 2], [63_000, 4], [65_000, 6]] as const) s.addLive(t, v);
        const d = s.draw(0, 1e12, Infinity);
        expect([d.t, d.min, d.avg, d.max, d.banded]).toEqual([[60], [2], [4], [6], true]);
    });
    it('puts a null into a pause, and none where there is no pause', () => {
        const s = new Series(1000);
        for (const t of [0, 2000, 4000, 20_000, 22_000]) s.addLive(t, 1);
        expect(drawn(s, 6000).map(([, v]) => v)).toEqual([1, 1, 1, null, 1, 1]);
        expect(drawn(s, 60_000).map(([, v]) => v)).toEqual([1, 1, 1, 1, 1]);
    });
    it('times rise strictly, also with its nulls', () => {
        const s = new Series(1000);
        for (let i = 0; i < 300; i++) s.addLive(((i * 7919) % 500) * 1000, i);
        const { t } = s.draw(0, 1e12, 1000);
        for (let i = 1; i < t.length; i++) expect(t[i]).toBeGreaterThan(t[i - 1] ?? Infinity);
    });
    it('draws anew after a change, within the window', () => {
        const s = new Series(1000);
        s.addLive(1000, 1);
        expect(s.draw(0, 5000, 9e9).t).toEqual([1]);
        s.addLive(2000, 2);
        expect(s.draw(0, 5000, 9e9).t).toEqual([1, 2]);
        s.addLive(2500, 4);
        expect(s.draw(0, 5000, 9e9).avg).toEqual([1, 3]);
        expect(s.draw(2000, 5000, 9e9).t).toEqual([2]);
    });
    it('forgets what is older than its window', () => {
        const s = new Series(1000);
        for (let t = 0; t < 100_000; t += 1000) s.addLive(t, 1);
        s.trim(90_000);
        expect(s.size).toBe(10);
    });
    it('skips what is no number', () => {
        const s = new Series(1000);
        s.addLive(1000, NaN);
        s.addLive(NaN, 1);
        s.mergeHistory({ stepMs: 1000, t: [1000, 2000], avg: [null as unknown as number, 3], min: [], max: [] }, 0, 9000);
        expect(drawn(s)).toEqual([[2000, 3]]);
    });
    it('sums up', () => {
        const s = new Series(1000);
        expect(s.summary(0, 9000)).toBeUndefined();
        s.mergeHistory(rest(1000, [[1000, 2, 1, 5], [2000, 4, 3, 9]]), 0, 9000);
        expect(s.summary(0, 9000)).toEqual({ min: 1, avg: 3, max: 9, count: 2 });
        expect(s.newest(9000)).toEqual({ t: 2000, value: 4 });
        expect(s.newest(2000)?.t).toBe(1000);
    });
});

it('chooses steps that fill a screen and never more', () => {
    expect(stepFor(300_000)).toBe(1000);
    expect(stepFor(3_600_000)).toBe(5000);
    expect(stepFor(86_400_000)).toBe(120_000);
    expect(stepFor(7 * 86_400_000)).toBe(900_000);
    for (const range of [1e4, 1e6, 1e8, 1e10]) expect(range / stepFor(range)).toBeLessThanOrEqual(720);
});

it('calls three usual intervals a gap, two steps at least', () => {
    expect(gapFor(1000, 2000)).toBe(6000);
    expect(gapFor(900_000, 2000)).toBe(1_800_000);
    expect(gapFor(1000, undefined)).toBe(15_000);
});

describe('Ring', () => {
    it('keeps the newest in order, each time once', () => {
        const r = new Ring(3);
        for (const t of [5, 1, 9, 5, 7, 2]) r.add(t, t);
        expect(r.t).toEqual([5, 7, 9]);
        r.add(7, 70);
        expect(r.v).toEqual([5, 70, 9]);
    });
});
