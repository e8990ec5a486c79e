/* A message typed by hand. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { topicProblem } from '../model/topics';
import type { Browse } from '../net/browse';

export interface Draft {
    readonly topic: string;
    readonly payload: string;
    readonly qos: 0 | 1 | 2;
    readonly retain: boolean;
}

export function Publish({ browse, draft, onDraft }: { browse: Browse; draft: Draft; onDraft: (d: Draft) => void }): JSX.Element {
    const [said, say] = useState<{ text: string; bad?: boolean } | undefined>();
    const problem = draft.topic === '' ? undefined : topicProblem(draft.topic);
    const set = (more: Partial<Draft>): void => {
        say(undefined);
        onDraft({ ...draft, ...more });
    };
    const send = (e: Event): void => {
        e.preventDefault();
        if (topicProblem(draft.topic)) return;
        say({ text: 'Publishing…' });
        browse.publish(draft).then(
            () => say({ text: draft.qos === 0 ? 'Sent.' : 'Acknowledged by the broker.' }),
            (error: Error) => say({ text: error.message, bad: true }),
        );
    };
    return (
        <form class="panel publish" onSubmit={send}>
            <h2>Publish</h2>
            <label class="field">
                <span>Topic</span>
                <input type="text" class="mono" value={draft.topic} placeholder="hello/world" spellcheck={false} autocapitalize="off" autocomplete="off" aria-invalid={problem !== undefined} onInput={(e) => set({ topic: e.currentTarget.value })} />
            </label>
            {problem && <p class="wrong" role="status">{problem}</p>}
            <label class="field tall">
                <span>Message</span>
                <textarea class="mono" rows={4} value={draft.payload} placeholder={'{"value":21.5}'} spellcheck={false} onInput={(e) => set({ payload: e.currentTarget.value })} />
            </label>
            <div class="publish-foot">
                <div class="segments" role="group" aria-label="QoS">
                    {([0, 1, 2] as const).map((qos) => (
                        <button key={qos} type="button" aria-pressed={draft.qos === qos} title={['sent once', 'acknowledged', 'exactly once'][qos]} onClick={() => set({ qos })}>QoS {qos}</button>
                    ))}
                </div>
                <label class="check"><input type="checkbox" checked={draft.retain} onChange={(e) => set({ retain: e.currentTarget.checked })} /> Retain</label>
                <button type="submit" class="button primary" disabled={draft.topic === '' || problem !== undefined}>Publish</button>
            </div>
            {said && <p class={said.bad ? 'wrong' : 'soft'} role="status">{said.text}</p>}
        </form>
    );
}
