/* The broker: what it does, who is connected, who listens to what, and what is said on its topics. */
import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { BROKER_TABS, type BrokerTab, type Route } from '../model/route';
import { ApiError } from '../net/api';
import { Overview } from './broker-overview';
import { Clients } from './clients';
import { go } from './hooks';
import { Subscriptions } from './subscriptions';
import { Topics } from './topics';

export type BrokerRoute = Extract<Route, { page: 'broker' }>;

const TEXT: Readonly<Record<BrokerTab, string>> = { overview: 'Overview', topics: 'Topics', clients: 'Clients', subscriptions: 'Subscriptions' };

export function BrokerPage({ route }: { route: BrokerRoute }): JSX.Element {
    return (
        <>
            <div class="page-head broker-head">
                <h1>Broker</h1>
                <div class="segments" role="group" aria-label="Show">
                    {BROKER_TABS.map((tab) => (
                        <button key={tab} type="button" aria-pressed={route.tab === tab} onClick={() => go({ ...route, tab, query: '' })}>{TEXT[tab]}</button>
                    ))}
                </div>
            </div>
            <Tab route={route} />
        </>
    );
}

function Tab({ route }: { route: BrokerRoute }): JSX.Element {
    switch (route.tab) {
        case 'overview': return <Overview />;
        case 'topics': return <Topics key={route.filter} route={route} />;
        case 'clients': return <Clients route={route} />;
        case 'subscriptions': return <Subscriptions route={route} />;
    }
}

export interface Polled<T> {
    readonly value?: T;
    readonly at?: number;
    readonly failed?: string;
}

/** Asks again and again while one looks, and anew when the key changes; what was known stays when an answer fails. */
export function usePolled<T>(key: string, everyMs: number, ask: (signal: AbortSignal) => Promise<T>): readonly [Polled<T>, () => void] {
    const [seen, set] = useState<Polled<T>>({});
    const [turn, next] = useState(0);
    useEffect(() => {
        const abort = new AbortController();
        let timer: ReturnType<typeof setTimeout>;
        const look = async (): Promise<void> => {
            try {
                if (document.visibilityState === 'visible') {
                    const value = await ask(abort.signal);
                    set({ value, at: performance.now() });
                }
            } catch (e) {
                if (abort.signal.aborted) return;
                const failed = e instanceof ApiError ? (e.status === 404 ? 'This hub is older than this page and does not tell.' : e.message) : 'The hub cannot be reached.';
                set((was) => ({ ...was, failed }));
            }
            if (!abort.signal.aborted) timer = setTimeout(() => void look(), everyMs);
        };
        timer = setTimeout(() => void look(), turn === 0 ? 0 : 50);
        return () => {
            abort.abort();
            clearTimeout(timer);
        };
    }, [key, turn]);
    return [seen, () => next((n) => n + 1)];
}

export function SearchBox({ label, placeholder, value, onInput }: { label: string; placeholder: string; value: string; onInput: (text: string) => void }): JSX.Element {
    return (
        <label class="search">
            <span class="offscreen">{label}</span>
            <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><circle cx="8.5" cy="8.5" r="5.5" /><path d="m12.7 12.7 4.5 4.5" /></svg>
            <input type="search" placeholder={placeholder} value={value} autocomplete="off" spellcheck={false} onInput={(e) => onInput(e.currentTarget.value)} />
        </label>
    );
}
