/* The hub itself: is it well, what is it doing. */
import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { formatDateTime, formatNumber, formatQuantity, formatRate, withUnit } from '../model/format';
import { counterRates, gaugeOf, parseMetrics, type Rate, type Sample } from '../model/metrics';
import { address, ApiError, fetchHealth, fetchMetrics, fetchReady, type Health } from '../net/api';
import { store } from '../store';
import { Ago } from './bits';
import { useStore, useTick } from './hooks';

const EVERY_MS = 3_000;
const ROWS_MAX = 24;

interface Seen {
    readonly health?: Health;
    readonly ready?: { ready: boolean; reason: string };
    readonly samples?: readonly Sample[];
    readonly rates?: readonly Rate[];
    readonly failed?: string;
    readonly metricsFailed?: string;
    readonly at?: number;
}

export function StatusPage(): JSX.Element {
    useStore();
    useTick();
    const seen = useHub();
    const counts = { online: 0, late: 0, offline: 0 };
    for (const device of store.devices.values()) counts[store.presence(device)]++;
    return (
        <>
            <div class="page-head"><h1>Status</h1></div>
            <dl class="tiles">
                <Tile name="Hub" tone={seen.failed ? 'bad' : seen.health?.status === 'healthy' ? 'good' : 'wait'} value={seen.failed ? 'away' : (seen.health?.status ?? '…')} note={seen.failed ?? (seen.health ? `version ${seen.health.version}` : '')} />
                <Tile name="Readiness" tone={seen.ready?.ready ? 'good' : seen.ready ? 'bad' : 'wait'} value={seen.ready ? (seen.ready.ready ? 'ready' : 'not ready') : '…'} note={seen.ready?.reason || (seen.ready?.ready ? 'all services run' : '')} />
                <Tile name="Devices" value={String(store.devices.size)} note={`${counts.online} online · ${counts.late} late · ${counts.offline} offline`} />
                <Tile name="Records to this page" value={`${formatRate(store.rate())}/s`} note={`${formatNumber(store.received)} since it was opened`} />
            </dl>
            <section class="panel">
                <header class="stream-head"><h2>Connection</h2></header>
                <dl class="pairs">
                    <div><dt>Live channel</dt><dd>{store.link.kind === 'live' ? <>MQTT over WebSocket, since {formatDateTime(store.link.since)}</> : store.link.kind === 'waiting' ? `away: ${store.link.why}` : 'connecting'}</dd></div>
                    <div><dt>Last record</dt><dd><Ago at={store.lastRecord} /></dd></div>
                    <div><dt>Last contact</dt><dd><Ago at={store.lastContact} /></dd></div>
                    <div><dt>Address</dt><dd><code>{address('').replace(/\/$/, '')}</code></dd></div>
                </dl>
            </section>
            <Moving seen={seen} />
        </>
    );
}

function useHub(): Seen {
    const [seen, set] = useState<Seen>({});
    useEffect(() => {
        const abort = new AbortController();
        let timer: ReturnType<typeof setTimeout>;
        let before: { samples: Sample[]; at: number } | undefined;
        const look = async (): Promise<void> => {
            const [health, ready, metrics] = await Promise.allSettled([fetchHealth(abort.signal), fetchReady(abort.signal), fetchMetrics(abort.signal)]);
            if (abort.signal.aborted) return;
            const samples = metrics.status === 'fulfilled' ? parseMetrics(metrics.value) : undefined;
            const at = performance.now();
            set({
                ...(health.status === 'fulfilled' ? { health: health.value } : { failed: wordsOf(health.reason) }),
                ...(ready.status === 'fulfilled' ? { ready: ready.value } : {}),
                ...(samples ? { samples } : metrics.status === 'rejected' ? { metricsFailed: wordsOf(metrics.reason) } : {}),
                ...(samples && before ? { rates: counterRates(before.samples, samples, at - before.at) } : {}),
                at,
            });
            if (samples) before = { samples, at };
            timer = setTimeout(() => void look(), EVERY_MS);
        };
        void look();
        return () => {
            abort.abort();
            clearTimeout(timer);
        };
    }, []);
    return seen;
}

function wordsOf(e: unknown): string {
    return e instanceof ApiError ? e.message : 'The hub cannot be reached.';
}

function Tile({ name, value, note, tone }: { name: string; value: string; note: string; tone?: 'good' | 'wait' | 'bad' }): JSX.Element {
    return (
        <div class={`tile ${tone ?? ''}`}>
            <dt>{name}</dt>
            <dd><b>{value}</b><small>{note}</small></dd>
        </div>
    );
}

/** The counters that move, fastest first, whatever they are called: what the hub does right now. */
function Moving({ seen }: { seen: Seen }): JSX.Element {
    const rates = (seen.rates ?? []).filter((r) => r.perSecond > 0).sort((a, b) => b.perSecond - a.perSecond || a.key.localeCompare(b.key));
    const memory = seen.samples && (gaugeOf(seen.samples, 'process_resident_memory_bytes') ?? gaugeOf(seen.samples, 'wayside_memory_bytes'));
    return (
        <section class="panel">
            <header class="stream-head">
                <h2>What moves</h2>
                <p>{memory !== undefined && `memory ${withUnit(formatQuantity(memory, 'bytes'))} · `}<a href={address('metrics')}>all of /metrics</a></p>
            </header>
            {seen.metricsFailed ? <p class="card-note">{seen.metricsFailed}</p> : !seen.rates ? <p class="card-note">Counting…</p> : rates.length === 0 ? <p class="card-note">No counter moved in the last {EVERY_MS / 1000} s.</p> : (
                <div class="table-box">
                    <table class="rates">
                        <thead><tr><th scope="col">Counter</th><th scope="col" class="num">Per second</th><th scope="col" class="num wide">Total</th></tr></thead>
                        <tbody>
                            {rates.slice(0, ROWS_MAX).map((r) => (
                                <tr key={r.key}>
                                    <th scope="row"><code>{r.name.replace(/_total$/, '')}</code>{r.labels && <small>{r.labels.slice(1, -1).replace(/"/g, '').replace(/,/g, ' · ')}</small>}</th>
                                    <td class="num">{rateText(r)}</td>
                                    <td class="num wide">{/bytes_total$/.test(r.name) ? withUnit(formatQuantity(r.total, 'bytes')) : formatNumber(r.total)}</td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            )}
        </section>
    );
}

function rateText(r: Rate): string {
    return /bytes_total$/.test(r.name) ? withUnit(formatQuantity(r.perSecond, 'bytes_per_s')) : formatRate(r.perSecond);
}
