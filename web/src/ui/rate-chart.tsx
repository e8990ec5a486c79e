/* Rates of the last five minutes, drawn by uPlot; the numbers beside the name are those under the cursor, or the newest. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type uPlot from 'uplot';
import { formatClock, formatRate } from '../model/format';
import { onThemeChange } from '../theme';
import { loadPlot } from './plot';

export interface RateLine {
    readonly name: string;
    readonly values: readonly number[];
    readonly bad?: boolean;
}

const HEIGHT = 170;
const WINDOW_S = 300;

export function RateChart({ title, unit, t, lines }: { title: string; unit: string; t: readonly number[]; lines: readonly RateLine[] }): JSX.Element {
    const box = useRef<HTMLDivElement>(null);
    const plot = useRef<uPlot>();
    const data = useRef<uPlot.AlignedData>([[]]);
    const [at, setAt] = useState<number | undefined>();
    data.current = [[...t], ...lines.map((l) => [...l.values])];

    useEffect(() => {
        let gone = false;
        let make: (() => void) | undefined;
        const watch = new ResizeObserver(() => {
            if (box.current) plot.current?.setSize({ width: box.current.clientWidth, height: HEIGHT });
        });
        void loadPlot().then((Plot) => {
            if (gone || !box.current) return;
            const where = box.current;
            make = () => {
                plot.current?.destroy();
                plot.current = new Plot(options(where.clientWidth, lines, setAt), data.current, where);
            };
            make();
            watch.observe(where);
        });
        const unwatch = onThemeChange(() => make?.());
        return () => {
            gone = true;
            watch.disconnect();
            unwatch();
            plot.current?.destroy();
            plot.current = undefined;
        };
    }, []);
    useEffect(() => plot.current?.setData(data.current), [t[t.length - 1]]);

    const i = at ?? t.length - 1;
    const time = t[i];
    return (
        <figure class="chart rate-chart" data-points={t.length}>
            <figcaption>
                <span class="chart-name"><b>{title}</b><small>{at !== undefined && time !== undefined ? formatClock(time * 1000) : unit}</small></span>
                <span class="rate-now">
                    {lines.map((l, n) => (
                        <span key={l.name} class={`rate-key ${l.bad ? 'bad' : n === 0 ? '' : 'other'}`}>
                            <i aria-hidden="true" />{l.name} <b>{formatRate(l.values[i] ?? 0)}</b>
                        </span>
                    ))}
                </span>
            </figcaption>
            <div class="plot" ref={box} style={{ minHeight: `${HEIGHT}px` }} />
        </figure>
    );
}

function options(width: number, lines: readonly RateLine[], onAt: (i: number | undefined) => void): uPlot.Options {
    const css = getComputedStyle(document.documentElement);
    const colour = (name: string): string => css.getPropertyValue(name).trim();
    const axis = { stroke: colour('--ink-soft'), font: `11px ${colour('--font') || 'sans-serif'}`, grid: { stroke: colour('--grid'), width: 1 }, ticks: { show: false } };
    return {
        width, height: HEIGHT, legend: { show: false }, padding: [8, 6, 0, 0],
        cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 }, sync: { key: 'broker' } },
        scales: {
            /* The window is five minutes from the start on: a young broker's chart does not stretch. */
            x: { time: false, range: (_u, _low, high) => [(high || 0) - WINDOW_S, high || WINDOW_S] },
            y: { range: (_u, _low, high) => [0, high > 0 ? Math.max(high * 1.12, 1) : 1] },
        },
        axes: [
            { ...axis, space: 70, size: 26, incrs: [30, 60, 120, 300], values: (_u, splits) => splits.map((s) => formatClock(s * 1000).slice(0, 5)) },
            { ...axis, size: 46, space: 36, values: (_u, splits) => splits.map((v) => (v >= 1000 ? `${+(v / 1000).toFixed(1)}k` : formatRate(v))) },
        ],
        series: [
            {},
            ...lines.map((l, n) => {
                const stroke = colour(l.bad ? '--bad' : n === 0 ? '--line' : '--second');
                return { stroke, width: 1.75, points: { show: false }, ...(n === 0 && !l.bad ? { fill: colour('--band') } : {}) };
            }),
        ],
        hooks: { setCursor: [(u) => onAt((u.cursor.left ?? -1) < 0 ? undefined : (u.cursor.idx ?? undefined))] },
    };
}
