/* What a field's name says about its unit. Only names that leave no doubt are taken: a wrong unit is worse than none. The
 * display side (°C, MiB/s) is in format.ts. */

export type Unit = 'celsius' | 'percent' | 'bytes' | 'bytes_per_s' | 'per_s' | 'seconds' | 'milliseconds' | 'hertz' | 'volt' | 'hpa' | 'lag' | 'none';

/** The field that the hub has for every stream: seconds from a record's own time to its arrival in the database. */
export const LAG = '@lag';

const SUFFIXES: readonly (readonly [RegExp, Unit])[] = [
    [/(^|[._])bytes_per_s(ec|econd)?$/, 'bytes_per_s'],
    [/_per_s(ec|econd)?$/, 'per_s'],
    [/(^|[._])(\w+_)?bytes$/, 'bytes'],
    [/(^|[._])(percent|pct|humidity)$/, 'percent'],
    [/_(percent|pct)$/, 'percent'],
    [/(_c|_celsius)$/, 'celsius'],
    [/(^|[._])(temperature|celsius)$/, 'celsius'],
    [/_ms$/, 'milliseconds'],
    [/(_s|_seconds)$/, 'seconds'],
    [/(^|[._])seconds$/, 'seconds'],
    [/_hz$/, 'hertz'],
    /* Not every voltage is one: a Pi's under_voltage is a flag. */
    [/(_v|_volts?|(^|\.|(battery|supply|input)_)voltage)$/, 'volt'],
    [/_hpa$/, 'hpa'],
];

export function unitOf(path: string): Unit {
    if (path === LAG) return 'lag';
    const name = path.toLowerCase();
    for (const [pattern, unit] of SUFFIXES) if (pattern.test(name)) return unit;
    return 'none';
}

const WORDS: Readonly<Record<string, string>> = {
    cpu: 'CPU', rx: 'received', tx: 'sent', mem: 'memory', temp: 'temperature', io: 'I/O', gpu: 'GPU', fps: 'FPS', id: 'ID',
};
const UNIT_WORDS = /[._](bytes_per_s(ec|econd)?|per_s(ec|econd)?|bytes|percent|pct|celsius|c|ms|s|seconds|hz|v|volts?|hpa)$/i;

/** A label for people: `net.rx_bytes_per_s` is `Net received`. The exact path is shown beside it as a title. `verbatim`: the first
 *  segment is a name that the device chose (`eth0`), so its case stays. */
export function labelOf(path: string, verbatim = false): string {
    if (path === LAG) return 'Lag';
    const bare = path.replace(UNIT_WORDS, '') || path;
    const words = bare.split(/[._]+/).filter(Boolean).map((word) => WORDS[word.toLowerCase()] ?? word);
    const text = words.join(' ');
    return verbatim ? text : text.charAt(0).toUpperCase() + text.slice(1);
}
