/* The tree of topics that a filter lets through: the last message of each, counts and rates. Bounded, since anybody may publish
 * to as many topics as they like: beyond the bounds it says so and goes on with what it has. */

export const TOPICS_MAX = 10_000;
/** Of a payload this much is kept: enough to look at. Of the topic that is looked at, more. */
export const KEEP_BYTES = 4 * 1024;
export const KEEP_BYTES_SELECTED = 256 * 1024;
/** When all payloads together are more than this, only their first bytes are kept. */
export const KEEP_BYTES_ALL = 16 * 1024 * 1024;
const KEEP_BYTES_CROWDED = 256;
const LEVELS_MAX = 64;
const NODES_MAX = 6 * TOPICS_MAX;

export interface Message {
    readonly payload: Uint8Array;
    readonly qos: number;
    readonly retain: boolean;
    readonly at: number;
}

export interface Last {
    /** The first bytes of it. */
    readonly bytes: Uint8Array;
    readonly size: number;
    readonly qos: number;
    /** It was there before we listened: the broker keeps it. */
    readonly retained: boolean;
    readonly at: number;
}

export interface TopicNode {
    readonly name: string;
    readonly path: string;
    readonly depth: number;
    readonly parent: TopicNode | undefined;
    readonly children: Map<string, TopicNode>;
    sorted: readonly TopicNode[] | undefined;
    last: Last | undefined;
    /** Messages on this very topic, and the topics below it. */
    count: number;
    below: number;
    rate: number;
    counted: number;
}

export interface Row {
    readonly node: TopicNode;
    readonly open: boolean;
}

function nodeNew(name: string, path: string, depth: number, parent: TopicNode | undefined): TopicNode {
    return { name, path, depth, parent, children: new Map(), sorted: undefined, last: undefined, count: 0, below: 0, rate: 0, counted: 0 };
}

export class TopicTree {
    root = nodeNew('', '', -1, undefined);
    topics = 0;
    messages = 0;
    /** Messages of topics for which there was no room. */
    left = 0;
    bytes = 0;
    /** Rises when a row comes or goes. */
    shape = 0;
    selected: string | undefined;
    private nodes = 0;
    private sampledAt = 0;
    private sampledMessages = 0;
    rate = 0;

    note(topic: string, message: Message): void {
        this.messages++;
        const node = this.find(topic) ?? this.grow(topic);
        if (!node) {
            this.left++;
            return;
        }
        if (node.count === 0) this.begin(node);
        node.count++;
        this.keep(node, topic, message);
    }

    find(topic: string): TopicNode | undefined {
        let node: TopicNode | undefined = this.root;
        for (let from = 0; node && from <= topic.length; ) {
            const slash = topic.indexOf('/', from);
            const end = slash < 0 ? topic.length : slash;
            node = node.children.get(topic.slice(from, end));
            from = end + 1;
        }
        return node;
    }

    /** Once a second: what came since the last call. */
    sample(now: number): void {
        const seconds = (now - this.sampledAt) / 1000;
        if (this.sampledAt > 0 && seconds <= 0) return;
        const each = (node: TopicNode): void => {
            node.rate = this.sampledAt > 0 ? (node.count - node.counted) / seconds : 0;
            node.counted = node.count;
            for (const child of node.children.values()) each(child);
        };
        each(this.root);
        this.rate = this.sampledAt > 0 ? (this.messages - this.sampledMessages) / seconds : 0;
        this.sampledMessages = this.messages;
        this.sampledAt = now;
    }

    /** What is to be drawn: below the nodes that are open; with a text, all paths that hold it. */
    rows(open: ReadonlySet<string>, text: string): Row[] {
        const out: Row[] = [];
        const wanted = text.trim().toLowerCase();
        if (wanted) this.found(this.root, wanted, out);
        else this.below(this.root, open, out);
        return out;
    }

