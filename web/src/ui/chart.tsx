/* A field over time. uPlot paints; this file says what: the mean as a line, the least and greatest of each step as a band when
 * there is more than one value in it, and nothing where nothing was measured. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import type uPlot from 'uplot';
import { formatClock, formatDateTime, formatQuantity, withUnit } from '../model/format';
import { floorLag } from '../model/lag';
import { gapFor, type Drawn } from '../model/series';
import { labelOf, unitOf, type Unit } from '../model/units';
import type { Range } from '../model/route';
import { History } from '../history';
import { store } from '../store';
import { onThemeChange } from '../theme';
import { chartOptions, loadPlot, type Cursor } from './plot';

export interface ChartProps {
    readonly device: string;
    readonly stream: string;
    readonly field: string;
    readonly range: Range;
    readonly streamShown: boolean;
    /** Instead of the field's path below its name. */
    readonly note?: string;
    readonly onZoom: (from: number, to: number) => void;
    /** Without: it cannot be closed. */
    readonly onClose?: () => void;
}


const HEIGHT = 190;
const REDRAW_MS = 1000;

export function Chart(props: ChartProps): JSX.Element {
    const { device, stream, field, range } = props;
    const box = useRef<HTMLDivElement>(null);
    const zoom = useRef(props.onZoom);
    zoom.current = props.onZoom;
    const [cursor, setCursor] = useState<Cursor | undefined>();
    const [history, setHistory] = useState<History | undefined>();
    const [info, setInfo] = useState<Info>({});
    const unit = unitOf(field);
    const rangeKey = range.kind === 'last' ? range.name : `${range.from}-${range.to}`;

    useEffect(() => {
        const data = new History(device, stream, field, range, () => painter.ask());
        const painter = new Painter(data, unit, intervalOf(device, stream), () => setInfo(infoOf(data)));
        let gone = false;
        setHistory(data);
        data.start();
        void loadPlot().then((Plot) => {
            if (box.current && !gone) painter.mount(Plot, box.current, setCursor, (from, to) => zoom.current(from, to));
        });
        return () => {
            gone = true;
            data.stop();
            painter.unmount();
        };
    }, [device, stream, field, rangeKey]);

    const { summary, newest } = info;
    const text = (v: number): string => withUnit(formatQuantity(v, unit));
    return (
        <figure class="chart" data-field={`${stream}:${field}`} data-state={history?.state.kind ?? 'loading'} data-points={summary?.count ?? 0} data-newest={newest?.t ?? 0}>
            <figcaption>
                <span class="chart-name" title={`${stream}: ${field}`}>
                    <b>{labelOf(field)}</b>
                    <small>{props.note ?? (props.streamShown ? `${stream} · ${field}` : field)}</small>
                </span>
                <Readout cursor={cursor} newest={newest} unit={unit} />
                {props.onClose && (
                    <button type="button" class="icon close" aria-label={`Close the chart of ${field}`} title="Close" onClick={props.onClose}>
                        <svg viewBox="0 0 20 20" width="16" height="16" aria-hidden="true"><path d="m5 5 10 10M15 5 5 15" /></svg>
                    </button>
                )}
            </figcaption>
            <div ref={box} class="plot" style={{ height: `${HEIGHT}px` }} role="img" aria-label={describe(field, summary, text)} />
            <Overlay history={history} empty={!summary} />
            <p class="chart-foot">
                {summary && <><span>min <b>{text(summary.min)}</b></span><span>mean <b>{text(summary.avg)}</b></span><span>max <b>{text(summary.max)}</b></span></>}
            </p>
        </figure>
    );
}

function intervalOf(device: string, stream: string): () => number | undefined {
    return () => store.devices.get(device)?.streams.get(stream)?.interval.value;
}

interface Info {
    readonly summary?: { min: number; avg: number; max: number; count: number } | undefined;
    readonly newest?: { t: number; value: number } | undefined;
}

function infoOf(history: History): Info {
    const { from, to } = history.window();
    return { summary: history.series.summary(from, to), newest: history.series.newest(to) };
}

function describe(field: string, summary: { min: number; avg: number; max: number } | undefined, text: (v: number) => string): string {
    return summary ? `${field}: from ${text(summary.min)} to ${text(summary.max)}, mean ${text(summary.avg)}` : `${field}: no data in this range`;
}

