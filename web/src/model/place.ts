/* Where a record belongs that may come late, early or twice. While a node catches up, its newest values are shown ahead of the
 * backlog in which they come again, and old records arrive after newer ones: each is shown once, and placed by its own time. Pure. */
import type { WireRecord } from './wire';

/** `ahead`: shown before it is stored. `settled`: it was, and now came in its turn. `again`: nothing that is not known. */
export type Turn = 'new' | 'ahead' | 'settled' | 'again';

/* An hour of one newest value per second, and what two workers of a hub may tell in the wrong order. */
const AHEAD_MAX = 4_000;
const RECENT_MAX = 256;

/** Tells the turns of one stream's records apart. The number alone is no identity: a journal that was made anew counts from 1. */
export class Once {
    private readonly ahead = new Set<string>();
    private readonly recent = new Set<string>();

    turn(record: { readonly seq: number | undefined; readonly time: number; readonly stored?: boolean }): Turn {
        const early = record.stored === false;
        if (record.seq === undefined) return early ? 'ahead' : 'new';
        const key = keyOf(record.seq, record.time);
        if (this.recent.has(key) || (early && this.ahead.has(key))) return 'again';
        if (early) {
            remember(this.ahead, key, AHEAD_MAX);
            return 'ahead';
        }
        remember(this.recent, key, RECENT_MAX);
        return this.ahead.delete(key) ? 'settled' : 'new';
    }
}

function keyOf(seq: number | undefined, time: number): string {
    return `${seq ?? ''}/${time}`;
}

function remember(set: Set<string>, key: string, most: number): void {
    set.add(key);
    if (set.size <= most) return;
    for (const oldest of set) {
        set.delete(oldest);
        return;
    }
}

/** Puts the record where its time says, newest first, and forgets the oldest above `most`. */
export function placeNewest(list: WireRecord[], record: WireRecord, most: number): void {
    let at = 0;
    while (at < list.length && (list[at]?.time ?? 0) > record.time) at++;
    list.splice(at, 0, record);
    if (list.length > most) list.length = most;
}

/** The newest `most` of both lists, each record once. */
export function mergeNewest(live: readonly WireRecord[], stored: readonly WireRecord[], most: number): WireRecord[] {
    const known = new Set(live.map((r) => keyOf(r.seq, r.time)));
    /* A hub or protocol version that gives no number leaves the time. */
    const untold = new Set(live.filter((r) => r.seq === undefined).map((r) => r.time));
    const others = stored.filter((r) => !known.has(keyOf(r.seq, r.time)) && !untold.has(r.time));
    return [...live, ...others].sort((a, b) => b.time - a.time).slice(0, most);
}

const LATE_MS = 15_000;

/** When a device was last there, by a record that arrived: what a node that catches up brings was said when it was recorded. While
 *  nothing waits, a time that is long past is a clock that is wrong, and the arrival counts. */
export function seenAt(arrived: number, recorded: number, catchingUp: boolean): number {
    return catchingUp && recorded > 0 && arrived - recorded > LATE_MS ? recorded : arrived;
}
