/* Is a device there? Decided from when the hub last heard of it, how often it usually speaks, and what it (or its last will) says
 * of itself. A device that speaks once an hour is not late after 16 seconds; one that speaks twice a second is, soon. */

export type Presence = 'online' | 'late' | 'offline';

const ONLINE_FLOOR_MS = 15_000;
const OFFLINE_FLOOR_MS = 120_000;
const INTERVAL_MAX_MS = 86_400_000;

export interface Declared {
    readonly online: boolean;
    /** When this was said; 0 when it was retained and its time is unknown. */
    readonly at: number;
}

export function presenceOf(lastSeen: number, intervalMs: number | undefined, now: number, declared?: Declared): Presence {
    if (!Number.isFinite(lastSeen) || lastSeen <= 0) return 'offline';
    /* A will only counts against records older than itself: what came after it proves the device is back. */
    if (declared && !declared.online && declared.at >= lastSeen) return 'offline';
    const interval = Math.min(intervalMs ?? 0, INTERVAL_MAX_MS);
    const age = now - lastSeen;
    if (age <= Math.max(ONLINE_FLOOR_MS, 3 * interval)) return 'online';
    return age <= Math.max(OFFLINE_FLOOR_MS, 10 * interval) ? 'late' : 'offline';
}

/** A status payload: `online`, `{"state":"offline"}`, `{"status":"up"}`, `{"online":true}`; undefined when it says neither. */
export function readDeclared(value: unknown, at: number): Declared | undefined {
    if (typeof value === 'boolean') return { online: value, at };
    if (typeof value === 'string') {
        const word = value.trim().toLowerCase();
        if (['online', 'up', 'running', 'connected', 'healthy', 'ok'].includes(word)) return { online: true, at };
        if (['offline', 'down', 'stopped', 'disconnected', 'lost'].includes(word)) return { online: false, at };
        return undefined;
    }
    if (value === null || typeof value !== 'object') return undefined;
    const object = value as Record<string, unknown>;
    for (const key of ['online', 'state', 'status']) {
        const said = key in object && typeof object[key] !== 'object' ? readDeclared(object[key], at) : undefined;
        if (said) return said;
    }
    return undefined;
}

/** The usual interval between records: the median of the last few, so one pause does not count as a habit. */
export class IntervalTracker {
    private readonly recent: number[] = [];
    private last = 0;
    constructor(private guess?: number) {}

    note(at: number): void {
        const delta = at - this.last;
        if (this.last > 0 && delta > 0) {
            this.recent.push(delta);
            if (this.recent.length > 15) this.recent.shift();
        }
        if (at > this.last) this.last = at;
    }

    /** An estimate from counts; it holds until enough records were seen. */
    suggest(guess: number | undefined): void {
        if (guess !== undefined && guess > 0 && Number.isFinite(guess)) this.guess = guess;
    }

    get value(): number | undefined {
        if (this.recent.length < 4) return this.guess;
        const sorted = [...this.recent].sort((a, b) => a - b);
        return sorted[sorted.length >> 1];
    }
}
