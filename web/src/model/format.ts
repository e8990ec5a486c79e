/* Numbers, times and durations as text. Fixed to one notation (decimal point, ISO dates, 24 hours) so that a screenshot, a log
 * and the page agree, and so that digits keep their place while values change. Times are in the zone of the browser. */
import type { Unit } from './units';
import type { LeafValue } from './flatten';

export interface Quantity {
    readonly text: string;
    readonly unit: string;
}

const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;
const NONE = '–';

/** A rate or a count for people who compare: at most one decimal, none when it is zero. */
export function formatRate(value: number): string {
    const rounded = Math.round(value * 10) / 10;
    return Math.abs(rounded) < 100 && Number.isFinite(rounded) ? String(rounded) : formatNumber(Math.round(rounded));
}

/** Two to four significant digits, never an exponent below a million millions. */
export function formatNumber(value: number): string {
    if (!Number.isFinite(value)) return NONE;
    const size = Math.abs(value);
    if (size !== 0 && (size >= 1e12 || size < 1e-4)) return value.toExponential(2);
    const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 0.1 ? 2 : 3;
    const text = size >= 100 && size < 1000 && !Number.isInteger(value) ? value.toFixed(1) : value.toFixed(digits);
    return groupThousands(text.replace('-', '−'));
}

function groupThousands(text: string): string {
    const [whole = '', fraction] = text.split('.');
    const grouped = whole.length > 5 ? whole.replace(/\B(?=(\d{3})+(?!\d))/g, '\u202f') : whole;
    return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

export function formatQuantity(value: number, unit: Unit): Quantity {
    switch (unit) {
        case 'bytes':
        case 'bytes_per_s': {
            const { text, unit: scaled } = scaleBytes(value);
            return { text, unit: unit === 'bytes' ? scaled : `${scaled}/s` };
        }
        case 'celsius': return { text: fixed(value, 1), unit: '°C' };
        case 'percent': return { text: fixed(value, Math.abs(value) >= 99.95 ? 0 : 1), unit: '%' };
        case 'seconds': return Math.abs(value) >= 120 ? { text: formatDuration(value * 1000), unit: '' } : { text: formatNumber(value), unit: 's' };
        case 'milliseconds': return { text: formatNumber(value), unit: 'ms' };
        case 'hertz': return scaleHertz(value);
        case 'volt': return { text: fixed(value, 2), unit: 'V' };
        case 'hpa': return { text: fixed(value, 1), unit: 'hPa' };
        case 'lag': return formatLag(value);
        case 'per_s': return { text: formatNumber(value), unit: '/s' };
        case 'none': return { text: formatNumber(value), unit: '' };
    }
}

/** A number of things, all digits. */
export function formatCount(value: number): string {
    const digits = Math.round(value).toFixed(0);
    return !Number.isFinite(value) ? NONE : digits.length > 4 ? digits.replace(/\B(?=(\d{3})+$)/g, '\u202f') : digits;
}

/** Seconds as people say how long something took, in one unit: `40 ms`, `1.5 s`, `12 min`, `3.5 h`. Below zero when a clock is ahead. */
export function formatLag(seconds: number): Quantity {
    if (!Number.isFinite(seconds)) return { text: NONE, unit: '' };
    const size = Math.abs(seconds);
    /* Each unit from where the one before would round up to it. */
    const [scale, unit] = size < 0.9995 ? [0.001, 'ms'] as const : size < 59.5 ? [1, 's'] as const : size < 3_570 ? [60, 'min'] as const : size < 84_600 ? [3_600, 'h'] as const : [86_400, 'd'] as const;
    const scaled = seconds / scale;
    return { text: fixed(scaled, Math.abs(scaled) < 9.95 && size > 0 ? 1 : 0).replace(/^−?0(\.0)?$/, '0').replace(/\.0$/, ''), unit };
}

function fixed(value: number, digits: number): string {
    return Number.isFinite(value) ? value.toFixed(digits).replace('-', '−') : NONE;
}

function scaleBytes(value: number): Quantity {
    if (!Number.isFinite(value)) return { text: NONE, unit: 'B' };
    let step = 0;
    let scaled = value;
    while (Math.abs(scaled) >= 1024 && step < BINARY.length - 1) {
        scaled /= 1024;
        step++;
    }
    const digits = step === 0 || Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2;
    return { text: fixed(scaled, digits), unit: BINARY[step] ?? 'B' };
}

function scaleHertz(value: number): Quantity {
    if (Math.abs(value) >= 1e9) return { text: fixed(value / 1e9, 2), unit: 'GHz' };
    if (Math.abs(value) >= 1e6) return { text: fixed(value / 1e6, 0), unit: 'MHz' };
    return { text: formatNumber(value), unit: 'Hz' };
}

export function formatLeaf(value: LeafValue, unit: Unit): Quantity {
    if (typeof value === 'number') return formatQuantity(value, unit);
    if (value === null) return { text: 'null', unit: '' };
    return { text: typeof value === 'boolean' ? (value ? 'yes' : 'no') : value, unit: '' };
}

export function withUnit(q: Quantity): string {
    return q.unit === '' ? q.text : q.unit === '%' || q.unit === '/s' ? `${q.text}${q.unit}` : `${q.text}\u00a0${q.unit}`;
}

/** `2 d 4 h`, `3 min 5 s`, `12 s`: the two largest parts. */
export function formatDuration(ms: number): string {
    const total = Math.max(0, Math.floor(ms / 1000));
    const parts: readonly (readonly [number, string])[] = [
        [Math.floor(total / 86400), 'd'],
        [Math.floor((total % 86400) / 3600), 'h'],
        [Math.floor((total % 3600) / 60), 'min'],
        [total % 60, 's'],
    ];
    const first = parts.findIndex(([n]) => n > 0);
    if (first < 0) return '0\u00a0s';
    return parts.slice(first, first + 2).filter(([n]) => n > 0).map(([n, u]) => `${n}\u00a0${u}`).join(' ');
}

/** A guess at how long something takes: no seconds beside minutes, and below a minute no single ones. */
export function formatAbout(ms: number): string {
    if (ms < 57_500) return `${Math.max(5, 5 * Math.round(ms / 5_000))}\u00a0s`;
    return formatDuration(ms < 57_500 * 60 ? 60_000 * Math.round(ms / 60_000) : 600_000 * Math.round(ms / 600_000));
}

/** How long ago, in one unit: people compare these down a list. */
export function formatAgo(ms: number): string {
    if (!Number.isFinite(ms)) return 'never';
    const s = Math.max(0, Math.round(ms / 1000));
    if (s < 2) return 'now';
    if (s < 60) return `${s}\u00a0s ago`;
    if (s < 3600) return `${Math.floor(s / 60)}\u00a0min ago`;
    if (s < 2 * 86400) return `${Math.floor(s / 3600)}\u00a0h ago`;
    return `${Math.floor(s / 86400)}\u00a0d ago`;
}

/** An interval between records, as people say it: `every 2 s`, `5 per s`. */
export function formatInterval(ms: number | undefined): string {
    if (ms === undefined || !(ms > 0)) return '';
    if (ms < 750) return `${formatRate(1000 / ms)} per s`;
    return ms < 60_000 ? `every ${formatRate(ms / 1000)}\u00a0s` : `every ${formatDuration(ms)}`;
}

const two = (n: number): string => String(n).padStart(2, '0');

export function formatClock(ms: number): string {
    const d = new Date(ms);
    return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

export function formatDateTime(ms: number): string {
    if (!Number.isFinite(ms)) return 'never';
    const d = new Date(ms);
    return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${formatClock(ms)}`;
}

/** What an `<input type="datetime-local">` takes and gives, in the zone of the browser. */
export function toLocalInput(ms: number): string {
    const d = new Date(ms);
    return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}`;
}
