/* A record's value as a flat list of leaves: `{"cpu":{"percent":3}}` is one leaf `cpu.percent`. The paths are those that the
 * hub uses for `field=`, so a leaf that is a number can be charted. An array is one leaf of text: the hub makes no series of
 * what is inside. Values come from devices: depth, count and length are bounded. */

export type LeafValue = number | string | boolean | null;

export interface Leaf {
    readonly path: string;
    readonly value: LeafValue;
}

/** The path of a value that is a bare scalar rather than an object. */
export const SCALAR_PATH = 'value';

const DEPTH_MAX = 8;
const LEAVES_MAX = 400;
const TEXT_MAX = 500;

export function flatten(value: unknown): Leaf[] {
    const out: Leaf[] = [];
    walk(value, '', 0, out);
    return out;
}

function walk(value: unknown, path: string, depth: number, out: Leaf[]): void {
    if (out.length >= LEAVES_MAX || value === undefined) return;
    if (value === null || typeof value !== 'object') {
        out.push({ path: path || SCALAR_PATH, value: (typeof value === 'string' ? shorten(value) : value) as LeafValue });
        return;
    }
    if (Array.isArray(value) || depth >= DEPTH_MAX) {
        out.push({ path: path || SCALAR_PATH, value: shorten(JSON.stringify(value)) });
        return;
    }
    for (const [key, item] of Object.entries(value)) walk(item, path ? `${path}.${key}` : key, depth + 1, out);
}

function shorten(text: string): string {
    return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}

export function isChartable(leaf: Leaf): leaf is { path: string; value: number } {
    return typeof leaf.value === 'number' && Number.isFinite(leaf.value);
}

/** The number at `path`, or undefined when there is none. Keys may themselves hold dots, so every split is tried. */
export function numberAt(value: unknown, path: string): number | undefined {
    if (path === SCALAR_PATH && typeof value === 'number') return Number.isFinite(value) ? value : undefined;
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
    const object = value as Record<string, unknown>;
    if (Object.prototype.hasOwnProperty.call(object, path)) {
        const direct = object[path];
        if (typeof direct === 'number' && Number.isFinite(direct)) return direct;
    }
    for (let dot = path.indexOf('.'); dot > 0; dot = path.indexOf('.', dot + 1)) {
        const head = path.slice(0, dot);
        if (!Object.prototype.hasOwnProperty.call(object, head)) continue;
        const found = numberAt(object[head], path.slice(dot + 1));
        if (found !== undefined) return found;
    }
    return undefined;
}

/** Leaves by their first path segment, in order of appearance; leaves without a dot are in the group ''. */
export function groupLeaves(leaves: readonly Leaf[]): { name: string; leaves: Leaf[] }[] {
    const groups = new Map<string, Leaf[]>();
    for (const leaf of leaves) {
        const dot = leaf.path.indexOf('.');
        const name = dot > 0 ? leaf.path.slice(0, dot) : '';
        const group = groups.get(name);
        if (group) group.push(leaf);
        else groups.set(name, [leaf]);
    }
    return [...groups].map(([name, items]) => ({ name, leaves: items }));
}
