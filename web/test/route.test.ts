import { describe, expect, it } from 'vitest';
import { buildRoute, DEFAULT_RANGE, parseRoute, type Route } from '../src/model/route';

describe('routes', () => {
    const routes: Route[] = [
        { page: 'devices', query: '', sort: 'name' },
        { page: 'devices', query: 'pi & co #1', sort: 'state' },
        { page: 'status' },
        { page: 'broker', tab: 'overview', query: '', filter: '#' },
        { page: 'broker', tab: 'topics', query: 'te mp', filter: 'plant/+/a b/#' },
        { page: 'broker', tab: 'clients', query: 'pi#1', filter: '#' },
        { page: 'device', device: 'pi-1', range: DEFAULT_RANGE, show: undefined },
        { page: 'device', device: 'pi-1', range: { kind: 'last', name: '7d' }, show: [] },
        { page: 'device', device: 'pi_1', range: { kind: 'fixed', from: 1000, to: 2000 }, show: [{ stream: 'a.b', field: 'cpu.percent' }, { stream: 's', field: 'odd,name:%20 ü' }] },
    ];
    it.each(routes.map((r) => [buildRoute(r), r] as const))('%s comes back as it went', (hash, route) => expect(parseRoute(hash)).toEqual(route));

    it('starts at the devices', () => {
        expect(parseRoute('')).toEqual({ page: 'devices', query: '', sort: 'name' });
        expect(parseRoute('#/')).toEqual({ page: 'devices', query: '', sort: 'name' });
    });
    it('falls back to what is sound when the rest is not', () => {
        expect(parseRoute('#/device/pi?range=9y')).toMatchObject({ range: DEFAULT_RANGE });
        expect(parseRoute('#/device/pi?from=5&to=4')).toMatchObject({ range: DEFAULT_RANGE });
        expect(parseRoute('#/device/pi?from=&to=')).toMatchObject({ range: DEFAULT_RANGE });
        expect(parseRoute('#/devices?sort=evil')).toMatchObject({ sort: 'name' });
        expect(parseRoute('#/device/pi?show=a,:b,c:,d:e,d:e')).toMatchObject({ show: [{ stream: 'd', field: 'e' }] });
    });
    it('says when there is no such page', () => {
        expect(parseRoute('#/device/a b').page).toBe('lost');
        expect(parseRoute(`#/device/${'x'.repeat(51)}`).page).toBe('lost');
        expect(parseRoute('#/nowhere').page).toBe('lost');
        expect(parseRoute('#/broker/nowhere').page).toBe('lost');
        expect(parseRoute('#/broker/topics/x').page).toBe('lost');
        expect(parseRoute('#/device/%E0%A4%A').page).toBe('lost');
    });
});
