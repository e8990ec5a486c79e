/* The broker as its REST interface tells it. What is missing or odd reads as nothing: a page of a newer hub still draws. */

export interface Client {
    readonly client: string;
    readonly user: string;
    readonly peer: string;
    readonly connected: boolean;
    readonly transport: string;
    readonly version: number;
    readonly since: number;
    readonly subscriptions: number;
    readonly queued: number;
    readonly inflight: number;
    readonly received: number;
    readonly sent: number;
    readonly dropped: number;
}

export interface Subscription {
    readonly client: string;
    readonly filter: string;
    readonly qos: number;
    readonly shared: boolean;
    readonly noLocal: boolean;
}

export interface Listed<T> {
    readonly items: readonly T[];
    readonly total: number;
}

export const CAUSES = ['slow', 'queue', 'oldest_qos0', 'offline', 'size', 'expired', 'retained', 'mount'] as const;
export type Cause = (typeof CAUSES)[number];
export const CAUSE_TEXT: Readonly<Record<Cause, string>> = {
    slow: 'the client was too slow for QoS 0',
    queue: 'its queue was full',
    oldest_qos0: 'QoS 0 that made room in a full queue',
    offline: 'for a client that was away, whose listener keeps nothing',
    size: 'larger than it takes',
    expired: 'expired while it waited',
    retained: 'no room for another retained message',
    mount: 'outside of its mount point',
};

export interface BrokerStats {
    readonly connected: number;
    readonly sessions: number;
    readonly subscriptions: number;
    readonly retained: number;
    readonly received: number;
    readonly sent: number;
    readonly refused: number;
    readonly dropped: Readonly<Record<Cause, number>>;
    readonly log: { readonly bytes: number; readonly quota: number; readonly full: boolean } | undefined;
    readonly rates: Rates;
}

/** Per second; times in s, as charts have them. */
export interface Rates {
    readonly t: readonly number[];
    readonly received: readonly number[];
    readonly sent: readonly number[];
    readonly dropped: readonly number[];
}

type Obj = Readonly<Record<string, unknown>>;
const obj = (v: unknown): Obj => (typeof v === 'object' && v !== null ? (v as Obj) : {});
const num = (v: unknown): number => (typeof v === 'number' && Number.isFinite(v) ? v : 0);
const str = (v: unknown): string => (typeof v === 'string' ? v : '');
const list = (v: unknown): readonly unknown[] => (Array.isArray(v) ? v : []);

export function readClient(v: unknown): Client {
    const o = obj(v);
    return {
        client: str(o['client']), user: str(o['user']), peer: str(o['peer']), connected: o['connected'] === true, transport: str(o['transport']),
        version: num(o['version']), since: Date.parse(str(o['since'])) || 0, subscriptions: num(o['subscriptions']), queued: num(o['queued']),
        inflight: num(o['inflight']), received: num(o['received']), sent: num(o['sent']), dropped: num(o['dropped']),
    };
}

export function readSubscription(v: unknown): Subscription {
    const o = obj(v);
    return { client: str(o['client']), filter: str(o['filter']), qos: num(o['qos']), shared: o['shared'] === true, noLocal: o['no_local'] === true };
}

export function readListed<T>(v: unknown, read: (item: unknown) => T): Listed<T> {
    const items = list(obj(v)['items']).map(read);
    return { items, total: Math.max(num(obj(v)['total']), items.length) };
}

const byQos = (v: unknown): number => num(obj(v)['qos0']) + num(obj(v)['qos1']) + num(obj(v)['qos2']);

export function readStats(v: unknown): BrokerStats {
    const o = obj(v);
    const dropped = obj(o['dropped']);
    const refused = obj(o['refused']);
    const log = obj(o['log']);
    return {
        connected: num(o['connected']), sessions: num(o['sessions']), subscriptions: num(o['subscriptions']), retained: num(o['retained']),
        received: byQos(o['received']), sent: byQos(o['sent']), refused: num(refused['publish']) + num(refused['subscribe']) + num(refused['connect']),
        dropped: Object.fromEntries(CAUSES.map((c) => [c, num(dropped[c])])) as Record<Cause, number>,
        log: o['log'] ? { bytes: num(log['bytes']), quota: num(log['quota_bytes']), full: log['full'] === true } : undefined,
        rates: readRates(o['rates']),
    };
}

function readRates(v: unknown): Rates {
    const o = obj(v);
    const series = (name: string): number[] => list(o[name]).map(num);
    const received = series('received');
    const step = num(o['step_ms']) / 1000 || 1;
    /* On whole seconds, so that a chart does not tremble from one answer to the next. */
    const until = Math.round((Date.parse(str(o['until'])) || 0) / 1000);
    return { t: received.map((_, i) => until - (received.length - 1 - i) * step), received, sent: series('sent'), dropped: series('dropped') };
}

/** The mean of the last seconds, so that a tile does not flicker. */
export function recent(values: readonly number[], seconds = 3): number {
    const last = values.slice(-seconds);
    return last.length === 0 ? 0 : last.reduce((a, b) => a + b, 0) / last.length;
}

/** Counters of 32 bits: they go on at 0. */
function risen(now: number, before: number): number {
    return now >= before ? now - before : now + 2 ** 32 - before;
}

export interface ClientRate {
    readonly in: number;
    readonly out: number;
}

/** Of those that were connected both times, by the same connection. */
export function clientRates(before: readonly Client[], now: readonly Client[], ms: number): Map<string, ClientRate> {
    const rates = new Map<string, ClientRate>();
    if (ms <= 0) return rates;
    const was = new Map(before.map((c) => [c.client, c]));
    for (const c of now) {
        const b = was.get(c.client);
        if (!b || !c.connected || !b.connected || b.since !== c.since) continue;
        rates.set(c.client, { in: (risen(c.received, b.received) * 1000) / ms, out: (risen(c.sent, b.sent) * 1000) / ms });
    }
    return rates;
}

export const CLIENT_SORTS = ['client', 'since', 'subscriptions', 'queued', 'in', 'out', 'dropped'] as const;
export type ClientSort = (typeof CLIENT_SORTS)[number];

/** Names upwards, numbers from the largest. Equal ones keep the order of names. */
export function sortClients(all: readonly Client[], by: ClientSort, down: boolean, rates: ReadonlyMap<string, ClientRate>): Client[] {
    const value = (c: Client): number => {
        switch (by) {
            case 'in': return rates.get(c.client)?.in ?? 0;
            case 'out': return rates.get(c.client)?.out ?? 0;
            case 'client': return 0;
            default: return c[by];
        }
    };
    const name = (a: Client, b: Client): number => (a.client < b.client ? -1 : a.client > b.client ? 1 : 0);
    const sign = down ? -1 : 1;
    return [...all].sort((a, b) => (by === 'client' ? sign * name(a, b) : sign * (value(a) - value(b)) || name(a, b)));
}

export function transportText(c: Client): string {
    if (!c.connected) return '';
    const over: Readonly<Record<string, string>> = { tcp: 'TCP', tls: 'TLS', ws: 'WebSocket', wss: 'WebSocket, TLS', unix: 'Unix socket' };
    return `${over[c.transport] ?? c.transport} · MQTT ${c.version === 5 ? '5' : c.version === 4 ? '3.1.1' : c.version === 3 ? '3.1' : '?'}`;
}
