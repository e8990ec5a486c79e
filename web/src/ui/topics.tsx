/* The live topic browser: what is said below a filter, topic by topic. Only the rows in sight are in the page, whatever comes. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { formatAgo, formatCount, formatRate } from '../model/format';
import { payloadLine } from '../model/payload';
import { ALL_TOPICS } from '../model/route';
import { shellWord } from '../model/shell';
import { filterProblem, openFirst, TOPICS_MAX, type Last, type Row, type TopicNode } from '../model/topics';
import { Browse } from '../net/browse';
import { Notice } from './bits';
import { SearchBox, type BrokerRoute } from './broker';
import { hubHost, TryIt } from './clients';
import { go } from './hooks';
import { Publish, type Draft } from './publish';
import { TopicDetail } from './topic-detail';

const ROW_PX = 34;
const OVERSCAN = 6;
const OPEN_MOST = 40;

export function Topics({ route }: { route: BrokerRoute }): JSX.Element {
    const [, redraw] = useState(0);
    const browse = useMemo(() => new Browse(route.filter, () => redraw((n) => n + 1)), [route.filter]);
    const [chosen, setChosen] = useState<ReadonlySet<string> | undefined>();
    const first = useRef(new Set<string>());
    const [selected, setSelected] = useState<string | undefined>();
    const [draft, setDraft] = useState<Draft>({ topic: '', payload: '', qos: 0, retain: false });
    const { tree } = browse;
    tree.selected = selected;

    useEffect(() => {
        browse.start();
        return () => browse.stop();
    }, [browse]);

    const rows = useMemo(() => {
        /* Until somebody opens or closes something, as much is open as is seen at a glance; what is open stays so. */
        if (!chosen) for (const path of openFirst(tree, OPEN_MOST)) first.current.add(path);
        return tree.rows(chosen ?? first.current, route.query);
    }, [tree, tree.shape, chosen, route.query]);
    const toggle = (path: string, on?: boolean): void => {
        const next = new Set(chosen ?? first.current);
        if (on ?? !next.has(path)) next.add(path);
        else next.delete(path);
        setChosen(next);
    };
    const select = (path: string): void => {
        setSelected(path);
        if (tree.find(path)?.count) setDraft((d) => ({ ...d, topic: path }));
    };
    const node = selected === undefined ? undefined : tree.find(selected);
    return (
        <>
            <div class="tools topic-tools">
                <FilterBox key={route.filter} filter={route.filter} onFilter={(filter) => go({ ...route, filter })} />
                <SearchBox label="Find in the topics shown" placeholder="Find in these topics" value={route.query} onInput={(query) => go({ ...route, query }, true)} />
                <button type="button" class="button small" aria-pressed={browse.paused} onClick={() => browse.pause(!browse.paused)}>{browse.paused ? 'Go on' : 'Pause'}</button>
                <button type="button" class="button small" onClick={() => { tree.clear(); setSelected(undefined); redraw((n) => n + 1); }}>Empty</button>
            </div>
            <Said browse={browse} />
            <div class="topics" data-topics={tree.topics} data-messages={tree.messages}>
                <div class="topic-side">
                    {rows.length === 0 ? <Quiet browse={browse} searched={route.query !== ''} /> : <Tree rows={rows} selected={selected} onSelect={select} onToggle={toggle} />}
                </div>
                <div class="topic-side">
                    {node ? <TopicDetail node={node} browse={browse} onPublish={(topic, payload) => setDraft({ ...draft, topic, payload })} /> : (
                        <p class="topic-none">Choose a topic to see its last message.</p>
                    )}
                    <Publish browse={browse} draft={draft} onDraft={setDraft} />
                </div>
            </div>
        </>
    );
}

