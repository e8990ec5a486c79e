import { describe, expect, it } from 'vitest';
import { Ahead, clockError, isBehind, noDelivery, reasonText, type NodeState } from '../src/model/delivery';
import { readDevice, readGap, readNode } from '../src/model/wire';

const node: NodeState = { journal: 'j', name: 'pi', backlog: 0, dropped: 0, lastContact: 0, clockErrorMs: 0 };

describe('delivery', () => {
    it('shows a backlog that is more than what is always on its way', () => {
        expect(isBehind(noDelivery)).toBe(false);
        expect(isBehind({ ...noDelivery, node: { ...node, backlog: 49 } })).toBe(false);
        expect(isBehind({ ...noDelivery, node: { ...node, backlog: 50 } })).toBe(true);
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

describe('records ahead of their turn', () => {
    it('are news once', () => {
        const ahead = new Ahead();
        ahead.note(7);
        expect(ahead.take(7)).toBe(true);
        expect(ahead.take(7)).toBe(false);
        expect(ahead.take(8)).toBe(false);
    });
    it('are forgotten, the oldest first, when there are too many', () => {
        const ahead = new Ahead();
        for (let seq = 1; seq <= 2_001; seq++) ahead.note(seq);
        expect(ahead.take(1)).toBe(false);
        expect(ahead.take(2)).toBe(true);
    });
});

describe('what the hub says of delivery', () => {
    it('is read with what may be missing', () => {
        expect(readDevice({ device: 'pi' })?.delivery).toEqual(noDelivery);
        const full = readDevice({
            device: 'pi', journal: 'j', gaps: 2, lost: 30, forks: 1,
            node: { journal: 'j', name: 'pi-7', backlog: 12, dropped: 3, last_contact: '2026-01-01T00:00:00Z', clock_error_ms: -5 },
        })?.delivery;
        expect(full).toEqual({
            journal: 'j', gaps: 2, lost: 30, forks: 1,
            node: { journal: 'j', name: 'pi-7', backlog: 12, dropped: 3, lastContact: Date.parse('2026-01-01T00:00:00Z'), clockErrorMs: -5 },
        });
        expect(readNode({})).toBeUndefined();
        expect(readNode({ journal: 'j', last_contact: null })?.lastContact).toBeNaN();
        expect(readGap({ journal: 'j', first: 1, last: 4, reason: 'dropped', time: '2026-01-01T00:00:00Z' })).toMatchObject({ first: 1, last: 4 });
        expect(readGap({ first: 1 })).toBeUndefined();
    });
});
