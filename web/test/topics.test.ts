import { describe, expect, it } from 'vitest';
import { filterProblem, KEEP_BYTES, KEEP_BYTES_SELECTED, openFirst, TOPICS_MAX, topicProblem, TopicTree } from '../src/model/topics';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const put = (tree: TopicTree, topic: string, text = 'x', retain = false, at = 1000): void => tree.note(topic, { payload: bytes(text), qos: 0, retain, at });
const paths = (tree: TopicTree, open: string[] = [], text = ''): string[] => tree.rows(new Set(open), text).map((r) => r.node.path);

describe('the tree of topics', () => {
    it('has the last message, counts and what is below', () => {
        const tree = new TopicTree();
        put(tree, 'a/b', 'one', true);
        put(tree, 'a/b', 'two', false, 2000);
        put(tree, 'a', 'three');
        const node = tree.find('a/b');
        expect(node).toMatchObject({ name: 'b', path: 'a/b', depth: 1, count: 2, last: { size: 3, retained: false, at: 2000 } });
        expect(new TextDecoder().decode(node?.last?.bytes)).toBe('two');
        expect(tree.find('a')).toMatchObject({ count: 1, below: 1 });
        expect([tree.topics, tree.messages]).toEqual([2, 3]);
        expect(tree.find('a/c')).toBeUndefined();
        expect(tree.find('')).toBeUndefined();
    });
    it('keeps empty levels apart', () => {
        const tree = new TopicTree();
        for (const topic of ['/a', 'a/', 'a', '//', 'a//b']) put(tree, topic);
        expect(tree.topics).toBe(5);
        for (const topic of ['/a', 'a/', 'a', '//', 'a//b']) expect(tree.find(topic)?.path).toBe(topic);
    });
    it('draws what is open, in order, and opens to what is searched', () => {
        const tree = new TopicTree();
        for (const topic of ['b/2', 'b/1', 'a', 'b/1/Deep', 'c/x']) put(tree, topic);
        expect(paths(tree)).toEqual(['a', 'b', 'c']);
        expect(paths(tree, ['b'])).toEqual(['a', 'b', 'b/1', 'b/2', 'c']);
        expect(paths(tree, ['b/1'])).toEqual(['a', 'b', 'c']);
        expect(paths(tree, [], 'deep')).toEqual(['b', 'b/1', 'b/1/Deep']);
        expect(paths(tree, [], 'b/')).toEqual(['b', 'b/1', 'b/1/Deep', 'b/2']);
        expect(paths(tree, [], 'nowhere')).toEqual([]);
        expect([...openFirst(tree, 10)]).toEqual(['b', 'c', 'b/1']);
        expect([...openFirst(tree, 5)]).toEqual([]);
        const alone = new TopicTree();
        for (let i = 0; i < 50; i++) put(alone, `only/${i}/x`);
        expect([...openFirst(alone, 10)]).toEqual(['only']);
    });
    it('counts rates from one sample to the next', () => {
        const tree = new TopicTree();
        tree.sample(1000);
        for (let i = 0; i < 10; i++) put(tree, 'a');
        put(tree, 'b');
        tree.sample(3000);
        expect([tree.find('a')?.rate, tree.find('b')?.rate, tree.rate]).toEqual([5, 0.5, 5.5]);
        tree.sample(4000);
        expect([tree.find('a')?.rate, tree.rate]).toEqual([0, 0]);
    });
    it('takes so many topics and says how much it left out', () => {
        const tree = new TopicTree();
        for (let i = 0; i < TOPICS_MAX + 5; i++) put(tree, `t/${i}`);
        put(tree, 't/0', 'again');
        expect([tree.topics, tree.left, tree.find('t/0')?.count]).toEqual([TOPICS_MAX, 5, 2]);
        put(tree, Array.from({ length: 100 }, () => 'l').join('/'));
        expect(tree.left).toBe(6);
        const deep = new TopicTree();
        for (let i = 0; i < 2000; i++) put(deep, `${i}${'/x'.repeat(60)}`);
        expect(deep.left).toBeGreaterThan(900);
        tree.clear();
        expect([tree.topics, tree.left, tree.messages, paths(tree).length]).toEqual([0, 0, 0, 0]);
    });
    it('keeps the beginning of large payloads, more of the one that is looked at, little when crowded', () => {
        const tree = new TopicTree();
        const large = 'x'.repeat(KEEP_BYTES_SELECTED + 1);
        tree.selected = 'mine';
        put(tree, 'other', large);
        put(tree, 'mine', large);
        expect(tree.find('other')?.last).toMatchObject({ size: large.length, bytes: { length: KEEP_BYTES } });
        expect(tree.find('mine')?.last?.bytes.length).toBe(KEEP_BYTES_SELECTED);
        for (let i = 0; i < TOPICS_MAX - 2; i++) put(tree, `t/${i}`, 'y'.repeat(KEEP_BYTES));
        expect(tree.bytes).toBeLessThan(20 * 1024 * 1024);
        put(tree, 'mine', 'small');
        put(tree, 'mine', 'small');
        let sum = 0;
        const each = (n: TopicTree['root']): void => {
            sum += n.last?.bytes.length ?? 0;
            n.children.forEach(each);
        };
        each(tree.root);
        expect(tree.bytes).toBe(sum);
    });
    it('is fast enough for 5,000 messages a second', () => {
        const tree = new TopicTree();
        const payload = bytes('{"value":21.5}');
        const start = performance.now();
        for (let i = 0; i < 100_000; i++) tree.note(`plant/${i % 100}/sensor/${i % 10_000}/value`, { payload, qos: 0, retain: false, at: i });
        expect(performance.now() - start).toBeLessThan(5000);
        expect(tree.topics).toBe(10_000);
    });
});

describe('filters and topics', () => {
    it.each(['#', '+', 'a', '/', 'a/+/b/#', '$SYS/#', '+/+', 'a b'])('%s is a filter', (f) => expect(filterProblem(f)).toBeUndefined());
    it.each(['', 'a#', '#/a', 'a/#/b', 'a+', '+a/b', '\0', 'x'.repeat(65536)])('%s is none', (f) => expect(filterProblem(f)).toBeTruthy());
    it.each(['a', '/', 'a/b c'])('%s can be published to', (t) => expect(topicProblem(t)).toBeUndefined());
    it.each(['', 'a/+', '#', '$SYS/x'])('%s can not', (t) => expect(topicProblem(t)).toBeTruthy());
});
