/* How a device's records reach the hub: the journal they come from, what waits in it, what is lost. Pure. */

export interface NodeState {
    readonly journal: string;
    readonly name: string;
    readonly backlog: number;
    readonly dropped: number;
    /** ms since 1970; NaN when it has not spoken since the hub's start. */
    readonly lastContact: number;
    readonly clockErrorMs: number;
    /** Batches refused since the hub's start because they left records out. */
    readonly holes: number;
}

export interface Delivery {
    readonly journal: string;
    readonly gaps: number;
    readonly lost: number;
    readonly forks: number;
    readonly node: NodeState | undefined;
}

export interface Gap {
    readonly journal: string;
    readonly first: number;
    readonly last: number;
    readonly reason: string;
    readonly time: number;
}

export const noDelivery: Delivery = { journal: '', gaps: 0, lost: 0, forks: 0, node: undefined };

/* A busy node always has a handful on their way; that is no backlog. */
const BEHIND_FROM = 50;
/* Who catches up speaks many times a second. */
const SILENT_MS = 30_000;
/* Over how long the speed of catching up is measured. */
const SPEED_MS = 20_000;

/** What was seen of one journal's backlog. */
export interface Backlog {
    readonly count: number;
    /** The largest since it was last (nearly) empty. */
    readonly peak: number;
    readonly seen: readonly { readonly at: number; readonly count: number }[];
}

export function noteBacklog(before: Backlog | undefined, count: number, at: number): Backlog {
    const over = count < BEHIND_FROM;
    const recent = over ? [] : (before?.seen ?? []).filter((s) => s.at < at && at - s.at <= SPEED_MS);
    return { count, peak: over ? count : Math.max(count, before?.peak ?? 0), seen: [...recent, { at, count }] };
}

export interface Waiting {
    /** `catching`: it gets fewer, or soon will. `silent`: the node has not been heard of since it told so many. */
    readonly kind: 'catching' | 'silent';
    readonly count: number;
    /** The share that has arrived since the backlog was largest. */
    readonly done: number;
    /** How long it takes at the speed of the last seconds; undefined while that is not known. */
    readonly leftMs: number | undefined;
    readonly lastContact: number;
}

/** What waits on the node, when that is worth a line; undefined while all is well. */
export function waitingOf(node: NodeState | undefined, backlog: Backlog | undefined, now: number): Waiting | undefined {
    if (!node || node.backlog <= 0) return undefined;
    const silent = !(now - node.lastContact <= SILENT_MS);
    if (!silent && node.backlog < BEHIND_FROM) return undefined;
    const peak = Math.max(backlog?.peak ?? 0, node.backlog);
    return {
        kind: silent ? 'silent' : 'catching', count: node.backlog, done: 1 - node.backlog / peak,
        leftMs: silent ? undefined : leftOf(backlog), lastContact: node.lastContact,
    };
}

function leftOf(backlog: Backlog | undefined): number | undefined {
    const first = backlog?.seen[0];
    const last = backlog?.seen[backlog.seen.length - 1];
    if (!first || !last || last.at - first.at < 1_500 || first.count <= last.count) return undefined;
    return (last.count * (last.at - first.at)) / (first.count - last.count);
}

/** A clock that is off by less is as likely the network's delay. */
const CLOCK_SHOWN_MS = 2_000;

export function clockError(delivery: Delivery): number | undefined {
    const error = delivery.node?.clockErrorMs ?? 0;
    return Math.abs(error) > CLOCK_SHOWN_MS ? error : undefined;
}

const REASONS: Readonly<Record<string, string>> = {
    dropped: 'dropped at the quota, or no longer kept',
    damaged: 'damaged on the disk',
};

export function reasonText(reason: string): string {
    return REASONS[reason] ?? reason;
}
