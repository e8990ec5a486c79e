/* The small parts that every page uses. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import { formatAgo, formatDateTime } from '../model/format';
import type { Presence } from '../model/state';
import { store } from '../store';
import { useTick } from './hooks';

export function Ago({ at, prefix }: { at: number; prefix?: string }): JSX.Element {
    useTick();
    if (!(at > 0)) return <span>never</span>;
    return (
        <time dateTime={new Date(at).toISOString()} title={formatDateTime(at)}>
            {prefix}
            {formatAgo(store.now() - at)}
        </time>
    );
}

const PRESENCE_TEXT: Readonly<Record<Presence, string>> = { online: 'Online', late: 'Late', offline: 'Offline' };
const PRESENCE_HELP: Readonly<Record<Presence, string>> = {
    online: 'Records come at the usual rate',
    late: 'The next record is overdue',
    offline: 'No record for a long time, or the device said that it leaves',
};

export function PresenceBadge({ presence }: { presence: Presence }): JSX.Element {
    return (
        <span class={`presence ${presence}`} title={PRESENCE_HELP[presence]}>
            <PresenceDot presence={presence} />
            {PRESENCE_TEXT[presence]}
        </span>
    );
}

/** A shape for each state, so that it can be told without colour. */
export function PresenceDot({ presence }: { presence: Presence }): JSX.Element {
    return (
        <svg class={`dot ${presence}`} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
            {presence === 'online' && <circle cx="6" cy="6" r="4.5" fill="currentColor" />}
            {presence === 'late' && <path d="M6 1.2 11.2 10.6H.8z" fill="currentColor" />}
            {presence === 'offline' && <circle cx="6" cy="6" r="3.8" fill="none" stroke="currentColor" stroke-width="2" />}
        </svg>
    );
}

export function CopyButton({ text, label }: { text: string; label: string }): JSX.Element {
    const [done, setDone] = useState<'' | 'copied' | 'failed'>('');
    const timer = useRef<ReturnType<typeof setTimeout>>();
    useEffect(() => () => clearTimeout(timer.current), []);
    const copy = (): void => {
        void writeClipboard(text).then((ok) => {
            setDone(ok ? 'copied' : 'failed');
            clearTimeout(timer.current);
            timer.current = setTimeout(() => setDone(''), 2000);
        });
    };
    return (
        <button type="button" class="button small" onClick={copy} aria-label={label}>
            <span aria-live="polite">{done === 'copied' ? 'Copied' : done === 'failed' ? 'Select and copy' : 'Copy'}</span>
        </button>
    );
}

/** The clipboard needs a secure context; a hub in a home network often has none, so the older way stands behind it. */
async function writeClipboard(text: string): Promise<boolean> {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const area = document.createElement('textarea');
        area.value = text;
        area.setAttribute('readonly', '');
        area.className = 'offscreen';
        document.body.append(area);
        area.select();
        const ok = document.execCommand('copy');
        area.remove();
        return ok;
    }
}

export function Notice({ tone, title, children, action }: {
    tone: 'info' | 'wait' | 'bad';
    title: string;
    children?: ComponentChildren;
    action?: JSX.Element;
}): JSX.Element {
    return (
        <div class={`notice ${tone}`} role={tone === 'bad' ? 'alert' : 'status'}>
            <div>
                <strong>{title}</strong>
                {children && <div class="notice-text">{children}</div>}
            </div>
            {action}
        </div>
    );
}

export function Skeleton({ lines }: { lines: number }): JSX.Element {
    return (
        <div class="skeleton" role="status" aria-label="Loading">
            {Array.from({ length: lines }, (_, i) => (
                <span key={i} />
            ))}
        </div>
    );
}