function FilterBox({ filter, onFilter }: { filter: string; onFilter: (filter: string) => void }): JSX.Element {
    const [text, setText] = useState(filter);
    const problem = filterProblem(text);
    const submit = (e: Event): void => {
        e.preventDefault();
        if (!problem && text !== filter) onFilter(text);
    };
    return (
        <form class="filter" onSubmit={submit}>
            <label class="field grow">
                <span>Filter</span>
                <input type="text" class="mono" value={text} spellcheck={false} autocapitalize="off" autocomplete="off" aria-invalid={problem !== undefined} onInput={(e) => setText(e.currentTarget.value)} aria-describedby="filter-problem" />
            </label>
            <button type="submit" class="button small" disabled={problem !== undefined || text === filter}>Listen</button>
            {text !== ALL_TOPICS && filter !== ALL_TOPICS && <button type="button" class="button small quiet" onClick={() => onFilter(ALL_TOPICS)}>All</button>}
            <span id="filter-problem" class="wrong" role="status">{problem}</span>
        </form>
    );
}

/** One line: how it goes, and what is left out. */
function Said({ browse }: { browse: Browse }): JSX.Element {
    const { tree, state } = browse;
    if (state.kind === 'refused') {
        const word = shellWord(browse.filter);
        return (
            <Notice tone="bad" title={`The broker does not let this page listen to ${browse.filter}`}>
                {state.why === 'rules' ? <>Its rules say so. This page is a client without a name; {word && <>on the hub: <code>wayside acl add - read {word}</code>, or </>}choose a filter that is granted.</> : state.why}
            </Notice>
        );
    }
    return (
        <>
            <p class="topic-said" role="status">
                <i class={`state ${state.kind === 'live' && !browse.paused ? 'on' : ''}`} aria-hidden="true" />
                {state.kind === 'away' ? `Away: ${state.why}. Trying again…` : state.kind === 'connecting' ? 'Connecting…' : browse.paused
                    ? `Paused; ${formatCount(browse.passed)} messages have passed`
                    : `${formatCount(tree.topics)} ${tree.topics === 1 ? 'topic' : 'topics'} · ${formatRate(tree.rate)} messages/s · ${formatCount(tree.messages)} in all`}
            </p>
            {tree.left > 0 && (
                <Notice tone="wait" title={`More than ${formatCount(TOPICS_MAX)} topics: ${formatCount(tree.left)} messages of further ones are left out`}>A narrower filter shows them, such as <code>plant/+/temperature</code>.</Notice>
            )}
        </>
    );
}

