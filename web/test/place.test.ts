import { describe, expect, it } from 'vitest';
import { mergeNewest, Once, placeNewest, seenAt } from '../src/model/place';
import type { WireRecord } from '../src/model/wire';

const at = (time: number, seq?: number): WireRecord => ({ device: 'd', stream: 's', kind: 'event', time, seq, value: time });
const turn = (once: Once, seq: number | undefined, time: number, stored = true): string => once.turn({ seq, time, stored });

describe('a record is shown once', () => {
    it('ahead of its turn, then not again when it comes in it', () => {
        const once = new Once();
        expect(turn(once, 7, 1000, false)).toBe('ahead');
        expect(turn(once, 7, 1000)).toBe('settled');
        expect(turn(once, 7, 1000)).toBe('again');
        expect(turn(once, 8, 2000)).toBe('new');
    });
    it('when the sender says it ahead twice, or the hub tells both in the wrong order', () => {
        const once = new Once();
        expect(turn(once, 7, 1000, false)).toBe('ahead');
        expect(turn(once, 7, 1000, false)).toBe('again');
        expect(turn(once, 8, 2000)).toBe('new');
        expect(turn(once, 8, 2000, false)).toBe('again');
    });
    it('in between those that waited before it', () => {
        const once = new Once();
        const turns = [turn(once, 90, 90, false), ...[1, 2, 3].map((n) => turn(once, n, n)), turn(once, 91, 91, false), turn(once, 90, 90), turn(once, 91, 91), turn(once, 92, 92)];
        expect(turns).toEqual(['ahead', 'new', 'new', 'new', 'ahead', 'settled', 'settled', 'new']);
    });
    it('and one of a new journal that has the same number is another', () => {
        const once = new Once();
        turn(once, 1, 1000);
        turn(once, 2, 2000, false);
        expect(turn(once, 1, 5000)).toBe('new');
        expect(turn(once, 2, 6000)).toBe('new');
    });
    it('as far as it has a number', () => {
        const once = new Once();
        expect([turn(once, undefined, 1), turn(once, undefined, 1), turn(once, undefined, 1, false)]).toEqual(['new', 'new', 'ahead']);
        expect(once.turn({ seq: 3, time: 1 })).toBe('new');
    });
    it('in bounded room, the oldest forgotten first', () => {
        const once = new Once();
        for (let seq = 1; seq <= 4_001; seq++) turn(once, seq, seq, false);
        expect(turn(once, 1, 1)).toBe('new');
        expect(turn(once, 2, 2)).toBe('settled');
    });
});

describe('a list of the newest', () => {
    it('is by time, whenever they came', () => {
        const list: WireRecord[] = [];
        for (const time of [50, 10, 30, 40, 20]) placeNewest(list, at(time), 4);
        expect(list.map((r) => r.time)).toEqual([50, 40, 30, 20]);
    });
    it('joins what came and what is stored, each record once', () => {
        const live = [at(50, 5), at(20, 2)];
        const stored = [at(50, 5), at(40, 4), at(40, 3), at(20, 2), at(10, 1)];
        expect(mergeNewest(live, stored, 4).map((r) => r.seq)).toEqual([5, 4, 3, 2]);
    });
    it('goes by the time where a number is not told', () => {
        expect(mergeNewest([at(50)], [at(50, 5), at(40, 4)], 9).map((r) => r.time)).toEqual([50, 40]);
    });
});

describe('when a device was last there', () => {
    it('is when a record was made, if its node catches up', () => {
        expect(seenAt(1_000_000, 400_000, true)).toBe(400_000);
        expect(seenAt(1_000_000, 999_000, true)).toBe(1_000_000);
    });
    it('is when it came, if nothing waits: its clock is wrong', () => {
        expect(seenAt(1_000_000, 400_000, false)).toBe(1_000_000);
        expect(seenAt(1_000_000, 0, true)).toBe(1_000_000);
        expect(seenAt(1_000_000, NaN, true)).toBe(1_000_000);
    });
});
