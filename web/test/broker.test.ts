import { describe, expect, it } from 'vitest';
import { clientRates, readClient, readListed, readStats, readSubscription, recent, sortClients, transportText, type Client } from '../src/model/broker';

const client = (name: string, more: Partial<Client> = {}): Client => ({ ...readClient({ client: name, connected: true, since: '2026-01-01T00:00:00Z' }), ...more });

describe('what the broker says', () => {
    it('is read, and what is missing is nothing', () => {
        expect(readClient({ client: 'c', user: null, peer: 'p', connected: true, transport: 'ws', version: 5, since: '2026-01-01T00:00:00Z', subscriptions: 2, received: 7 })).toMatchObject({
            client: 'c', user: '', transport: 'ws', since: Date.UTC(2026, 0, 1), subscriptions: 2, received: 7, sent: 0,
        });
        expect(readClient(null)).toMatchObject({ client: '', connected: false, since: 0 });
        expect(readSubscription({ filter: 'a', qos: 2, shared: true })).toEqual({ client: '', filter: 'a', qos: 2, shared: true, noLocal: false });
        expect(readListed({ items: [{}, {}], total: 9 }, readClient)).toMatchObject({ total: 9, items: { length: 2 } });
        expect(readListed('nonsense', readClient)).toEqual({ items: [], total: 0 });
    });
    it('has rates on whole seconds', () => {
        const s = readStats({ received: { qos0: 1, qos1: 2, qos2: 3 }, dropped: { slow: 4 }, log: null, rates: { until: '2026-01-01T00:00:10.400Z', step_ms: 1000, received: [1, 2, 3], sent: [4, 5, 6], dropped: [0, 0, 1] } });
        const end = Date.UTC(2026, 0, 1) / 1000 + 10;
        expect(s).toMatchObject({ received: 6, dropped: { slow: 4, queue: 0 }, log: undefined, rates: { t: [end - 2, end - 1, end], sent: [4, 5, 6] } });
        expect(readStats({}).rates.t).toEqual([]);
        expect(recent([9, 1, 2, 3])).toBe(2);
        expect(recent([])).toBe(0);
    });
    it('tells the rates of clients by two looks', () => {
        const before = [client('a', { received: 10, sent: 2 ** 32 - 5 }), client('b'), client('gone')];
        const now = [client('a', { received: 30, sent: 5 }), client('b', { since: 5, received: 9 }), client('new', { received: 100 })];
        const rates = clientRates(before, now, 2000);
        expect(rates.get('a')).toEqual({ in: 10, out: 5 });
        expect([...rates.keys()]).toEqual(['a']);
        expect(clientRates(before, now, 0).size).toBe(0);
    });
    it('is sorted by what is asked for, then by name', () => {
        const all = [client('b', { queued: 1 }), client('a', { queued: 1 }), client('c', { queued: 5 })];
        const names = (list: Client[]): string => list.map((c) => c.client).join('');
        expect(names(sortClients(all, 'client', false, new Map()))).toBe('abc');
        expect(names(sortClients(all, 'client', true, new Map()))).toBe('cba');
        expect(names(sortClients(all, 'queued', true, new Map()))).toBe('cab');
        expect(names(sortClients(all, 'in', true, new Map([['b', { in: 3, out: 0 }]])))).toBe('bac');
    });
    it('says how a client is connected', () => {
        expect(transportText(client('a', { transport: 'wss', version: 5 }))).toBe('WebSocket, TLS · MQTT 5');
        expect(transportText(client('a', { transport: 'tcp', version: 4 }))).toBe('TCP · MQTT 3.1.1');
        expect(transportText(client('a', { connected: false }))).toBe('');
    });
});
