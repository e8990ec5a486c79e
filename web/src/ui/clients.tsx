/* Who is connected, and whose session is kept: to be searched, sorted, and ended. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { clientRates, sortClients, transportText, type Client, type ClientRate, type ClientSort, type Listed } from '../model/broker';
import { formatCount, formatRate } from '../model/format';
import { ApiError, endClient, fetchClients } from '../net/api';
import { Ago, CopyButton, Notice, Skeleton } from './bits';
import { SearchBox, usePolled, type BrokerRoute } from './broker';
import { go } from './hooks';

const EVERY_MS = 2_000;
const LIMIT = 1_000;
const BATCH = 100;
const COLUMNS: readonly { readonly key: ClientSort; readonly text: string; readonly num?: boolean; readonly wide?: boolean }[] = [
    { key: 'client', text: 'Client' },
    { key: 'since', text: 'Since', wide: true },
    { key: 'subscriptions', text: 'Subs', num: true, wide: true },
    { key: 'queued', text: 'Queued', num: true, wide: true },
    { key: 'in', text: 'In', num: true },
    { key: 'out', text: 'Out', num: true },
    { key: 'dropped', text: 'Dropped', num: true, wide: true },
];

export function Clients({ route }: { route: BrokerRoute }): JSX.Element {
    const [seen, again] = usePolled(route.query, EVERY_MS, (signal) => fetchClients(route.query, LIMIT, signal));
    const rates = useRates(seen.value, seen.at);
    const [sort, setSort] = useState<{ by: ClientSort; down: boolean }>({ by: 'client', down: false });
    const [ending, setEnding] = useState<Client | undefined>();
    const [said, say] = useState('');
    const all = seen.value;

    const choose = (by: ClientSort): void => setSort((s) => ({ by, down: s.by === by ? !s.down : by !== 'client' }));
    return (
        <>
            <div class="tools" role="search">
                <SearchBox label="Find a client by its id, user or address" placeholder="Find a client, user or address" value={route.query} onInput={(query) => go({ ...route, query }, true)} />
                <p class="total" role="status">{said || (all ? totalText(all, route.query) : '')}</p>
            </div>
            {seen.failed && <Notice tone="wait" title="The list is not up to date">{seen.failed}</Notice>}
            {!all ? !seen.failed && <Skeleton lines={5} /> : all.items.length === 0 ? <Nobody query={route.query} /> : (
                <Table clients={sortClients(all.items, sort.by, sort.down, rates)} rates={rates} sort={sort} onSort={choose} onEnd={setEnding} />
            )}
            {ending && <EndDialog client={ending} onClose={(done) => { setEnding(undefined); if (done) { say(done); again(); } }} />}
        </>
    );
}

function totalText(all: Listed<Client>, query: string): string {
    const what = `${formatCount(all.total)} ${all.total === 1 ? 'client' : 'clients'}${query ? ' found' : ''}`;
    return all.items.length < all.total ? `${what}; the first ${formatCount(all.items.length)} by id are shown and sorted` : what;
}

/** By the two last looks. */
function useRates(now: Listed<Client> | undefined, at: number | undefined): ReadonlyMap<string, ClientRate> {
    const kept = useRef<{ items: readonly Client[]; at: number; rates: ReadonlyMap<string, ClientRate> }>({ items: [], at: 0, rates: new Map() });
    if (now && at !== undefined && kept.current.items !== now.items) {
        const before = kept.current;
        kept.current = { items: now.items, at, rates: clientRates(before.items, now.items, before.at > 0 ? at - before.at : 0) };
    }
    return kept.current.rates;
}

function Table({ clients, rates, sort, onSort, onEnd }: {
    clients: readonly Client[];
    rates: ReadonlyMap<string, ClientRate>;
    sort: { by: ClientSort; down: boolean };
    onSort: (by: ClientSort) => void;
    onEnd: (c: Client) => void;
}): JSX.Element {
    const [room, setRoom] = useState(BATCH);
    return (
        <div class="table-box">
            <table class="clients">
                <thead>
                    <tr>
                        {COLUMNS.map((c) => (
                            <th key={c.key} scope="col" class={`${c.num ? 'num' : ''} ${c.wide ? 'wide' : ''}`} aria-sort={sort.by !== c.key ? 'none' : sort.down ? 'descending' : 'ascending'}>
                                <button type="button" class="sort" onClick={() => onSort(c.key)}>{c.text}<span aria-hidden="true">{sort.by !== c.key ? '' : sort.down ? ' ↓' : ' ↑'}</span></button>
                            </th>
                        ))}
                        <th><span class="offscreen">End</span></th>
                    </tr>
                </thead>
                <tbody>
                    {clients.slice(0, room).map((c) => <Row key={c.client} c={c} rate={rates.get(c.client)} onEnd={onEnd} />)}
                </tbody>
            </table>
            {clients.length > room && <p class="more"><button type="button" class="button small" onClick={() => setRoom(room + 5 * BATCH)}>Show more of {formatCount(clients.length)}</button></p>}
        </div>
    );
}

