import { useEffect } from 'preact/hooks';
import type { JSX } from 'preact';
import { formatClock } from '../model/format';
import type { Route } from '../model/route';
import { store } from '../store';
import { Notice } from './bits';
import { BrokerPage } from './broker';
import { DevicePage } from './device';
import { DevicesPage } from './devices';
import { Header } from './header';
import { useRoute, useStore } from './hooks';
import { StatusPage } from './status';

export function App(): JSX.Element {
    const route = useRoute();
    const place = route.page === 'device' ? `device ${route.device}` : route.page === 'broker' ? `broker ${route.tab}` : route.page;
    useEffect(() => {
        window.scrollTo(0, 0);
    }, [place]);
    useEffect(() => {
        document.title = route.page === 'device' ? `${route.device} · Wayside` : route.page === 'status' ? 'Status · Wayside' : route.page === 'broker' ? 'Broker · Wayside' : 'Wayside';
    }, [route]);
    return (
        <>
            <a class="skip" href="#main" onClick={skip}>
                Skip to the content
            </a>
            <Header route={route} />
            <main id="main" tabIndex={-1}>
                <Trouble />
                <Page route={route} />
            </main>
        </>
    );
}

/* The address behind # is the route, so the link may not set it. */
function skip(e: Event): void {
    e.preventDefault();
    document.getElementById('main')?.focus();
}

function Page({ route }: { route: Route }): JSX.Element {
    switch (route.page) {
        case 'devices': return <DevicesPage route={route} />;
        case 'device': return <DevicePage key={route.device} route={route} />;
        case 'broker': return <BrokerPage route={route} />;
        case 'status': return <StatusPage />;
        case 'lost':
            return (
                <div class="blank">
                    <h1>There is nothing here</h1>
                    <p>The address <code>{route.path}</code> is not a page of this dashboard.</p>
                    <a class="button" href="#/devices">All devices</a>
                </div>
            );
    }
}

/* An answer so long after the loss came from a hub that is there. */
const ANSWERS_AFTER_MS = 2_000;

/** What is wrong between this page and the hub, and what to do about it. */
function Trouble(): JSX.Element | null {
    useStore();
    const { link, rest } = store;
    const retry = <button type="button" class="button small" onClick={() => store.retry()}>Try now</button>;
    if (link.kind === 'live' && rest.kind === 'failed') {
        return <Notice tone="wait" title="Live values arrive, but the hub does not answer questions" action={retry}>{rest.why}</Notice>;
    }
    if (rest.kind === 'failed' && store.devices.size > 0) {
        return (
            <Notice tone="wait" title="The hub is away" action={retry}>
                What you see is as of {formatClock(store.lastContact)}. The page goes on by itself when the hub is back. If it stays away, see on its
                machine: <code>systemctl status wayside</code>
            </Notice>
        );
    }
    if (link.kind === 'waiting' && link.attempt > 3 && rest.kind === 'ok' && rest.at > link.lostAt + ANSWERS_AFTER_MS) {
        return (
            <Notice tone="wait" title="No live channel: the page asks every few seconds instead" action={retry}>
                A proxy on the way may not pass WebSockets to <code>/mqtt</code> ({link.why}).
            </Notice>
        );
    }
    return null;
}