function Quiet({ browse, searched }: { browse: Browse; searched: boolean }): JSX.Element {
    if (searched) return <p class="topic-none">No topic here has that in its name.</p>;
    if (browse.state.kind !== 'live') return <p class="topic-none">Nothing yet.</p>;
    const topic = browse.filter === ALL_TOPICS ? 'hello/world' : browse.filter.replace(/#/g, 'hello').replace(/\+/g, 'any');
    const word = shellWord(topic);
    if (!word) return <p class="topic-none">Nothing was published on {browse.filter} since you look.</p>;
    const text = browse.filter === ALL_TOPICS ? 'Say something, and it appears here:' : `Nothing was published on ${browse.filter} since you look. Try:`;
    return <TryIt title="Nothing was said yet" text={text} command={`mosquitto_pub -h ${hubHost()} -t ${word} -m '{"value":21.5}'`} />;
}

/* ---- the tree ---- */

function Tree({ rows, selected, onSelect, onToggle }: { rows: readonly Row[]; selected: string | undefined; onSelect: (path: string) => void; onToggle: (path: string, on?: boolean) => void }): JSX.Element {
    const box = useRef<HTMLDivElement>(null);
    const [view, setView] = useState({ top: 0, height: 600 });
    useEffect(() => {
        const el = box.current;
        if (!el) return undefined;
        const look = (): void => setView({ top: el.scrollTop, height: el.clientHeight });
        const watch = new ResizeObserver(look);
        watch.observe(el);
        el.addEventListener('scroll', look, { passive: true });
        return () => {
            watch.disconnect();
            el.removeEventListener('scroll', look);
        };
    }, []);
    const at = selected === undefined ? -1 : rows.findIndex((r) => r.node.path === selected);
    const first = Math.max(0, Math.floor(view.top / ROW_PX) - OVERSCAN);
    const last = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW_PX) + OVERSCAN);

    const move = (to: number): void => {
        const row = rows[Math.max(0, Math.min(rows.length - 1, to))];
        if (!row || !box.current) return;
        onSelect(row.node.path);
        const y = rows.indexOf(row) * ROW_PX;
        if (y < box.current.scrollTop) box.current.scrollTop = y;
        else if (y + ROW_PX > box.current.scrollTop + box.current.clientHeight) box.current.scrollTop = y + ROW_PX - box.current.clientHeight;
    };
    const key = (e: KeyboardEvent): void => {
        const row = rows[at];
        const page = Math.floor(view.height / ROW_PX) - 1;
        switch (e.key) {
            case 'ArrowDown': move(at + 1); break;
            case 'ArrowUp': move(at - 1); break;
            case 'PageDown': move(at + page); break;
            case 'PageUp': move(at - page); break;
            case 'Home': move(0); break;
            case 'End': move(rows.length - 1); break;
            case 'ArrowRight':
                if (row && row.node.children.size > 0 && !row.open) onToggle(row.node.path, true);
                else move(at + 1);
                break;
            case 'ArrowLeft':
                if (row?.open) onToggle(row.node.path, false);
                else if (row?.node.parent) move(rows.findIndex((r) => r.node === row.node.parent));
                break;
            case 'Enter':
            case ' ':
                if (row && row.node.children.size > 0) onToggle(row.node.path);
                break;
            default: return;
        }
        e.preventDefault();
    };
    return (
        <div class="tree" ref={box} role="tree" aria-label="Topics" tabIndex={0} onKeyDown={key} aria-activedescendant={at >= first && at < last ? `topic-${at}` : undefined}>
            <div class="tree-all" style={{ height: `${rows.length * ROW_PX}px` }}>
                {rows.slice(first, last).map((row, i) => <TreeRow key={row.node.path} row={row} index={first + i} selected={first + i === at} onSelect={onSelect} onToggle={onToggle} />)}
            </div>
        </div>
    );
}

function TreeRow({ row, index, selected, onSelect, onToggle }: { row: Row; index: number; selected: boolean; onSelect: (path: string) => void; onToggle: (path: string) => void }): JSX.Element {
    const { node, open } = row;
    const { last } = node;
    const parent = node.children.size > 0;
    return (
        <div id={`topic-${index}`} class={`tree-row ${selected ? 'selected' : ''}`} role="treeitem" aria-level={node.depth + 1} aria-selected={selected} {...(parent ? { 'aria-expanded': open } : {})} data-topic={node.path}
            style={{ top: `${index * ROW_PX}px`, paddingLeft: `${8 + Math.min(node.depth, 12) * 16}px` }} onClick={() => { onSelect(node.path); if (parent && !last) onToggle(node.path); }}>
            {parent ? (
                <button type="button" class="twist" tabIndex={-1} aria-label={open ? 'Close' : 'Open'} onClick={(e) => { e.stopPropagation(); onToggle(node.path); }}>
                    <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" class={open ? 'open' : ''}><path d="m4 2 4 4-4 4" /></svg>
                </button>
            ) : <span class="twist" />}
            <span class="tree-name">{node.name === '' ? <i>(empty)</i> : node.name}</span>
            {parent && !open && <span class="tree-below">{formatCount(node.below)}</span>}
            {last && <span class="tree-value">{payloadLine(last.bytes, last.size)}</span>}
            {last && (last.retained ? <span class="tag" title="Retained: the broker keeps it for those who come later">kept</span> : null)}
            {last && <span class="tree-age">{ageText(node, last)}</span>}
        </div>
    );
}

/* What is retained was published at a time that nobody tells. */
function ageText(node: TopicNode, last: Last): string {
    if (node.rate >= 0.5) return `${formatRate(node.rate)}/s`;
    return last.retained ? '' : formatAgo(Date.now() - last.at).replace(/ ago$/, '');
}
