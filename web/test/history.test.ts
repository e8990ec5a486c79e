import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { History } from '../src/history';
import type { Turn } from '../src/model/place';
import type { Range } from '../src/model/route';
import type { Buckets } from '../src/model/series';
import type { WireRecord } from '../src/model/wire';

interface Question {
    readonly from: number;
    readonly to: number;
    answer(): Promise<void>;
    fail(): Promise<void>;
}

const NOW = Date.parse('2026-01-02T00:00:00Z');
const HOUR = 3_600_000;
const PAST: Range = { kind: 'fixed', from: NOW - 3 * HOUR, to: NOW - 2 * HOUR };
const LAST: Range = { kind: 'last', name: '1h' };
const nothing: Buckets = { stepMs: 1, t: [], min: [], avg: [], max: [] };

const page = vi.hoisted(() => ({ tell: undefined as ((record: WireRecord, turn: Turn) => void) | undefined, asked: [] as Question[] }));

vi.mock('../src/store', () => ({
    store: {
        generation: 1,
        link: { kind: 'live' },
        now: () => Date.now(),
        isCatchingUp: () => false,
        subscribe: () => () => undefined,
        onEveryRecord: (listener: (record: WireRecord, turn: Turn) => void) => {
            page.tell = listener;
            return () => undefined;
        },
    },
}));
vi.mock('../src/net/api', () => ({
    ApiError: class extends Error {},
    fetchSeries: ({ from, to }: { from: number; to: number }) =>
        new Promise<Buckets>((resolve, reject) => {
            const settle = async (end: () => void): Promise<void> => {
                end();
                await vi.advanceTimersByTimeAsync(0);
            };
            page.asked.push({ from, to, answer: () => settle(() => resolve(nothing)), fail: () => settle(() => reject(new Error('away'))) });
        }),
}));

let history: History;

function open(range: Range): void {
    history = new History('pi', 'host', 'load', range, () => undefined);
    history.start();
}

/** A record of that time, stored now. */
function comes(time: number): void {
    page.tell?.({ device: 'pi', stream: 'host', kind: 'reading', time, seq: undefined, value: { load: 1 } }, 'new');
}

const question = (i: number): Question => {
    const asked = page.asked[i];
    if (!asked) throw new Error(`${page.asked.length} questions were asked`);
    return asked;
};

beforeEach(() => {
    vi.useFakeTimers({ now: NOW });
    page.asked.length = 0;
});
afterEach(() => {
    history.stop();
    vi.useRealTimers();
});

describe('a stretch in the past', () => {
    it('is asked for once when nothing comes', async () => {
        open(PAST);
        await question(0).answer();
        await vi.advanceTimersByTimeAsync(HOUR);
        expect(page.asked.length).toBe(1);
    });
    it('is asked for again when a record came during the first answer', async () => {
        open(PAST);
        comes(PAST.from + HOUR / 2);
        await question(0).answer();
        await vi.advanceTimersByTimeAsync(10_000);
        expect(question(1).from).toBeLessThanOrEqual(PAST.from + HOUR / 2);
        await question(1).answer();
        await vi.advanceTimersByTimeAsync(HOUR);
        expect(page.asked.length).toBe(2);
    });
    it('is asked for again when a record came during a later answer, and after that', async () => {
        open(PAST);
        await question(0).answer();
        comes(PAST.from + HOUR / 2);
        await vi.advanceTimersByTimeAsync(10_000);
        comes(PAST.from + HOUR / 4);
        await question(1).answer();
        await vi.advanceTimersByTimeAsync(10_000);
        expect(question(2).from).toBeLessThanOrEqual(PAST.from + HOUR / 4);
        await question(2).answer();
        comes(PAST.from);
        await vi.advanceTimersByTimeAsync(10_000);
        expect(question(3).from).toBeLessThanOrEqual(PAST.from);
    });
    it('is asked for again for a record at its very end', async () => {
        open(PAST);
        await question(0).answer();
        comes(PAST.to - 1);
        await vi.advanceTimersByTimeAsync(10_000);
        expect(question(1).from).toBeLessThan(question(1).to);
    });
    it('remembers over a failure what came during it', async () => {
        open(PAST);
        await question(0).answer();
        comes(PAST.from + HOUR / 2);
        await vi.advanceTimersByTimeAsync(10_000);
        comes(PAST.from + HOUR / 4);
        await question(1).fail();
        await vi.advanceTimersByTimeAsync(10_000);
        expect(question(2).from).toBeLessThanOrEqual(PAST.from + HOUR / 4);
    });
});

describe('the last hour', () => {
    it('is not asked for more often because newest records come during an answer', async () => {
        open(LAST);
        comes(NOW);
        await question(0).answer();
        await vi.advanceTimersByTimeAsync(20_000);
        expect(page.asked.length).toBe(1);
        await vi.advanceTimersByTimeAsync(HOUR);
        expect(page.asked.length).toBeGreaterThan(1);
    });
    it('is soon asked for again when an old record came during an answer', async () => {
        open(LAST);
        comes(NOW - HOUR / 2);
        await question(0).answer();
        await vi.advanceTimersByTimeAsync(10_000);
        expect(question(1).from).toBeLessThanOrEqual(NOW - HOUR / 2);
    });
});
