/* The connection to the hub as a small state machine without timers: events come in with the time, what to show and when to try
 * next come out. The waits grow and are spread, so that a hundred open pages do not knock on a starting hub at once. */

export type Link =
    | { readonly kind: 'connecting'; readonly attempt: number; readonly lostAt: number | undefined }
    | { readonly kind: 'live'; readonly since: number }
    | { readonly kind: 'waiting'; readonly attempt: number; readonly lostAt: number; readonly retryAt: number; readonly why: string };

const FIRST_MS = 500;
const CAP_MS = 10_000;
const EARLY_CAP_MS = 2_000;
/* Twenty tries at no more than two seconds: a hub that is restarted is back within them. */
const EARLY_ATTEMPTS = 20;
/** A connection that is away for longer is called offline rather than reconnecting. */
export const OFFLINE_AFTER_MS = 30_000;

/** `random` in [0, 1). */
export function backoffMs(attempt: number, random: number): number {
    const cap = attempt <= EARLY_ATTEMPTS ? EARLY_CAP_MS : CAP_MS;
    const base = Math.min(cap, FIRST_MS * 2 ** Math.min(Math.max(attempt - 1, 0), 10));
    return Math.round(base * (0.75 + 0.5 * random));
}

export const linkStart: Link = { kind: 'connecting', attempt: 1, lostAt: undefined };

export function linkUp(now: number): Link {
    return { kind: 'live', since: now };
}

export function linkLost(link: Link, now: number, random: number, why: string): Link {
    if (link.kind === 'waiting') return link;
    const attempt = link.kind === 'connecting' ? link.attempt : 1;
    const lostAt = link.kind === 'connecting' ? (link.lostAt ?? now) : now;
    return { kind: 'waiting', attempt, lostAt, retryAt: now + backoffMs(attempt, random), why };
}

export function linkRetry(link: Link): Link {
    if (link.kind !== 'waiting') return linkStart;
    return { kind: 'connecting', attempt: link.attempt + 1, lostAt: link.lostAt };
}

export type LinkLook = { readonly tone: 'good' | 'wait' | 'bad'; readonly text: string; readonly retryIn: number | undefined };

/** What a person is told. The seconds are whole and never 0, so that the text does not flicker. */
export function describeLink(link: Link, now: number): LinkLook {
    if (link.kind === 'live') return { tone: 'good', text: 'Live', retryIn: undefined };
    const lost = link.lostAt !== undefined && now - link.lostAt >= OFFLINE_AFTER_MS;
    if (link.kind === 'connecting') {
        return { tone: lost ? 'bad' : 'wait', text: lost ? 'Offline' : link.lostAt === undefined ? 'Connecting' : 'Reconnecting', retryIn: undefined };
    }
    return { tone: lost ? 'bad' : 'wait', text: lost ? 'Offline' : 'Reconnecting', retryIn: Math.max(1, Math.ceil((link.retryAt - now) / 1000)) };
}
