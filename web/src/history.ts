/* One chart's data: the past from REST, the present from the live channel, in one series. It fetches when the chart opens, fills
 * what it missed when the channel comes back, and puts the newest buckets right from time to time. */
import { numberAt } from './model/flatten';
import { RANGE_MS, type Range } from './model/route';
import { Series, stepFor } from './model/series';
import { LAG } from './model/units';
import { ApiError, fetchSeries } from './net/api';
import { store } from './store';

export type HistoryState = { readonly kind: 'loading' } | { readonly kind: 'ok' } | { readonly kind: 'failed'; readonly why: string };

const TAIL_MIN_MS = 30_000;
/* Nothing of these comes live: how long records took, and what arrives in the past while a node catches up. */
const LAG_MIN_MS = 5_000;
const BEHIND_MS = 10_000;
/* The hub stores what it shows, but not in that moment. */
const LATE_MS = 5_000;
const RETRY_MS = 4_000;

export class History {
    readonly series: Series;
    readonly stepMs: number;
    state: HistoryState = { kind: 'loading' };
    private readonly span: number;
    private readonly abort = new AbortController();
    private readonly leave: (() => void)[] = [];
    private timer: ReturnType<typeof setTimeout> | undefined;
    private generation = store.generation;
    private settled = 0;
    private fetching = false;
    /** Whether a node was catching up at the last look: records may be missing anywhere. */
    private behind = false;
    /** The oldest time for which a record arrived after it was asked for. */
    private late = Infinity;

    constructor(
        private readonly device: string,
        private readonly stream: string,
        private readonly field: string,
        private readonly range: Range,
        private readonly changed: () => void,
    ) {
        this.span = range.kind === 'last' ? RANGE_MS[range.name] : range.to - range.from;
        this.stepMs = stepFor(this.span);
        this.series = new Series(this.stepMs);
    }

    /** What the chart shows now, in ms. */
    window(): { from: number; to: number } {
        if (this.range.kind === 'fixed') return { from: this.range.from, to: this.range.to };
        const to = store.now();
        return { from: to - this.span, to };
    }

    start(): void {
        void this.fetch(this.window().from);
        this.leave.push(
            store.onEveryRecord((record, turn) => {
                if (record.device !== this.device || record.stream !== this.stream) return;
                if (this.range.kind === 'fixed' && (record.time < this.range.from || record.time >= this.range.to)) return;
                if (turn !== 'ahead') this.noteLate(record.time);
                /* How long a record took, only the hub can tell: this machine's clock is not that good. */
                const value = this.field === LAG ? undefined : numberAt(record.value, this.field);
                if (value === undefined) return;
                if (turn === 'ahead') this.series.addAhead(record.time, value);
                else if (turn === 'settled') this.series.settle(record.time, value);
                else this.series.addLive(record.time, value);
                this.changed();
            }),
            store.subscribe(() => {
                if (store.generation === this.generation) return;
                /* An answer under way may have been read before the channel was up: its tail is asked for again. */
                if (this.fetching) return;
                this.generation = store.generation;
                void this.fetch(this.settled > 0 ? this.settled : this.window().from);
            }),
        );
    }

    stop(): void {
        this.abort.abort();
        clearTimeout(this.timer);
        for (const leave of this.leave) leave();
    }

    private async fetch(since: number): Promise<void> {
        this.fetching = true;
        const { from: start, to: end } = this.window();
        this.behind = store.isCatchingUp(this.device);
        this.late = Infinity;
        /* On a whole step, so that the hub's buckets and ours are the same. */
        const from = Math.floor(Math.max(since, start) / this.stepMs) * this.stepMs;
        const to = this.range.kind === 'fixed' ? end : Math.max(end, from) + this.stepMs;
        try {
            const answer = await fetchSeries({ device: this.device, stream: this.stream, field: this.field, from, to, stepMs: this.stepMs }, this.abort.signal);
            if (this.abort.signal.aborted) return;
            this.series.mergeHistory(answer, from, to, end - 5_000);
            this.series.trim(start - 2 * this.stepMs);
            this.settled = Math.max(this.settled, Math.min(end, to) - Math.max(this.stepMs, 10_000));
            if (!this.isLate(this.late)) this.late = Infinity;
            this.state = { kind: 'ok' };
            this.again(this.tailMs(), () => this.since());
        } catch (e) {
            if (this.abort.signal.aborted) return;
            this.state = { kind: 'failed', why: e instanceof ApiError ? e.message : String(e) };
            this.again(RETRY_MS, () => Math.min(since, this.late));
        }
        this.fetching = false;
        this.changed();
    }

    /** When to ask for the newest buckets again: often while the live channel is away. A stretch in the past is asked for once,
     * and again when the answer may be without what arrived meanwhile. */
    private tailMs(): number | undefined {
        if (this.behind) return BEHIND_MS;
        if (this.late < Infinity) return LATE_MS;
        if (this.isPast()) return undefined;
        if (store.link.kind !== 'live') return RETRY_MS;
        return Math.max(this.field === LAG ? LAG_MIN_MS : TAIL_MIN_MS, this.stepMs / 2);
    }

    /** From where to ask: once more from the start after the last of a backlog. */
    private since(): number {
        return this.behind || store.isCatchingUp(this.device) ? 0 : Math.min(this.settled, this.late);
    }

    private isPast(): boolean {
        return this.range.kind === 'fixed' && this.range.to < store.now();
    }

    /** Whether asking for the newest buckets will not bring a record of that time. */
    private isLate(time: number): boolean {
        return time < this.settled || this.isPast();
    }

    private noteLate(time: number): void {
        /* What an answer under way settles is known when it is there. */
        if (!this.fetching && !this.isLate(time)) return;
        const first = this.late === Infinity;
        this.late = Math.min(this.late, time);
        if (first && !this.fetching) this.again(LATE_MS, () => this.since());
    }

    private again(ms: number | undefined, since: () => number): void {
        clearTimeout(this.timer);
        if (ms !== undefined) this.timer = setTimeout(() => void this.fetch(since()), ms);
    }
}
