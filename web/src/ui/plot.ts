/* How uPlot is set up: axes that read well in this page's colours and units, a band between the least and the greatest, one cursor
 * for all charts of the page, a drag to look closer. */
import type uPlot from 'uplot';
import { formatQuantity, withUnit } from '../model/format';
import { lagRange, lagTicks } from '../model/lag';
import type { Unit } from '../model/units';

export interface Cursor {
    readonly t: number;
    readonly avg: number | null;
    readonly min: number | null;
    readonly max: number | null;
}

interface Wish {
    readonly unit: Unit;
    readonly width: number;
    readonly height: number;
    readonly onCursor: (c: Cursor | undefined) => void;
    readonly onZoom: (from: number, to: number) => void;
}

const LOAD_AGAIN_MS = 2_000;
let loading: Promise<typeof uPlot> | undefined;

/** The library, which is no part of the first paint. When the hub goes away just then, it is asked for until it comes. */
export function loadPlot(): Promise<typeof uPlot> {
    loading ??= import('uplot').then(
        (m) => m.default,
        () => new Promise((resolve) => {
            setTimeout(() => {
                loading = undefined;
                resolve(loadPlot());
            }, LOAD_AGAIN_MS);
        }),
    );
    return loading;
}

const two = (n: number): string => String(n).padStart(2, '0');
const BINARY_STEPS = Array.from({ length: 50 }, (_, i) => 2 ** i);
/* As a clock is read; without 2 minutes a phone's five have a single mark. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 345600, 604800];
const ZOOM_MIN_S = 5;
/* Sparse data is shown with its points: one reading an hour is no line. */
const POINTS_BELOW = 40;

export function chartOptions(wish: Wish): uPlot.Options {
    const css = getComputedStyle(document.documentElement);
    const colour = (name: string): string => css.getPropertyValue(name).trim();
    const line = colour('--line');
    const font = `11px ${colour('--font') || 'sans-serif'}`;
    const grid = { stroke: colour('--grid'), width: 1 };
    const axis = { stroke: colour('--ink-soft'), font, grid, ticks: { show: false } };
    const lag = wish.unit === 'lag';
    const bytes = wish.unit === 'bytes' || wish.unit === 'bytes_per_s';
    const marks: uPlot.Axis = lag ? { splits: (_, __, low, high) => lagTicks(low, high), filter: (_, splits) => splits } : bytes ? { incrs: BINARY_STEPS } : {};
    return {
        width: wish.width,
        height: wish.height,
        padding: [8, 18, 0, 0],
        legend: { show: false },
        cursor: {
            sync: { key: 'wayside', setSeries: false },
            drag: { x: true, y: false, setScale: false, dist: 8 },
            points: { size: 7, width: 2, stroke: line, fill: colour('--surface') },
            y: false,
        },
        scales: { x: { time: true }, y: lag ? { distr: 3, log: 10, range: (_, low, high) => lagRange(low, high) } : { range: (_, low, high) => yRange(low, high, wish.unit) } },
        axes: [
            { ...axis, space: 60, incrs: TIME_STEPS, size: 28, gap: 6, values: (_, splits, __, ___, step) => splits.map((s, i) => timeLabel(s, splits[i - 1], step)) },
            { ...axis, ...marks, size: bytes ? 66 : 54, gap: 6, space: 34, values: (u, splits) => (countValues(u.data[1], 1) === 0 ? [] : splits.map((v) => tickLabel(v, wish.unit))) },
        ],
        series: [
            {},
            { stroke: line, width: 1.75, spanGaps: false, points: { show: (u) => countValues(u.data[1], POINTS_BELOW) < POINTS_BELOW, size: 5, fill: line, stroke: line } },
            { stroke: 'transparent', width: 0, points: { show: false } },
            { stroke: 'transparent', width: 0, points: { show: false } },
        ],
        bands: [{ series: [3, 2], fill: colour('--band') }],
        hooks: {
            setCursor: [(u) => wish.onCursor(cursorOf(u))],
            setSelect: [
                (u) => {
                    if (u.select.width < 8) return;
                    const from = u.posToVal(u.select.left, 'x');
                    const to = u.posToVal(u.select.left + u.select.width, 'x');
                    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
                    if (to - from >= ZOOM_MIN_S) wish.onZoom(Math.round(from * 1000), Math.round(to * 1000));
                },
            ],
        },
    };
}

function cursorOf(u: uPlot): Cursor | undefined {
    const i = u.cursor.idx;
    const t = i === null || i === undefined ? undefined : u.data[0][i];
    if (i === null || i === undefined || t === undefined || (u.cursor.left ?? -1) < 0) return undefined;
    return { t: t * 1000, avg: u.data[1]?.[i] ?? null, min: u.data[2]?.[i] ?? null, max: u.data[3]?.[i] ?? null };
}

/** How many values there are, up to `enough`. */
function countValues(list: ArrayLike<number | null | undefined> | undefined, enough: number): number {
    let n = 0;
    for (let i = 0; list && i < list.length && n < enough; i++) if (list[i] !== null && list[i] !== undefined) n++;
    return n;
}

/** Rates, sizes and shares start at zero; what may be negative or far from zero gets the room it needs, and never so little that
 *  noise looks like news. */
export function yRange(low: number | null, high: number | null, unit: Unit): [number, number] {
    if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
    const fromZero = low >= 0 && (unit === 'percent' || unit === 'bytes_per_s' || high - low > low * 0.5);
    if (fromZero && unit === 'percent') return [0, high > 60 ? Math.max(100, high * 1.02) : Math.max(10, high * 1.15)];
    if (fromZero) return [0, high > 0 ? high * 1.12 : 1];
    const least = unit === 'celsius' ? 2 : Math.max(Math.abs(high), Math.abs(low)) * 0.01 || 1;
    const span = Math.max(high - low, least);
    const middle = (low + high) / 2;
    return [middle - span * 0.6, middle + span * 0.6];
}

function tickLabel(v: number, unit: Unit): string {
    if (unit === 'percent') return `${+v.toFixed(2)}%`;
    if (unit === 'celsius') return `${+v.toFixed(2)}°`.replace('-', '−');
    if (unit === 'none') return (+v.toPrecision(6)).toString().replace('-', '−');
    if (v === 0) return '0';
    const q = formatQuantity(v, unit);
    return withUnit({ text: q.text.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, ''), unit: q.unit });
}

function timeLabel(s: number, before: number | undefined, step: number): string {
    const d = new Date(s * 1000);
    const day = `${two(d.getMonth() + 1)}-${two(d.getDate())}`;
    if (step >= 86_400) return day;
    const clock = step < 60 ? `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}` : `${two(d.getHours())}:${two(d.getMinutes())}`;
    const newDay = before !== undefined && new Date(before * 1000).getDate() !== d.getDate();
    return newDay ? day : clock;
}
