import { describe, expect, it } from 'vitest';
import { clockError, noDelivery, noteBacklog, reasonText, waitingOf, type Backlog, type NodeState } from '../src/model/delivery';
import { readDevice, readGap, readNode } from '../src/model/wire';

const node: NodeState = { journal: 'j', name: 'pi', backlog: 0, dropped: 0, lastContact: 0, clockErrorMs: 0, holes: 0 };
const NOW = 1_000_000_000;
const withBacklog = (backlog: number, lastContact = NOW - 500): NodeState => ({ ...node, backlog, lastContact });

describe('delivery', () => {
    it('shows a backlog that is more than what is always on its way', () => {
        expect(waitingOf(undefined, undefined, NOW)).toBeUndefined();
        expect(waitingOf(withBacklog(0), undefined, NOW)).toBeUndefined();
        expect(waitingOf(withBacklog(49), undefined, NOW)).toBeUndefined();
        expect(waitingOf(withBacklog(50), undefined, NOW)).toMatchObject({ kind: 'catching', count: 50, done: 0, leftMs: undefined });
    });
    it('does not say of a node that is away that it catches up, and shows the least that waits there', () => {
        expect(waitingOf(withBacklog(3, NOW - 31_000), undefined, NOW)).toMatchObject({ kind: 'silent', count: 3, leftMs: undefined });
        expect(waitingOf(withBacklog(3, NOW - 29_000), undefined, NOW)).toBeUndefined();
        expect(waitingOf(withBacklog(0, NOW - 1e9), undefined, NOW)).toBeUndefined();
        /* Never heard of since the hub's start: nothing is known to wait. */
        expect(waitingOf(withBacklog(0, NaN), undefined, NOW)).toBeUndefined();
        expect(waitingOf(withBacklog(900, NaN), undefined, NOW)?.kind).toBe('silent');
    });
    it('counts down from the largest that was seen', () => {
        let seen: Backlog | undefined;
        [1000, 4000, 3000, 2000, 1000].forEach((count, i) => (seen = noteBacklog(seen, count, NOW + i * 2000)));
        expect(waitingOf(withBacklog(1000, NOW + 8000), seen, NOW + 8000)).toMatchObject({ count: 1000, done: 0.75 });
    });
    it('says how long it takes at the speed of the last seconds, when it gets fewer', () => {
        let seen = noteBacklog(undefined, 4000, NOW);
        expect(waitingOf(withBacklog(4000), seen, NOW)?.leftMs).toBeUndefined();
        seen = noteBacklog(seen, 3000, NOW + 2000);
        expect(waitingOf(withBacklog(3000), seen, NOW)?.leftMs).toBe(6000);
        expect(waitingOf(withBacklog(5000), noteBacklog(seen, 5000, NOW + 4000), NOW)?.leftMs).toBeUndefined();
        /* What is longer ago does not count. */
        expect(waitingOf(withBacklog(2000), noteBacklog(seen, 2000, NOW + 60_000), NOW)?.leftMs).toBeUndefined();
    });
    it('begins anew after it was empty', () => {
        const seen = noteBacklog(noteBacklog(noteBacklog(undefined, 9000, NOW), 10, NOW + 2000), 100, NOW + 4000);
        expect(waitingOf(withBacklog(100), seen, NOW)).toMatchObject({ done: 0 });
        expect(seen.peak).toBe(100);
    });
    it('shows a clock that is off by more than the network', () => {
        expect(clockError({ ...noDelivery, node: { ...node, clockErrorMs: -2_000 } })).toBeUndefined();
        expect(clockError({ ...noDelivery, node: { ...node, clockErrorMs: -2_001 } })).toBe(-2_001);
    });
    it('says reasons in words, and keeps those that it does not know', () => {
        expect(reasonText('damaged')).toContain('disk');
        expect(reasonText('else')).toBe('else');
    });
});

describe('what the hub says of delivery', () => {
    it('is read with what may be missing', () => {
        expect(readDevice({ device: 'pi' })?.delivery).toEqual(noDelivery);
        const full = readDevice({
            device: 'pi', journal: 'j', gaps: 2, lost: 30, forks: 1,
            node: { journal: 'j', name: 'pi-7', backlog: 12, dropped: 3, last_contact: '2026-01-01T00:00:00Z', clock_error_ms: -5, holes: 1 },
        })?.delivery;
        expect(full).toEqual({
            journal: 'j', gaps: 2, lost: 30, forks: 1,
            node: { journal: 'j', name: 'pi-7', backlog: 12, dropped: 3, lastContact: Date.parse('2026-01-01T00:00:00Z'), clockErrorMs: -5, holes: 1 },
        });
        /* The node of a device may leave out what the device says already; records that are born on the hub have none. */
        expect(readDevice({ device: 'pi', journal: 'j', node: { name: 'pi-7', backlog: 12 } })?.delivery.node).toMatchObject({ journal: 'j', name: 'pi-7', backlog: 12, dropped: 0 });
        expect(readDevice({ device: 'pi', journal: 'j', node: null })?.delivery).toEqual({ ...noDelivery, journal: 'j' });
        expect(readDevice({ device: 'pi', journal: null, gaps: 0 })?.delivery).toEqual(noDelivery);
        expect(readNode({})).toBeUndefined();
        expect(readNode({ journal: 'j', last_contact: null })?.lastContact).toBeNaN();
        expect(readGap({ journal: 'j', first: 1, last: 4, reason: 'dropped', time: '2026-01-01T00:00:00Z' })).toMatchObject({ first: 1, last: 4 });
        expect(readGap({ first: 1 })).toBeUndefined();
    });
});
