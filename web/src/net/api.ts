/* The hub's REST interface, always on the host the page came from. Every request has a deadline, and every failure is one sentence
 * that says what to do, made from the problem+json when there is one. */
import { readBuckets, readDevice, readGap, readItems, readNode, readRecord, type WireDevice, type WireRecord } from '../model/wire';
import type { Gap, NodeState } from '../model/delivery';
import type { Buckets } from '../model/series';
import { readClient, readListed, readStats, readSubscription, type BrokerStats, type Client, type Listed, type Subscription } from '../model/broker';

export class ApiError extends Error {
    constructor(
        message: string,
        readonly status: number,
        readonly field?: string,
    ) {
        super(message);
    }
}

const DEADLINE_MS = 20_000;
const PAGES_MAX = 50;
let skewMs = 0;

/** The hub's clock as far as it is known: a phone's own may be minutes off, and every age on the page is against the hub's. */
export function hubNow(): number {
    return Date.now() + skewMs;
}

export function address(path: string): string {
    return new URL(path, document.baseURI.replace(/#.*$/, '')).href;
}

async function get(path: string, signal?: AbortSignal, method = 'GET'): Promise<Response> {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), DEADLINE_MS);
    const onAbort = (): void => abort.abort();
    signal?.addEventListener('abort', onAbort);
    try {
        const response = await fetch(address(path), { method, signal: abort.signal, cache: 'no-store', headers: { Accept: 'application/json, text/plain' } });
        noteClock(response);
        if (!response.ok) throw await problemOf(response);
        return response;
    } catch (e) {
        if (e instanceof ApiError) throw e;
        if (signal?.aborted) throw new ApiError('cancelled', -1);
        throw new ApiError(abort.signal.aborted ? `The hub did not answer within ${DEADLINE_MS / 1000} s.` : 'The hub cannot be reached.', 0);
    } finally {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
    }
}

function noteClock(response: Response): void {
    const theirs = Date.parse(response.headers.get('Date') ?? '');
    if (!Number.isFinite(theirs)) return;
    /* The header has whole seconds; a difference below three is as likely the network's. */
    const difference = theirs + 500 - Date.now();
    skewMs = Math.abs(difference) > 3_000 ? difference : 0;
}

async function problemOf(response: Response): Promise<ApiError> {
    try {
        const body = (await response.json()) as { detail?: unknown; title?: unknown; field?: unknown };
        const said = typeof body.detail === 'string' ? body.detail : typeof body.title === 'string' ? body.title : '';
        const field = typeof body.field === 'string' ? body.field : undefined;
        if (said) return field === undefined ? new ApiError(said, response.status) : new ApiError(said, response.status, field);
    } catch {
        /* No JSON: the status has to do. */
    }
    return new ApiError(`The hub answered ${response.status} ${response.statusText}.`.replace(' .', '.'), response.status);
}

async function json(path: string, signal?: AbortSignal): Promise<unknown> {
    const response = await get(path, signal);
    try {
        return (await response.json()) as unknown;
    } catch {
        if (signal?.aborted) throw new ApiError('cancelled', -1);
        throw new ApiError('The hub answered with something that is no JSON. Is another server on this address?', response.status);
    }
}

/** whole: there are no more. */
export async function fetchDevices(most: number, signal?: AbortSignal): Promise<{ readonly items: readonly WireDevice[]; readonly whole: boolean }> {
    const all: WireDevice[] = [];
    let next: string | null = null;
    for (let page = 0; page < PAGES_MAX && all.length < most; page++) {
        const query: string = next === null ? '' : `?after=${encodeURIComponent(next)}`;
        const body = readItems(await json(`api/v1/devices${query}`, signal), readDevice);
        all.push(...body.items);
        next = body.next;
        if (next === null) break;
    }
    return { items: all, whole: next === null };
}

export async function fetchLatest(device: string, stream: string, limit: number, signal?: AbortSignal): Promise<WireRecord[]> {
    const query = new URLSearchParams({ device, stream, limit: String(limit) });
    return readItems(await json(`api/v1/readings?${query.toString()}`, signal), readRecord).items;
}

export async function fetchNodes(signal?: AbortSignal): Promise<NodeState[]> {
    return readItems(await json('api/v1/nodes', signal), readNode).items;
}

export async function fetchGaps(device: string, limit: number, signal?: AbortSignal): Promise<Gap[]> {
    const query = new URLSearchParams({ device, limit: String(limit) });
    return readItems(await json(`api/v1/gaps?${query.toString()}`, signal), readGap).items;
}

export interface SeriesQuery {
    readonly device: string;
    readonly stream: string;
    readonly field: string;
    readonly from: number;
    readonly to: number;
    readonly stepMs: number;
}

export async function fetchSeries(q: SeriesQuery, signal?: AbortSignal): Promise<Buckets> {
    const query = new URLSearchParams({
        device: q.device,
        stream: q.stream,
        field: q.field,
        from: new Date(q.from).toISOString(),
        to: new Date(q.to).toISOString(),
        step: `${q.stepMs / 1000}s`,
    });
    const buckets = readBuckets(await json(`api/v1/readings?${query.toString()}`, signal));
    if (!buckets) throw new ApiError('The hub answered without a series.', 200);
    return buckets;
}

export interface Health {
    readonly status: string;
    readonly version: string;
}

export async function fetchHealth(signal?: AbortSignal): Promise<Health> {
    const body = (await json('health', signal)) as Partial<Health> | null;
    return { status: String(body?.status ?? 'unknown'), version: String(body?.version ?? 'unknown') };
}

/** `READY`, or `NOT_READY` with the reason; 503 is an answer here, not a failure. */
export async function fetchReady(signal?: AbortSignal): Promise<{ ready: boolean; reason: string }> {
    let body: string;
    try {
        const response = await fetch(address('ready'), { cache: 'no-store', ...(signal ? { signal } : {}) });
        body = await response.text();
        if (!/^\s*(NOT_)?READY/.test(body)) throw new ApiError(`The hub answered ${response.status} to /ready.`, response.status);
    } catch (e) {
        if (e instanceof ApiError) throw e;
        throw new ApiError('The hub cannot be reached.', 0);
    }
    const [word = '', ...rest] = body.trim().split('\n');
    return { ready: word.trim() === 'READY', reason: rest.join(' ').trim() };
}

export async function fetchMetrics(signal?: AbortSignal): Promise<string> {
    return (await get('metrics', signal)).text();
}

export async function fetchBrokerStats(seconds: number, signal?: AbortSignal): Promise<BrokerStats> {
    return readStats(await json(`api/v1/mqtt/stats?seconds=${seconds}`, signal));
}

export async function fetchClients(search: string, limit: number, signal?: AbortSignal): Promise<Listed<Client>> {
    const query = new URLSearchParams({ limit: String(limit), ...(search ? { search } : {}) });
    return readListed(await json(`api/v1/mqtt/clients?${query.toString()}`, signal), readClient);
}

/** topic: only what gets a message that is published there. */
export async function fetchSubscriptions(search: string, topic: string, limit: number, signal?: AbortSignal): Promise<Listed<Subscription>> {
    const query = new URLSearchParams({ limit: String(limit), ...(search ? { search } : {}), ...(topic ? { topic } : {}) });
    return readListed(await json(`api/v1/mqtt/subscriptions?${query.toString()}`, signal), readSubscription);
}

export async function endClient(client: string, session: boolean): Promise<void> {
    const query = new URLSearchParams({ client, ...(session ? { session: 'true' } : {}) });
    await get(`api/v1/mqtt/client?${query.toString()}`, undefined, 'DELETE');
}
