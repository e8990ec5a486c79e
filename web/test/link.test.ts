import { describe, expect, it } from 'vitest';
import { backoffMs, describeLink, linkLost, linkRetry, linkStart, linkUp, OFFLINE_AFTER_MS } from '../src/model/link';

describe('link', () => {
    it('waits longer each time, with a cap, spread by a quarter', () => {
        expect([1, 2, 3, 4].map((n) => backoffMs(n, 0.5))).toEqual([500, 1000, 2000, 2000]);
        expect(backoffMs(21, 0.5)).toBe(10_000);
        expect(backoffMs(500, 0)).toBe(7500);
        expect(backoffMs(500, 0.999)).toBeLessThanOrEqual(12_500);
    });
    it('counts attempts until it is up, then starts again', () => {
        let link = linkLost(linkStart, 0, 0.5, 'gone');
        expect(link).toMatchObject({ kind: 'waiting', attempt: 1, retryAt: 500, lostAt: 0 });
        link = linkRetry(link);
        expect(link).toMatchObject({ kind: 'connecting', attempt: 2, lostAt: 0 });
        link = linkLost(link, 700, 0.5, 'gone');
        expect(link).toMatchObject({ attempt: 2, retryAt: 1700, lostAt: 0 });
        link = linkLost(linkUp(5000), 9000, 0.5, 'gone');
        expect(link).toMatchObject({ attempt: 1, retryAt: 9500, lostAt: 9000 });
    });
    it('takes one loss once', () => {
        const link = linkLost(linkStart, 0, 0.5, 'first');
        expect(linkLost(link, 100, 0.5, 'second')).toBe(link);
    });
    it('tells a person what is the matter', () => {
        expect(describeLink(linkStart, 0)).toMatchObject({ text: 'Connecting', tone: 'wait' });
        expect(describeLink(linkUp(0), 5)).toMatchObject({ text: 'Live', tone: 'good' });
        const lost = linkLost(linkUp(0), 1000, 0.5, 'gone');
        expect(describeLink(lost, 1000)).toEqual({ text: 'Reconnecting', tone: 'wait', retryIn: 1 });
        expect(describeLink(lost, 1000 + OFFLINE_AFTER_MS)).toEqual({ text: 'Offline', tone: 'bad', retryIn: 1 });
        expect(describeLink(linkRetry(lost), 1200)).toMatchObject({ text: 'Reconnecting' });
    });
});
