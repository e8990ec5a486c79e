/* The last message of one topic, laid out; what it is, how often it comes, and taking away what is retained. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { formatCount, formatDateTime, formatQuantity, formatRate, formatAgo, withUnit } from '../model/format';
import { payloadShown, type PayloadKind } from '../model/payload';
import type { TopicNode } from '../model/topics';
import type { Browse } from '../net/browse';
import { CopyButton } from './bits';

const KIND: Readonly<Record<PayloadKind, string>> = { empty: 'empty', json: 'JSON', text: 'text', binary: 'bytes' };

export function TopicDetail({ node, browse, onPublish }: { node: TopicNode; browse: Browse; onPublish: (topic: string, payload: string) => void }): JSX.Element {
    const { last } = node;
    if (!last) {
        return (
            <section class="panel detail">
                <Head path={node.path} />
                <p class="card-note">{formatCount(node.below)} topics below; nothing was said on this one itself.</p>
            </section>
        );
    }
    const shown = payloadShown(last.bytes, last.size);
    return (
        <section class="panel detail" data-detail={node.path}>
            <Head path={node.path} />
            <ul class="facts">
                <li>{KIND[shown.kind]}</li>
                <li>{withUnit(formatQuantity(last.size, 'bytes'))}</li>
                <li>QoS {last.qos}</li>
                {last.retained ? <li class="kept" title="The broker keeps it, and had it before this page listened">retained</li> : <li title={formatDateTime(last.at)}>{formatAgo(Date.now() - last.at)}</li>}
                <li>{formatCount(node.count)} {node.count === 1 ? 'message' : 'messages'}{node.rate > 0 ? `, ${formatRate(node.rate)}/s` : ''}</li>
            </ul>
            <pre class={`payload ${shown.kind}`} tabIndex={0}>{shown.kind === 'empty' ? 'no payload' : shown.text}</pre>
            {shown.cut && <p class="card-note">The beginning of {withUnit(formatQuantity(last.size, 'bytes'))}; the next message of a chosen topic is kept in full, up to 256 KiB.</p>}
            <div class="detail-foot">
                <CopyButton text={shown.text} label="Copy the payload" />
                {shown.kind !== 'binary' && !shown.cut && <button type="button" class="button small" onClick={() => onPublish(node.path, shown.text)}>Edit and publish…</button>}
                {last.retained && <ClearRetained key={node.path} topic={node.path} browse={browse} />}
            </div>
        </section>
    );
}

function Head({ path }: { path: string }): JSX.Element {
    return (
        <header class="detail-head">
            <h2 class="mono">{path}</h2>
            <CopyButton text={path} label="Copy the topic" />
        </header>
    );
}

function ClearRetained({ topic, browse }: { topic: string; browse: Browse }): JSX.Element {
    const [step, setStep] = useState<'' | 'sure' | 'done' | { failed: string }>('');
    const clear = (): void => {
        browse.publish({ topic, payload: '', qos: 1, retain: true }).then(() => setStep('done'), (e: Error) => setStep({ failed: e.message }));
    };
    if (step === 'done') return <span class="soft" role="status">Removed from the broker.</span>;
    if (typeof step === 'object') return <span class="wrong" role="alert">{step.failed}</span>;
    if (step === '') return <button type="button" class="button small" onClick={() => setStep('sure')}>Clear retained…</button>;
    return (
        <span class="sure">
            Nobody will get it any more.
            <button type="button" class="button small danger" onClick={clear}>Clear it</button>
            <button type="button" class="button small quiet" onClick={() => setStep('')}>Keep</button>
        </span>
    );
}