function Readout({ cursor, newest, unit }: { cursor: Cursor | undefined; newest: Info['newest']; unit: Unit }): JSX.Element {
    if (cursor) {
        const q = cursor.avg === null ? { text: 'no data', unit: '' } : formatQuantity(cursor.avg, unit);
        const band = cursor.min !== null && cursor.max !== null && cursor.min !== cursor.max;
        return (
            <span class="readout at">
                <b class={cursor.avg === null ? 'none' : ''}>{q.text}<small>{q.unit}</small></b>
                <small>{band && `${bandText(cursor.min ?? 0, cursor.max ?? 0, unit)} · `}{Date.now() - cursor.t > 43_200_000 ? formatDateTime(cursor.t) : formatClock(cursor.t)}</small>
            </span>
        );
    }
    if (!newest) return <span class="readout" />;
    const q = formatQuantity(newest.value, unit);
    return <span class="readout"><b>{q.text}<small>{q.unit}</small></b></span>;
}

/* The unit is beside it already, unless it changes with the size. */
function bandText(min: number, max: number, unit: Unit): string {
    const [low, high] = [formatQuantity(min, unit), formatQuantity(max, unit)];
    return unit === 'lag' ? `${low.unit === high.unit ? low.text : withUnit(low)}…${withUnit(high)}` : `${low.text}…${high.text}`;
}

function Overlay({ history, empty }: { history: History | undefined; empty: boolean }): JSX.Element | null {
    if (!history || history.state.kind === 'loading') return <div class="plot-note">Loading…</div>;
    if (history.state.kind === 'failed') return <div class="plot-note bad" role="alert">{history.state.why} Trying again.</div>;
    return empty ? <div class="plot-note">No data in this range</div> : null;
}

/** Keeps the canvas up to date: at most once a second, and only while it is on the screen. */
class Painter {
    private plot: uPlot | undefined;
    private wanted = true;
    private visible = true;
    private shown = 'loading';
    private readonly leave: (() => void)[] = [];

    constructor(
        private readonly history: History,
        private readonly unit: Unit,
        private readonly interval: () => number | undefined,
        private readonly painted: () => void,
    ) {}

    ask(): void {
        this.wanted = true;
        /* The first answer is shown at once, and so is a failure. */
        if (this.shown !== this.history.state.kind) this.paint();
    }

    mount(Plot: typeof uPlot, box: HTMLElement, onCursor: (c: Cursor | undefined) => void, onZoom: (from: number, to: number) => void): void {
        const build = (): void => {
            this.plot?.destroy();
            this.plot = new Plot(chartOptions({ unit: this.unit, width: box.clientWidth, height: HEIGHT, onCursor, onZoom }), [[], [], [], []], box);
            this.paint();
        };
        build();
        const size = new ResizeObserver(() => this.plot?.setSize({ width: box.clientWidth, height: HEIGHT }));
        size.observe(box);
        const seen = new IntersectionObserver((entries) => {
            this.visible = entries.some((e) => e.isIntersecting);
            if (this.visible) this.paint();
        });
        seen.observe(box);
        const timer = setInterval(() => {
            if (this.visible && (this.wanted || this.history.stepMs <= 5_000)) this.paint();
        }, REDRAW_MS);
        this.leave.push(onThemeChange(build), () => size.disconnect(), () => seen.disconnect(), () => clearInterval(timer));
    }

    unmount(): void {
        for (const leave of this.leave) leave();
        this.plot?.destroy();
        this.plot = undefined;
    }

    private paint(): void {
        this.painted();
        if (!this.plot) return;
        this.wanted = false;
        this.shown = this.history.state.kind;
        const { from, to } = this.history.window();
        const d: Drawn = this.history.series.draw(from, to, gapFor(this.history.stepMs, this.interval()));
        const plot = this.plot;
        const shape = this.unit === 'lag' ? (list: (number | null)[]) => list.map(floorLag) : (list: (number | null)[]) => list;
        plot.batch(() => {
            plot.setData(d.banded ? [d.t, shape(d.avg), shape(d.min), shape(d.max)] : [d.t, shape(d.avg), d.t.map(() => null), d.t.map(() => null)], false);
            plot.setScale('x', { min: from / 1000, max: to / 1000 });
        });
    }
}