function Row({ c, rate, onEnd }: { c: Client; rate: ClientRate | undefined; onEnd: (c: Client) => void }): JSX.Element {
    return (
        <tr data-client={c.client} class={c.connected ? '' : 'away'}>
            <th scope="row">
                <span class="client-id" title={c.client}><i class={`state ${c.connected ? 'on' : ''}`} aria-hidden="true" />{c.client || '(empty)'}</span>
                <small>{c.connected ? [c.user, c.peer, transportText(c)].filter(Boolean).join(' · ') : `away${c.user ? ` · ${c.user}` : ''} · session kept`}</small>
            </th>
            <td class="wide"><Ago at={c.since} /></td>
            <td class="num wide">{formatCount(c.subscriptions)}</td>
            <td class="num wide">{formatCount(c.queued)}{c.inflight > 0 && <small> +{formatCount(c.inflight)}</small>}</td>
            <td class="num">{rate ? `${formatRate(rate.in)}/s` : '–'}</td>
            <td class="num">{rate ? `${formatRate(rate.out)}/s` : '–'}</td>
            <td class={`num wide ${c.dropped > 0 ? 'warn' : ''}`}>{formatCount(c.dropped)}</td>
            <td class="num"><button type="button" class="button small quiet" aria-label={`End ${c.client}`} onClick={() => onEnd(c)}>End…</button></td>
        </tr>
    );
}

function EndDialog({ client, onClose }: { client: Client; onClose: (said?: string) => void }): JSX.Element {
    const box = useRef<HTMLDialogElement>(null);
    const [session, setSession] = useState(!client.connected);
    const [failed, setFailed] = useState('');
    const [busy, setBusy] = useState(false);
    useEffect(() => box.current?.showModal(), []);
    const end = (e: Event): void => {
        e.preventDefault();
        setBusy(true);
        endClient(client.client, session).then(
            () => onClose(`${client.client} was ${client.connected ? 'disconnected' : 'ended'}`),
            (error: unknown) => {
                setBusy(false);
                setFailed(error instanceof ApiError ? error.message : 'The hub cannot be reached.');
            },
        );
    };
    return (
        <dialog ref={box} class="dialog" aria-labelledby="end-title" onClose={() => onClose()}>
            <form onSubmit={end}>
                <h2 id="end-title">{client.connected ? 'End the connection?' : 'End the session?'}</h2>
                <p><code>{client.client}</code></p>
                {client.connected ? (
                    <>
                        <p class="soft">It is told so and may come back at once; to keep it out, remove its user.</p>
                        <label class="check"><input type="checkbox" checked={session} onChange={(e) => setSession(e.currentTarget.checked)} /> End its session as well: its subscriptions and what waits for it</label>
                    </>
                ) : <p class="soft">Its subscriptions and {client.queued === 1 ? 'the message' : `the ${formatCount(client.queued)} messages`} that wait for it are dropped.</p>}
                {failed && <p class="wrong" role="alert">{failed}</p>}
                <div class="dialog-foot">
                    <button type="button" class="button" onClick={() => box.current?.close()}>Cancel</button>
                    <button type="submit" class="button danger" disabled={busy}>{client.connected ? 'End the connection' : 'End the session'}</button>
                </div>
            </form>
        </dialog>
    );
}

function Nobody({ query }: { query: string }): JSX.Element {
    if (query) return <div class="blank"><h2>No client matches</h2><p>Nothing like <code>{query}</code> is in a client id, a user or an address.</p></div>;
    return <TryIt title="No client yet" text="Whoever connects appears here. Connect one now:" command={`mosquitto_sub -h ${hubHost()} -i my-first-client -t '#' -v`} />;
}

export function hubHost(): string {
    const name = location.hostname.replace(/^\[|\]$/g, '');
    return name === 'localhost' || name === '' ? '127.0.0.1' : name;
}

/** An empty place that shows how it is filled. */
export function TryIt({ title, text, command }: { title: string; text: string; command: string }): JSX.Element {
    return (
        <section class="first">
            <h2>{title}</h2>
            <p class="lead">{text}</p>
            <div class="command">
                <pre tabIndex={0}>{command}</pre>
                <CopyButton text={command} label="Copy the command" />
                <p>The package mosquitto-clients has it. Plain MQTT is open to other machines only if the hub’s file says so.</p>
            </div>
        </section>
    );
}
