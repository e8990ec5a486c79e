/* A hub without devices teaches how to get one: a command that works as it stands. */
import { useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { CopyButton } from './bits';

function hostName(): string {
    const name = location.hostname.replace(/^\[|\]$/g, '');
    return name === 'localhost' || name === '' ? '127.0.0.1' : name;
}

function isLoopback(): boolean {
    return /^(127\.|localhost$|\[?::1)/.test(location.hostname);
}

function commands(now: Date): readonly { readonly name: string; readonly text: string; readonly note: string }[] {
    const value = `'{\n  "device_id": "my-first",\n  "temperature": 21.5,\n  "humidity": 40,\n  "timestamp": "${now.toISOString().replace(/\.\d+Z$/, 'Z')}"}'`;
    const base = document.baseURI.replace(/[#?].*$/, '').replace(/[^/]*$/, '');
    return [
        {
            name: 'MQTT',
            text: `mosquitto_pub -h ${hostName()} -q 1 \\\n  -t sensor/data -m ${value}`,
            note: isLoopback()
                ? 'The package mosquitto-clients has mosquitto_pub. It ends when the record is on the hub\u2019s disk, since -q 1 asks for that.'
                : 'The package mosquitto-clients has mosquitto_pub. Plain MQTT is open to other machines only if the hub\u2019s file says so; HTTP works wherever this page does.',
        },
        {
            name: 'HTTP',
            text: `curl ${base}sensor-data \\\n  -H 'Content-Type: application/json' -d ${value}`,
            note: 'The answer is the stored record. Other shapes go to /api/v1/data.',
        },
    ];
}

export function FirstDevice(): JSX.Element {
    const [now] = useState(() => new Date());
    const [chosen, choose] = useState(isLoopback() ? 0 : 1);
    const list = commands(now);
    const command = list[chosen] ?? list[0];
    return (
        <section class="first">
            <svg class="first-art" viewBox="0 0 220 90" aria-hidden="true">
                <path class="ground" d="M8 78h204" />
                <path class="post" d="M64 78V22" />
                <path class="sign" d="M64 26h62l14 12-14 12H64z" />
                <path class="wave" d="M76 38h8l4-6 6 12 6-15 6 13 4-4h10" />
                <circle class="pulse" cx="178" cy="62" r="5" />
                <path class="ring" d="M166 50a17 17 0 0 1 24 0M159 43a27 27 0 0 1 38 0" />
                <path class="post" d="M178 67v11" />
            </svg>
            <h1>No device yet</h1>
            <p class="lead">A device appears here by itself with its first record. Send one now:</p>
            <div class="segments" role="group" aria-label="Send by">
                {list.map((c, i) => <button key={c.name} type="button" aria-pressed={i === chosen} onClick={() => choose(i)}>{c.name}</button>)}
            </div>
            {command && (
                <div class="command">
                    <pre tabIndex={0}>{command.text}</pre>
                    <CopyButton text={command.text} label="Copy the command" />
                    <p>{command.note}</p>
                </div>
            )}
            <p class="waiting"><span class="link-light" aria-hidden="true" /> Waiting for the first record</p>
        </section>
    );
}
