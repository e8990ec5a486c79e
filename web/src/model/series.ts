/* One numeric field over time, in buckets of a fixed step, out of two sources: what REST answered for a stretch of time, and the
 * points that arrive live. A bucket is a time, so a point that comes by both ways is there once, and whatever order they come in,
 * the series is in order. REST is the truth for the stretch it covers; live points are folded into the buckets behind it.
 *
 * A bucket that REST gave does not say how many values are in it, so folding a live value into one shifts its average only
 * approximately; its minimum and maximum are exact, and the next answer of REST for the newest buckets puts the average right. */

export interface Buckets {
    readonly stepMs: number;
    readonly t: readonly number[];
    readonly min: readonly number[];
    readonly avg: readonly number[];
    readonly max: readonly number[];
}

/** What a chart draws: seconds, and null where nothing was measured. */
export interface Drawn {
    readonly t: number[];
    readonly avg: (number | null)[];
    readonly min: (number | null)[];
    readonly max: (number | null)[];
    /** Whether any bucket holds more than one value, so that a band says something. */
    readonly banded: boolean;
}

interface Bucket {
    min: number;
    max: number;
    sum: number;
    n: number;
    live: boolean;
}

const BUCKETS_MAX = 20_000;

export class Series {
    private readonly buckets = new Map<number, Bucket>();
    private order: number[] | undefined = [];
    private drawn: { key: string; value: Drawn } | undefined;
    /** Points that the store does not have yet, whatever REST says of their time. */
    private readonly ahead = new Map<number, number>();

    constructor(readonly stepMs: number) {}

    get size(): number {
        return this.buckets.size;
    }

    /** REST's answer for [from, to). Live buckets in that stretch that REST does not know stay when they are newer than
     *  `settledUntil`: a record may reach the page before it reaches the store. */
    mergeHistory(answer: Buckets, from: number, to: number, settledUntil = to): void {
        for (const [t, bucket] of this.buckets) {
            if (t >= from && t < to && (!bucket.live || t + this.stepMs <= settledUntil)) this.buckets.delete(t);
        }
        for (let i = 0; i < answer.t.length; i++) {
            const t = answer.t[i];
            const avg = answer.avg[i];
            if (t === undefined || avg === undefined || avg === null || !Number.isFinite(t) || !Number.isFinite(avg)) continue;
            const min = answer.min[i] ?? avg;
            const max = answer.max[i] ?? avg;
            const held = this.buckets.get(this.align(t));
            const weight = min === max ? 1 : 2;
            const merged: Bucket = { min, max, sum: avg * weight, n: weight, live: false };
            if (held?.live) {
                merged.min = Math.min(min, held.min);
                merged.max = Math.max(max, held.max);
            }
            this.buckets.set(this.align(t), merged);
        }
        if (this.ahead.size > 0) this.keepAhead(answer, from, to);
        this.changed();
    }

    /** A newest value that is shown before it is stored: no answer of REST takes it away until it holds it. */
    addAhead(t: number, value: number): void {
        if (!Number.isFinite(t) || !Number.isFinite(value)) return;
        this.addLive(t, value);
        this.ahead.set(t, value);
    }

    /** The same value, now stored. */
    settle(t: number, value: number): void {
        if (!this.ahead.delete(t)) this.addLive(t, value);
    }

    addLive(t: number, value: number): void {
        if (!Number.isFinite(t) || !Number.isFinite(value)) return;
        const start = this.align(t);
        const held = this.buckets.get(start);
        if (!held) {
            this.buckets.set(start, { min: value, max: value, sum: value, n: 1, live: true });
            if (this.order && (this.order.length === 0 || start > (this.order[this.order.length - 1] ?? 0))) this.order.push(start);
            else this.order = undefined;
            this.drawn = undefined;
            return;
        }
        /* The only value of the bucket, said again: the same record by the other way. */
        if (held.min === held.max && held.min === value) return;
        held.min = Math.min(held.min, value);
        held.max = Math.max(held.max, value);
        held.sum += value;
        held.n++;
        this.drawn = undefined;
    }

    /** Forgets what is older than `from`, so that a page left open for a week does not grow. */
    trim(from: number): void {
        let gone = false;
        for (const t of this.ahead.keys()) if (t <= from) this.ahead.delete(t);
        for (const t of this.buckets.keys()) {
            if (t + this.stepMs <= from) gone = this.buckets.delete(t) || gone;
        }
        if (gone) this.changed();
    }

    /** The newest bucket before `to`. */
    newest(to: number): { t: number; value: number } | undefined {
        const order = this.sorted();
        for (let i = order.length - 1; i >= 0; i--) {
            const t = order[i] ?? 0;
            const bucket = this.buckets.get(t);
            if (t < to && bucket) return { t, value: bucket.sum / bucket.n };
        }
        return undefined;
    }

