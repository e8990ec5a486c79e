/* The Prometheus text that a hub gives at /metrics, read for one purpose: which counters moved, and how fast. */

export interface Sample {
    readonly name: string;
    readonly labels: string;
    readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(\{[^}]*\})?\s+(\S+)/;

export function parseMetrics(text: string): Sample[] {
    const out: Sample[] = [];
    for (const line of text.split('\n')) {
        if (line === '' || line.startsWith('#')) continue;
        const match = LINE.exec(line);
        const value = match ? Number(match[3]) : NaN;
        if (match?.[1] && Number.isFinite(value)) out.push({ name: match[1], labels: match[2] ?? '', value });
    }
    return out;
}

export interface Rate {
    readonly key: string;
    readonly name: string;
    readonly labels: string;
    readonly total: number;
    readonly perSecond: number;
}

/** Rates of the `_total` counters between two readings. A counter that went back was restarted: it counts from zero. */
export function counterRates(before: readonly Sample[], after: readonly Sample[], elapsedMs: number): Rate[] {
    const old = new Map(before.map((s) => [s.name + s.labels, s.value]));
    return after
        .filter((s) => s.name.endsWith('_total'))
        .map((s) => {
            const key = s.name + s.labels;
            const was = old.get(key) ?? s.value;
            const moved = s.value >= was ? s.value - was : s.value;
            return { key, name: s.name, labels: s.labels, total: s.value, perSecond: elapsedMs > 0 ? (moved * 1000) / elapsedMs : 0 };
        });
}

export function gaugeOf(samples: readonly Sample[], name: string): number | undefined {
    const found = samples.filter((s) => s.name === name);
    return found.length > 0 ? found.reduce((sum, s) => sum + s.value, 0) : undefined;
}