    clear(): void {
        this.root = nodeNew('', '', -1, undefined);
        this.topics = this.nodes = this.messages = this.left = this.bytes = this.rate = this.sampledMessages = this.sampledAt = 0;
        this.shape++;
    }

    private below(node: TopicNode, open: ReadonlySet<string>, out: Row[]): void {
        for (const child of sortedChildren(node)) {
            const isOpen = child.children.size > 0 && open.has(child.path);
            out.push({ node: child, open: isOpen });
            if (isOpen) this.below(child, open, out);
        }
    }

    private found(node: TopicNode, text: string, out: Row[]): boolean {
        let any = false;
        for (const child of sortedChildren(node)) {
            const at = out.length;
            out.push({ node: child, open: child.children.size > 0 });
            const inside = this.found(child, text, out);
            if (inside || child.path.toLowerCase().includes(text)) any = true;
            else out.length = at;
        }
        return any;
    }

    private grow(topic: string): TopicNode | undefined {
        const levels = topic.split('/');
        if (this.topics >= TOPICS_MAX || levels.length > LEVELS_MAX || this.nodes + levels.length > NODES_MAX) return undefined;
        let node = this.root;
        for (const [depth, name] of levels.entries()) {
            let child = node.children.get(name);
            if (!child) {
                child = nodeNew(name, depth === 0 ? name : `${node.path}/${name}`, depth, depth === 0 ? undefined : node);
                node.children.set(name, child);
                node.sorted = undefined;
                this.nodes++;
            }
            node = child;
        }
        return node;
    }

    private begin(node: TopicNode): void {
        this.topics++;
        this.shape++;
        for (let up = node.parent; up; up = up.parent) up.below++;
    }

    private keep(node: TopicNode, topic: string, m: Message): void {
        const most = topic === this.selected ? KEEP_BYTES_SELECTED : this.bytes > KEEP_BYTES_ALL ? KEEP_BYTES_CROWDED : KEEP_BYTES;
        /* A copy: the library's bytes are a view of a whole network read. */
        const bytes = m.payload.slice(0, most);
        this.bytes += bytes.length - (node.last?.bytes.length ?? 0);
        node.last = { bytes, size: m.payload.length, qos: m.qos, retained: m.retain, at: m.at };
    }
}

function sortedChildren(node: TopicNode): readonly TopicNode[] {
    node.sorted ??= [...node.children.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    return node.sorted;
}

/** Opens as much as is seen at one glance: whatever has few rows below it, and what stands alone. */
export function openFirst(tree: TopicTree, most: number): Set<string> {
    const open = new Set<string>();
    let level = [...tree.root.children.values()];
    let shown = level.length;
    while (level.length > 0) {
        const below = level.flatMap((n) => [...n.children.values()]);
        if (below.length === 0 || (shown + below.length > most && level.length > 1)) break;
        for (const n of level) if (n.children.size > 0) open.add(n.path);
        shown += below.length;
        level = below;
    }
    return open;
}

/** Why it is no topic filter; undefined: it is one. */
export function filterProblem(filter: string): string | undefined {
    if (filter === '') return 'A filter has at least one character; # is everything.';
    if (new TextEncoder().encode(filter).length > 65535) return 'A filter has at most 65535 bytes.';
    if (filter.includes('\0')) return 'A filter holds no zero character.';
    const levels = filter.split('/');
    for (const [i, level] of levels.entries()) {
        if (level.includes('#') && (level !== '#' || i !== levels.length - 1)) return '# stands alone, as the last level: a/b/#';
        if (level.includes('+') && level !== '+') return '+ stands for a whole level: a/+/c';
    }
    return undefined;
}

/** Why nothing can be published there. */
export function topicProblem(topic: string): string | undefined {
    if (topic === '') return 'A topic has at least one character.';
    if (/[+#]/.test(topic)) return 'A topic to publish to holds no + and no #.';
    if (topic.startsWith('$')) return 'Topics that begin with $ are the broker\u2019s own.';
    return filterProblem(topic);
}
