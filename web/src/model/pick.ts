/* Which of a stream's numbers to show when nobody has chosen: what people look at first, by the names that devices use. */

const FIRST: readonly RegExp[] = [
    /(^|[._])cpu([._](percent|usage|used_percent))?$/,
    /(^|[._])cpu[._]\w*percent$/,
    /(^|[._])(mem|memory)[._]\w*percent$/,
    /(^|[._])temp(erature)?(_c|_celsius)?$/,
    /_c$/,
    /(^|[._])humidity/,
    /(^|[._])(disk|disk_\w+|filesystem)[._]\w*percent$/,
    /_percent$|[._]percent$/,
    /(rx|received|tx|sent)\w*bytes_per_s$/,
    /(^|[._])load/,
    /pressure|voltage|battery|confidence/,
    /_per_s(ec)?$/,
];
/* A single core says little beside all of them. */
const ONE_OF_MANY = /(core|cpu)\d+[._]/;
/* What a machine says to itself or to its guests: interfaces without a wire. */
const INNER = /(^|\.)(lo|ifb\d+|dummy\d+|veth[^.]*|docker\d+|virbr\d+|br-[^.]*)\./;
/* Counters, sizes that never change and identifiers make poor charts. */
const LAST = /(uptime|boot|total|_id$|^id$|timestamp|seq|count|_bytes$|version|port)/;

const ranks = new Map<string, number>();
const RANKS_MAX = 5_000;

/** Asked for every field of every card at each drawing, so it is remembered. */
export function rankField(path: string): number {
    let rank = ranks.get(path);
    if (rank === undefined) {
        rank = rankOf(path);
        if (ranks.size < RANKS_MAX) ranks.set(path, rank);
    }
    return rank;
}

function rankOf(path: string): number {
    const name = path.toLowerCase();
    if (ONE_OF_MANY.test(name)) return FIRST.length;
    if (INNER.test(name)) return FIRST.length + 1;
    const at = FIRST.findIndex((pattern) => pattern.test(name));
    if (at >= 0) return at;
    return LAST.test(name) ? FIRST.length + 1 : FIRST.length;
}

/** The `count` most telling fields, in the order of their rank, then as the device sends them. Of several that rank alike (four
 *  cores, ten disks) the first is taken before the second of any. */
export function pickFields(fields: readonly string[], count: number): string[] {
    const ranked = fields.map((field, i) => ({ field, i, rank: rankField(field) })).sort((a, b) => a.rank - b.rank || a.i - b.i);
    const taken: string[] = [];
    const seen = new Set<number>();
    for (const item of ranked) {
        if (taken.length < count && (item.rank >= FIRST.length || !seen.has(item.rank))) {
            seen.add(item.rank);
            taken.push(item.field);
        }
    }
    for (const item of ranked) if (taken.length < count && !taken.includes(item.field)) taken.push(item.field);
    return taken;
}
