import { useEffect, useState } from 'preact/hooks';
import { buildRoute, parseRoute, type Route } from '../model/route';
import { store } from '../store';

/** Draws again when the store says that something changed. */
export function useStore(): void {
    const [, set] = useState(0);
    useEffect(() => store.subscribe(() => set((n) => n + 1)), []);
}

const tickers = new Set<() => void>();
setInterval(() => {
    for (const tick of tickers) tick();
}, 1000);

/** Draws again every second: for texts such as `3 s ago`. One timer for the whole page. */
export function useTick(): void {
    const [, set] = useState(0);
    useEffect(() => {
        const tick = (): void => set((n) => n + 1);
        tickers.add(tick);
        return () => void tickers.delete(tick);
    }, []);
}

export function useRoute(): Route {
    const [route, set] = useState(() => parseRoute(location.hash));
    useEffect(() => {
        const changed = (): void => set(parseRoute(location.hash));
        window.addEventListener('hashchange', changed);
        window.addEventListener('popstate', changed);
        return () => {
            window.removeEventListener('hashchange', changed);
            window.removeEventListener('popstate', changed);
        };
    }, []);
    return route;
}

/** `replace` for what changes with every key press, so that the Back button leads to the page before. */
export function go(route: Route, replace = false): void {
    const hash = buildRoute(route);
    if (replace) history.replaceState(null, '', hash);
    else history.pushState(null, '', hash);
    window.dispatchEvent(new PopStateEvent('popstate'));
}
