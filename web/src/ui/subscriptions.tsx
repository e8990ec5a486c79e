/* Who listens to what; and, for a topic, who would get a message that is published there. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { formatCount } from '../model/format';
import { buildRoute } from '../model/route';
import { topicProblem } from '../model/topics';
import { fetchSubscriptions } from '../net/api';
import { Notice, Skeleton } from './bits';
import { SearchBox, usePolled, type BrokerRoute } from './broker';
import { hubHost, TryIt } from './clients';
import { go } from './hooks';

const EVERY_MS = 3_000;
const LIMIT = 1_000;
const BATCH = 200;

export function Subscriptions({ route }: { route: BrokerRoute }): JSX.Element {
    const [topic, setTopic] = useState('');
    const [room, setRoom] = useState(BATCH);
    const problem = topic && !topic.startsWith('$') ? topicProblem(topic) : undefined;
    const asked = problem ? '' : topic;
    const [seen] = usePolled(`${route.query}\n${asked}`, EVERY_MS, (signal) => fetchSubscriptions(route.query, asked, LIMIT, signal));
    const all = seen.value;
    return (
        <>
            <div class="tools" role="search">
                <SearchBox label="Find a filter, client or user" placeholder="Find a filter, client or user" value={route.query} onInput={(query) => go({ ...route, query }, true)} />
                <label class="field grow">
                    <span>Who gets</span>
                    <input type="text" class="mono" placeholder="plant/7/temperature" value={topic} spellcheck={false} autocapitalize="off" aria-invalid={problem !== undefined} onInput={(e) => setTopic(e.currentTarget.value)} />
                </label>
                <p class="total" role="status">{problem ?? (all ? `${formatCount(all.total)} ${all.total === 1 ? 'subscription' : 'subscriptions'}${all.items.length < all.total ? `; the first ${formatCount(all.items.length)} are shown` : ''}` : '')}</p>
            </div>
            {seen.failed && <Notice tone="wait" title="The list is not up to date">{seen.failed}</Notice>}
            {!all ? !seen.failed && <Skeleton lines={5} /> : all.items.length === 0 ? <Nothing filtered={route.query !== '' || asked !== ''} /> : (
                <div class="table-box">
                    <table class="clients subs">
                        <thead><tr><th scope="col">Filter</th><th scope="col">Client</th><th scope="col" class="num">QoS</th></tr></thead>
                        <tbody>
                            {all.items.slice(0, room).map((s) => (
                                <tr key={`${s.client} ${s.filter}`}>
                                    <th scope="row">
                                        <a class="mono" href={buildRoute({ ...route, tab: 'topics', query: '', filter: s.filter.replace(/^\$share\/[^/]+\//, '') })} title="Look at these topics">{s.filter}</a>
                                        {(s.shared || s.noLocal) && <small>{[s.shared && 'shared', s.noLocal && 'not its own'].filter(Boolean).join(' · ')}</small>}
                                    </th>
                                    <td class="breaks">{s.client}</td>
                                    <td class="num">{s.qos}</td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                    {all.items.length > room && <p class="more"><button type="button" class="button small" onClick={() => setRoom(room + 5 * BATCH)}>Show more of {formatCount(all.items.length)}</button></p>}
                </div>
            )}
        </>
    );
}

function Nothing({ filtered }: { filtered: boolean }): JSX.Element {
    if (filtered) return <div class="blank"><h2>No subscription matches</h2><p>Nobody listens there now.</p></div>;
    return <TryIt title="Nobody listens yet" text="Subscribe to everything, and it appears here:" command={`mosquitto_sub -h ${hubHost()} -t '#' -v`} />;
}
