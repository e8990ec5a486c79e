import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { formatDateTime, toLocalInput } from '../model/format';
import { RANGES, RANGE_LABEL, RANGE_MS, type Range } from '../model/route';
import { store } from '../store';

export function RangePicker({ range, onRange }: { range: Range; onRange: (r: Range) => void }): JSX.Element {
    const [open, setOpen] = useState(false);
    return (
        <div class="range">
            <div class="segments" role="group" aria-label="Time range">
                {RANGES.map((name) => (
                    <button key={name} type="button" aria-pressed={range.kind === 'last' && range.name === name} onClick={() => { setOpen(false); onRange({ kind: 'last', name }); }}>
                        {RANGE_LABEL[name]}
                    </button>
                ))}
                <button type="button" aria-pressed={range.kind === 'fixed'} aria-expanded={open} onClick={() => setOpen(!open)}>Custom</button>
            </div>
            {range.kind === 'fixed' && !open && (
                <p class="range-text">{formatDateTime(range.from)} – {formatDateTime(range.to)}</p>
            )}
            {open && <Custom range={range} onRange={(r) => { setOpen(false); onRange(r); }} />}
        </div>
    );
}

function Custom({ range, onRange }: { range: Range; onRange: (r: Range) => void }): JSX.Element {
    const now = store.now();
    const [from, setFrom] = useState(toLocalInput(range.kind === 'fixed' ? range.from : now - RANGE_MS[range.name]));
    const [to, setTo] = useState(toLocalInput(range.kind === 'fixed' ? range.to : now));
    const start = Date.parse(from);
    const end = Date.parse(to);
    const wrong = !Number.isFinite(start) || !Number.isFinite(end) ? 'Give both times.' : end <= start ? 'The end must come after the start.' : '';
    const submit = (e: Event): void => {
        e.preventDefault();
        if (!wrong) onRange({ kind: 'fixed', from: start, to: end });
    };
    return (
        <form class="custom" onSubmit={submit}>
            <label>From <input type="datetime-local" value={from} onInput={(e) => setFrom(e.currentTarget.value)} /></label>
            <label>To <input type="datetime-local" value={to} onInput={(e) => setTo(e.currentTarget.value)} /></label>
            <button type="submit" class="button" disabled={wrong !== ''}>Show</button>
            {wrong && <p role="alert">{wrong}</p>}
        </form>
    );
}
