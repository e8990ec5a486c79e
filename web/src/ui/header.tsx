import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { formatAgo, formatDateTime } from '../model/format';
import { describeLink } from '../model/link';
import type { Route } from '../model/route';
import { store } from '../store';
import { nextTheme, setTheme, theme, type Theme } from '../theme';
import { useStore, useTick } from './hooks';

export function Header({ route }: { route: Route }): JSX.Element {
    const here = (page: boolean): { 'aria-current'?: 'page' } => (page ? { 'aria-current': 'page' } : {});
    return (
        <header class="top">
            <div class="top-in">
                <a class="brand" href="#/devices" aria-label="Wayside, all devices">
                    <svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true">
                        <rect width="32" height="32" rx="8" class="brand-box" />
                        <path d="M10 25V8" stroke="#fff" stroke-width="2.6" stroke-linecap="round" />
                        <path d="M10 9.3h10.2l3.3 3.4-3.3 3.4H10z" fill="#fff" />
                        <circle cx="10" cy="25" r="2.2" fill="#8fe0c8" />
                    </svg>
                    <span>Wayside</span>
                </a>
                <nav aria-label="Pages">
                    <a href="#/devices" {...here(route.page === 'devices' || route.page === 'device')}>Devices</a>
                    <a href="#/broker" {...here(route.page === 'broker')}>Broker</a>
                    <a href="#/status" {...here(route.page === 'status')}>Status</a>
                </nav>
                <LinkPill />
                <ThemeButton />
            </div>
        </header>
    );
}

function LinkPill(): JSX.Element {
    useStore();
    useTick();
    const look = describeLink(store.link, Date.now());
    const why = store.link.kind === 'waiting' ? store.link.why : '';
    const last = store.lastRecord || newestSeen();
    return (
        <button
            type="button"
            class={`link ${look.tone}`}
            data-link={store.link.kind}
            title={`${why ? `${why}. ` : ''}${last > 0 ? `Last record ${formatDateTime(last)}` : 'No record yet'}`}
            onClick={() => store.retry()}
            disabled={store.link.kind !== 'waiting'}
        >
            <span class="link-light" aria-hidden="true" />
            <span role="status">{look.text}</span>
            {look.retryIn !== undefined && <span class="link-more"><span class="long">next try in </span>{look.retryIn}&nbsp;s</span>}
            {store.link.kind === 'live' && last > 0 && (
                <span class="link-more"><span class="long">updated </span>{formatAgo(store.now() - last).replace(/ ago$|\u00a0ago$/, '')}<span class="long">{store.now() - last >= 1500 ? ' ago' : ''}</span></span>
            )}
        </button>
    );
}

function newestSeen(): number {
    let newest = 0;
    for (const device of store.devices.values()) newest = Math.max(newest, device.lastSeen || 0);
    return newest;
}

const THEME_ICON: Readonly<Record<Theme, JSX.Element>> = {
    auto: <path d="M10 2.5a7.5 7.5 0 1 0 0 15zM10 2.5a7.5 7.5 0 0 1 0 15" fill-rule="evenodd" />,
    light: (
        <>
            <circle cx="10" cy="10" r="3.6" />
            <path d="M10 1.8v2M10 16.2v2M1.8 10h2M16.2 10h2M4.2 4.2l1.4 1.4M14.4 14.4l1.4 1.4M4.2 15.8l1.4-1.4M14.4 5.6l1.4-1.4" />
        </>
    ),
    dark: <path d="M16.5 12.2A7 7 0 0 1 7.8 3.5a7 7 0 1 0 8.7 8.7z" />,
};
const THEME_TEXT: Readonly<Record<Theme, string>> = { auto: 'as the system', light: 'light', dark: 'dark' };

function ThemeButton(): JSX.Element {
    const [, redraw] = useState(0);
    const now = theme();
    const label = `Colours: ${THEME_TEXT[now]}. Change to ${THEME_TEXT[nextTheme()]}`;
    const press = (): void => {
        setTheme(nextTheme());
        redraw((n) => n + 1);
    };
    return (
        <button type="button" class="icon" onClick={press} aria-label={label} title={label}>
            <svg viewBox="0 0 20 20" width="20" height="20" class={`theme-${now}`} aria-hidden="true">{THEME_ICON[now]}</svg>
        </button>
    );
}