    /** The buckets in [from, to) for a chart, with a null wherever the pause is longer than `gapMs`. */
    draw(from: number, to: number, gapMs: number): Drawn {
        const key = `${from}/${to}/${gapMs}`;
        if (this.drawn?.key === key) return this.drawn.value;
        const out: Drawn & { banded: boolean } = { t: [], avg: [], min: [], max: [], banded: false };
        let last: number | undefined;
        for (const t of this.sorted()) {
            if (t + this.stepMs <= from || t >= to) continue;
            const bucket = this.buckets.get(t);
            if (!bucket) continue;
            if (last !== undefined && t - last > gapMs) {
                out.t.push((last + this.stepMs / 2) / 1000);
                out.avg.push(null);
                out.min.push(null);
                out.max.push(null);
            }
            out.t.push(t / 1000);
            out.avg.push(bucket.sum / bucket.n);
            out.min.push(bucket.min);
            out.max.push(bucket.max);
            if (bucket.min !== bucket.max) out.banded = true;
            last = t;
        }
        this.drawn = { key, value: out };
        return out;
    }

    /** Smallest, mean of the buckets, largest, and how many buckets in [from, to); undefined when nothing is there. */
    summary(from: number, to: number): { min: number; avg: number; max: number; count: number } | undefined {
        let min = Infinity;
        let max = -Infinity;
        let sum = 0;
        let n = 0;
        for (const [t, bucket] of this.buckets) {
            if (t + this.stepMs <= from || t >= to) continue;
            min = Math.min(min, bucket.min);
            max = Math.max(max, bucket.max);
            sum += bucket.sum / bucket.n;
            n++;
        }
        return n > 0 ? { min, avg: sum / n, max, count: n } : undefined;
    }

    /** Puts back what the answer does not hold. Whether a wide bucket holds a value can only be told by its limits. */
    private keepAhead(answer: Buckets, from: number, to: number): void {
        const at = new Map(answer.t.map((t, i) => [this.align(t), i]));
        const missing: (readonly [number, number])[] = [];
        for (const [t, value] of this.ahead) {
            if (t < from || t >= to) continue;
            const i = at.get(this.align(t));
            const min = i === undefined ? undefined : (answer.min[i] ?? answer.avg[i]);
            const max = i === undefined ? undefined : (answer.max[i] ?? answer.avg[i]);
            if (min !== undefined && max !== undefined && min <= value && value <= max) this.ahead.delete(t);
            else if (!this.buckets.get(this.align(t))?.live) missing.push([t, value]);
        }
        this.order = undefined;
        for (const [t, value] of missing) this.addLive(t, value);
    }

    private align(t: number): number {
        return Math.floor(t / this.stepMs) * this.stepMs;
    }

    private changed(): void {
        if (this.buckets.size > BUCKETS_MAX) {
            for (const t of this.sorted().slice(0, this.buckets.size - BUCKETS_MAX)) this.buckets.delete(t);
        }
        this.order = undefined;
        this.drawn = undefined;
    }

    private sorted(): number[] {
        if (!this.order) this.order = [...this.buckets.keys()].sort((a, b) => a - b);
        return this.order;
    }
}

/** Steps that people would choose, in ms. */
const STEPS: readonly number[] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400].map((s) => s * 1000);
const POINTS_WANTED = 720;

export function stepFor(rangeMs: number): number {
    return STEPS.find((step) => rangeMs / step <= POINTS_WANTED) ?? 86_400_000;
}

/** How long a pause is a gap: three usual intervals, and never less than two steps. */
export function gapFor(stepMs: number, intervalMs: number | undefined): number {
    return Math.max(2 * stepMs, 3 * (intervalMs ?? 5_000));
}

/** A short memory of the newest values, for sparklines: fixed room, in order, no time twice. */
export class Ring {
    readonly t: number[] = [];
    readonly v: number[] = [];
    constructor(private readonly room = 90) {}

    add(t: number, v: number): void {
        if (!Number.isFinite(t) || !Number.isFinite(v)) return;
        let at = this.t.length;
        while (at > 0 && (this.t[at - 1] ?? 0) > t) at--;
        if (at > 0 && this.t[at - 1] === t) {
            this.v[at - 1] = v;
            return;
        }
        if (at === 0 && this.t.length >= this.room) return;
        this.t.splice(at, 0, t);
        this.v.splice(at, 0, v);
        if (this.t.length > this.room) {
            this.t.shift();
            this.v.shift();
        }
    }
}
