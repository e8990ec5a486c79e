/* How a device's records reach the hub: the journal they come from, what waits in it, what is lost. And the newest values that come
 * ahead of a backlog, which come again in their turn. Pure. */

export interface NodeState {
    readonly journal: string;
    readonly name: string;
    readonly backlog: number;
    readonly dropped: number;
    /** ms since 1970; NaN when it has not spoken since the hub's start. */
    readonly lastContact: number;
    readonly clockErrorMs: number;
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

/** A handful on their way is no backlog. */
export const BACKLOG_SHOWN = 50;

export function isBehind(delivery: Delivery): boolean {
    return (delivery.node?.backlog ?? 0) >= BACKLOG_SHOWN;
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

const AHEAD_MAX = 2_000;

/** Which records of a stream were shown ahead of their turn: when they come in it, they are not news. */
export class Ahead {
    private readonly seqs = new Set<number>();

    note(seq: number): void {
        this.seqs.add(seq);
        if (this.seqs.size <= AHEAD_MAX) return;
        for (const oldest of this.seqs) {
            this.seqs.delete(oldest);
            break;
        }
    }

    /** True once: this record was shown before. */
    take(seq: number): boolean {
        return this.seqs.delete(seq);
    }
}
