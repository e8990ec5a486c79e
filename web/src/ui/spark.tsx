/* A value's last minutes as a small line. Decoration beside the number that says it: hidden from screen readers. */
import type { JSX } from 'preact';
import type { Ring } from '../model/series';

const W = 100;
const H = 28;
const PAD = 2;

export function Spark({ ring, gapMs }: { ring: Ring | undefined; gapMs: number }): JSX.Element {
    const { t, v } = ring ?? { t: [], v: [] };
    const n = t.length;
    if (n < 2) return <svg class="spark" viewBox={`0 0 ${W} ${H}`} aria-hidden="true" />;
    const first = t[0] ?? 0;
    const span = Math.max(1, (t[n - 1] ?? 0) - first);
    let low = Infinity;
    let high = -Infinity;
    for (const value of v) {
        low = Math.min(low, value);
        high = Math.max(high, value);
    }
    /* A value that hardly moves is a flat line, not a magnified tremble. */
    const least = Math.max(Math.abs(high), Math.abs(low)) * 0.02 || 1;
    const middle = (low + high) / 2;
    const half = Math.max(high - low, least) / 2;
    let line = '';
    for (let i = 0; i < n; i++) {
        const x = (((t[i] ?? 0) - first) / span) * (W - 4) + 2;
        const y = H / 2 - (((v[i] ?? 0) - middle) / half) * (H / 2 - PAD);
        const broken = i === 0 || (t[i] ?? 0) - (t[i - 1] ?? 0) > gapMs;
        line += `${broken ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`;
    }
    const lastY = H / 2 - (((v[n - 1] ?? 0) - middle) / half) * (H / 2 - PAD);
    return (
        <svg class="spark" viewBox={`0 0 ${W} ${H}`} preserveAspectRatio="none" aria-hidden="true">
            <path d={line} fill="none" vector-effect="non-scaling-stroke" />
            <path class="spark-end" d={`M${W - 2} ${lastY.toFixed(1)}h.01`} vector-effect="non-scaling-stroke" />
        </svg>
    );
}
