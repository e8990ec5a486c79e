/* What comes from the hub, checked: the page must not fall over because a field is missing or of another type. Pure. */

import { noDelivery, type Delivery, type Gap, type NodeState } from './delivery';

export interface WireStream {
    readonly stream: string;
    readonly kind: string;
    readonly lastTime: number;
    readonly count: number;
    readonly fields: readonly string[];
    readonly last: unknown;
}

export interface WireDevice {
    readonly device: string;
    readonly title: string;
    readonly location: string;
    readonly firstSeen: number;
    readonly lastSeen: number;
    readonly delivery: Delivery;
    readonly streams: readonly WireStream[];
}

export interface WireRecord {
    readonly device: string;
    readonly stream: string;
    readonly kind: string;
    readonly time: number;
    readonly seq: number | undefined;
    readonly value: unknown;
    /** False: only shown, ahead of a backlog in which it comes again. */
    readonly stored?: boolean;
}

type Json = Record<string, unknown>;

const isObject = (v: unknown): v is Json => v !== null && typeof v === 'object' && !Array.isArray(v);
const text = (v: unknown): string => (typeof v === 'string' ? v : '');
const number = (v: unknown): number => (typeof v === 'number' && Number.isFinite(v) ? v : 0);

/** RFC 3339 with its offset, as ms since 1970; NaN when it is none. Fractions of any length are taken, since devices send
 *  nanoseconds. */
export function parseTime(v: unknown): number {
    if (typeof v !== 'string') return NaN;
    const match = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.exec(v);
    if (!match) return NaN;
    const whole = Date.parse(`${match[1]}T${match[2]}${(match[4] ?? 'Z').toUpperCase()}`);
    return whole + (match[3] ? Math.floor(Number(`0${match[3]}`) * 1000) : 0);
}

export function readItems<T>(body: unknown, read: (item: unknown) => T | undefined): { items: T[]; next: string | null } {
    if (!isObject(body) || !Array.isArray(body['items'])) return { items: [], next: null };
    const items = body['items'].map(read).filter((x): x is Awaited<T> & T => x !== undefined);
    return { items, next: typeof body['next'] === 'string' && body['next'] !== '' ? body['next'] : null };
}

export function readDevice(item: unknown): WireDevice | undefined {
    if (!isObject(item) || text(item['device']) === '') return undefined;
    const streams = Array.isArray(item['streams']) ? item['streams'].map(readStream).filter((s) => s !== undefined) : [];
    return {
        device: text(item['device']),
        title: text(item['name']),
        location: text(item['location']),
        firstSeen: parseTime(item['first_seen']),
        lastSeen: parseTime(item['last_seen']),
        delivery: readDelivery(item),
        streams,
    };
}

function readDelivery(item: Json): Delivery {
    if (typeof item['journal'] !== 'string') return noDelivery;
    return {
        journal: item['journal'], gaps: number(item['gaps']), lost: number(item['lost']), forks: number(item['forks']),
        node: isObject(item['node']) ? readNode({ journal: item['journal'], ...item['node'] }) : undefined,
    };
}

export function readNode(item: unknown): NodeState | undefined {
    if (!isObject(item) || text(item['journal']) === '') return undefined;
    return {
        journal: text(item['journal']), name: text(item['name']), backlog: number(item['backlog']), dropped: number(item['dropped']),
        lastContact: parseTime(item['last_contact']), clockErrorMs: number(item['clock_error_ms']),
        holes: number(item['holes']),
    };
}

export function readGap(item: unknown): Gap | undefined {
    if (!isObject(item) || text(item['journal']) === '') return undefined;
    return {
        journal: text(item['journal']), first: number(item['first']), last: number(item['last']), reason: text(item['reason']),
        time: parseTime(item['time']),
    };
}

function readStream(item: unknown): WireStream | undefined {
    if (!isObject(item) || typeof item['stream'] !== 'string') return undefined;
    const fields = Array.isArray(item['fields']) ? item['fields'].filter((f): f is string => typeof f === 'string') : [];
    return {
        stream: item['stream'],
        kind: text(item['kind']) || 'reading',
        lastTime: parseTime(item['last_time']),
        count: number(item['count']),
        fields,
        last: item['last'],
    };
}

export function readRecord(item: unknown): WireRecord | undefined {
    if (!isObject(item) || text(item['device']) === '') return undefined;
    return {
        device: text(item['device']),
        stream: text(item['stream']),
        kind: text(item['kind']) || 'reading',
        time: parseTime(item['time']),
        seq: typeof item['seq'] === 'number' ? item['seq'] : undefined,
        value: item['value'],
    };
}

export function readBuckets(body: unknown): { stepMs: number; t: number[]; min: number[]; avg: number[]; max: number[] } | undefined {
    if (!isObject(body) || !Array.isArray(body['t'])) return undefined;
    const list = (key: string): number[] => (Array.isArray(body[key]) ? (body[key] as number[]) : []);
    return { stepMs: number(body['step_ms']), t: list('t'), min: list('min'), avg: list('avg'), max: list('max') };
}

const TOPIC = /^wayside\/([A-Za-z0-9_-]{1,50})\/(?:(reading|detection)\/([A-Za-z0-9_.-]{1,64})|(status|event))$/;

/** What a message on one of wayside's own topics is; undefined for any other. */
export function readTopic(topic: string): { device: string; kind: string; stream: string } | undefined {
    const match = TOPIC.exec(topic);
    if (!match?.[1]) return undefined;
    const kind = match[2] ?? match[4] ?? '';
    return { device: match[1], kind, stream: match[3] ?? kind };
}

/** A live message as a record; undefined when it is none, or when a retained one does not say of when it is. `user`: MQTT 5's user
 *  properties, in which the hub says a record's own time and number, and whether it is stored yet. */
export function readLive(topic: string, payload: string, user: Readonly<Record<string, string | string[]>> | undefined, retained: boolean, now: number): WireRecord | undefined {
    const what = readTopic(topic);
    if (!what) return undefined;
    const value = readPayload(payload);
    const said = parseTime(first(user?.['time']));
    const own = Number.isFinite(said) ? said : parseTime(isObject(value) ? value['timestamp'] : undefined);
    if (retained && !Number.isFinite(own) && what.kind !== 'status') return undefined;
    const seq = Number(first(user?.['seq']) ?? NaN);
    return {
        ...what,
        time: Number.isFinite(own) ? own : retained ? 0 : now,
        seq: Number.isSafeInteger(seq) ? seq : undefined,
        value,
        stored: first(user?.['stored']) !== '0',
    };
}

function first(v: string | string[] | undefined): string | undefined {
    return Array.isArray(v) ? v[0] : v;
}

/** A live payload: JSON, or text that is none. */
export function readPayload(payload: string): unknown {
    try {
        return JSON.parse(payload) as unknown;
    } catch {
        return payload;
    }
}
