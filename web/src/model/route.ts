/* Where the page is, as the part of its address behind `#`: it survives a reload, can be sent to a colleague, and needs nothing of
 * the server, whatever path prefix a gateway puts before it.
 *   #/devices?q=pi&sort=name    #/device/pi-1?range=6h&show=host:cpu.percent    #/broker/topics?filter=plant/%23    #/status */

export const RANGES = ['5m', '1h', '6h', '24h', '7d'] as const;
export type RangeName = (typeof RANGES)[number];
export type Range = { readonly kind: 'last'; readonly name: RangeName } | { readonly kind: 'fixed'; readonly from: number; readonly to: number };
export type Sort = 'name' | 'state' | 'recent';

export const BROKER_TABS = ['overview', 'topics', 'clients', 'subscriptions'] as const;
export type BrokerTab = (typeof BROKER_TABS)[number];
export const ALL_TOPICS = '#';

export interface FieldRef {
    readonly stream: string;
    readonly field: string;
}

export type Route =
    | { readonly page: 'devices'; readonly query: string; readonly sort: Sort }
    | { readonly page: 'device'; readonly device: string; readonly range: Range; readonly show: readonly FieldRef[] | undefined }
    | { readonly page: 'broker'; readonly tab: BrokerTab; readonly query: string; readonly filter: string }
    | { readonly page: 'status' }
    | { readonly page: 'lost'; readonly path: string };

const MINUTE = 60_000;
export const RANGE_MS: Readonly<Record<RangeName, number>> = {
    '5m': 5 * MINUTE, '1h': 60 * MINUTE, '6h': 360 * MINUTE, '24h': 1440 * MINUTE, '7d': 10080 * MINUTE,
};
export const RANGE_LABEL: Readonly<Record<RangeName, string>> = { '5m': '5 min', '1h': '1 h', '6h': '6 h', '24h': '24 h', '7d': '7 d' };
export const DEFAULT_RANGE: Range = { kind: 'last', name: '5m' };

const DEVICE = /^[A-Za-z0-9_-]{1,50}$/;
const SORTS: readonly string[] = ['name', 'state', 'recent'];
const SHOW_MAX = 24;

export function parseRoute(hash: string): Route {
    const text = hash.replace(/^#/, '');
    const mark = text.indexOf('?');
    const path = mark < 0 ? text : text.slice(0, mark);
    const params = new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1));
    const parts = path.split('/').filter(Boolean).map(decode);
    if (parts.length === 0 || (parts[0] === 'devices' && parts.length === 1)) {
        const sort = params.get('sort') ?? '';
        return { page: 'devices', query: params.get('q') ?? '', sort: (SORTS.includes(sort) ? sort : 'name') as Sort };
    }
    if (parts[0] === 'device' && parts.length === 2 && DEVICE.test(parts[1] ?? '')) {
        return { page: 'device', device: parts[1] ?? '', range: parseRange(params), show: parseShow(params.get('show')) };
    }
    if (parts[0] === 'broker' && parts.length <= 2 && (BROKER_TABS as readonly string[]).includes(parts[1] ?? 'overview')) {
        return { page: 'broker', tab: (parts[1] ?? 'overview') as BrokerTab, query: params.get('q') ?? '', filter: params.get('filter') ?? ALL_TOPICS };
    }
    if (parts[0] === 'status' && parts.length === 1) return { page: 'status' };
    return { page: 'lost', path: `/${parts.join('/')}` };
}

function decode(part: string): string {
    try {
        return decodeURIComponent(part);
    } catch {
        return part;
    }
}

function parseRange(params: URLSearchParams): Range {
    const name = params.get('range') ?? '';
    if ((RANGES as readonly string[]).includes(name)) return { kind: 'last', name: name as RangeName };
    const from = Number(params.get('from') ?? NaN);
    const to = Number(params.get('to') ?? NaN);
    if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && to > from) return { kind: 'fixed', from, to };
    return DEFAULT_RANGE;
}

function parseShow(text: string | null): FieldRef[] | undefined {
    if (text === null) return undefined;
    const refs: FieldRef[] = [];
    for (const item of text.split(',')) {
        const colon = item.indexOf(':');
        if (colon <= 0 || colon === item.length - 1) continue;
        const ref = { stream: decode(item.slice(0, colon)), field: decode(item.slice(colon + 1)) };
        if (!refs.some((r) => r.stream === ref.stream && r.field === ref.field)) refs.push(ref);
    }
    return refs.slice(0, SHOW_MAX);
}

export function buildRoute(route: Route): string {
    switch (route.page) {
        case 'devices': {
            const params = new URLSearchParams();
            if (route.query) params.set('q', route.query);
            if (route.sort !== 'name') params.set('sort', route.sort);
            return join('#/devices', params);
        }
        case 'device': {
            const params = new URLSearchParams();
            if (route.range.kind === 'fixed') {
                params.set('from', String(route.range.from));
                params.set('to', String(route.range.to));
            } else if (DEFAULT_RANGE.kind !== 'last' || route.range.name !== DEFAULT_RANGE.name) {
                params.set('range', route.range.name);
            }
            if (route.show) params.set('show', route.show.map((r) => `${encodeURIComponent(r.stream)}:${encodeURIComponent(r.field)}`).join(','));
            return join(`#/device/${encodeURIComponent(route.device)}`, params);
        }
        case 'broker': {
            const params = new URLSearchParams();
            if (route.query) params.set('q', route.query);
            if (route.filter !== ALL_TOPICS) params.set('filter', route.filter);
            return join(route.tab === 'overview' ? '#/broker' : `#/broker/${route.tab}`, params);
        }
        case 'status': return '#/status';
        case 'lost': return `#${route.path}`;
    }
}

function join(path: string, params: URLSearchParams): string {
    const query = params.toString().replace(/%3A/gi, ':').replace(/%2C/gi, ',');
    return query ? `${path}?${query}` : path;
}
