/* What the broker does right now: counts, rates of the last minutes, what it dropped and why. */
import type { JSX } from 'preact';
import { CAUSE_TEXT, CAUSES, recent, type BrokerStats } from '../model/broker';
import { formatCount, formatQuantity, formatRate, withUnit } from '../model/format';
import { fetchBrokerStats } from '../net/api';
import { Notice, Skeleton } from './bits';
import { usePolled } from './broker';
import { RateChart } from './rate-chart';

const SECONDS = 300;
const EVERY_MS = 1_000;

export function Overview(): JSX.Element {
    const [seen] = usePolled('stats', EVERY_MS, (signal) => fetchBrokerStats(SECONDS, signal));
    const s = seen.value;
    if (!s) return seen.failed ? <Notice tone="wait" title="The broker does not answer">{seen.failed}</Notice> : <Skeleton lines={5} />;
    const dropped = CAUSES.reduce((sum, c) => sum + s.dropped[c], 0);
    return (
        <>
            {s.log?.full && <Notice tone="bad" title="The broker's log is full: publications are refused">Clients that are away hold messages. Raise <code>mqtt.log_quota</code>, or end their sessions.</Notice>}
            <dl class="tiles broker-tiles" data-connected={s.connected}>
                <Tile name="Clients" value={formatCount(s.connected)} note={s.sessions > s.connected ? `${formatCount(s.sessions - s.connected)} more are away, with a session` : 'connected now'} />
                <Tile name="In" value={`${formatRate(recent(s.rates.received))}/s`} note={`${formatCount(s.received)} since the start`} />
                <Tile name="Out" value={`${formatRate(recent(s.rates.sent))}/s`} note={`${formatCount(s.sent)} to ${formatCount(s.subscriptions)} subscriptions`} />
                <Tile name="Dropped" tone={recent(s.rates.dropped, 10) > 0 ? 'wait' : undefined} value={`${formatRate(recent(s.rates.dropped))}/s`} note={dropped > 0 ? `${formatCount(dropped)} since the start` : 'none since the start'} />
                <Tile name="Retained" value={formatCount(s.retained)} note="topics with a last message" />
                <LogTile log={s.log} />
            </dl>
            <div class="rate-charts">
                <RateChart title="Messages" unit="per second" t={s.rates.t} lines={[{ name: 'in', values: s.rates.received }, { name: 'out', values: s.rates.sent }]} />
                <RateChart title="Dropped" unit="per second" t={s.rates.t} lines={[{ name: 'dropped', values: s.rates.dropped, bad: true }]} />
            </div>
            <Drops stats={s} dropped={dropped} />
        </>
    );
}

function Tile({ name, value, note, tone }: { name: string; value: string; note: string; tone?: 'wait' | 'bad' | undefined }): JSX.Element {
    return (
        <div class={`tile ${tone ?? ''}`}>
            <dt>{name}</dt>
            <dd><b>{value}</b><small>{note}</small></dd>
        </div>
    );
}

function LogTile({ log }: { log: BrokerStats['log'] }): JSX.Element {
    if (!log) return <Tile name="Log" value="none" note="sessions end with the program" />;
    const size = (n: number): string => withUnit(formatQuantity(n, 'bytes'));
    return (
        <div class={`tile ${log.full ? 'bad' : ''}`}>
            <dt>Log</dt>
            <dd>
                <b>{size(log.bytes)}</b>
                <progress class="bar" max={log.quota} value={log.bytes} aria-label="Log, how full" />
                <small>of {size(log.quota)}, for sessions and retained</small>
            </dd>
        </div>
    );
}

function Drops({ stats, dropped }: { stats: BrokerStats; dropped: number }): JSX.Element {
    return (
        <section class="panel">
            <header class="stream-head">
                <h2>What did not arrive</h2>
                <p>{stats.refused > 0 ? `${formatCount(stats.refused)} requests were refused by the rules or for a wrong login` : 'no request was refused'}</p>
            </header>
            {dropped === 0 ? <p class="card-note">No message was dropped since the broker was started.</p> : (
                <div class="table-box">
                    <table class="rates">
                        <thead><tr><th scope="col">Cause</th><th scope="col" class="num">Messages</th></tr></thead>
                        <tbody>
                            {CAUSES.filter((c) => stats.dropped[c] > 0).map((c) => (
                                <tr key={c}><th scope="row">{c}<small>{CAUSE_TEXT[c]}</small></th><td class="num">{formatCount(stats.dropped[c])}</td></tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            )}
        </section>
    );
}
