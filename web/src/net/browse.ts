/* A connection of its own for the topic browser: it subscribes to one filter and publishes what is typed. Messages go straight into the
 * tree; whoever draws is told once per animation frame, and not more often than the eye follows. */
import type { IClientOptions, MqttClient } from 'mqtt';
import { TopicTree } from '../model/topics';
import { address } from './api';

export type BrowseState =
    | { readonly kind: 'connecting' }
    | { readonly kind: 'live' }
    | { readonly kind: 'refused'; readonly why: string }
    | { readonly kind: 'away'; readonly why: string };

export interface Publication {
    readonly topic: string;
    readonly payload: string;
    readonly qos: 0 | 1 | 2;
    readonly retain: boolean;
}

const AGAIN_MS = 2_000;
const DRAW_MS = 100;
const SAMPLE_MS = 1_000;
const PUBLISH_MS = 10_000;
const NOT_AUTHORIZED = 135;

export class Browse {
    readonly tree = new TopicTree();
    state: BrowseState = { kind: 'connecting' };
    paused = false;
    /** Messages that passed while it was paused. */
    passed = 0;
    private client: MqttClient | undefined;
    private again: ReturnType<typeof setTimeout> | undefined;
    private sampler: ReturnType<typeof setInterval> | undefined;
    private frame = 0;
    private drawnAt = 0;
    private stopped = false;

    constructor(
        readonly filter: string,
        private readonly draw: () => void,
    ) {}

    start(): void {
        this.tree.sample(performance.now());
        this.sampler = setInterval(() => {
            this.tree.sample(performance.now());
            this.dirty();
        }, SAMPLE_MS);
        void this.connect();
    }

    stop(): void {
        this.stopped = true;
        clearTimeout(this.again);
        clearInterval(this.sampler);
        cancelAnimationFrame(this.frame);
        this.client?.end(true);
    }

    pause(on: boolean): void {
        this.paused = on;
        this.passed = 0;
        this.dirty();
    }

    /** Fails with a sentence. */
    publish(p: Publication): Promise<void> {
        const client = this.client;
        if (!client?.connected) return Promise.reject(new Error('There is no connection to the broker now.'));
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => reject(new Error('The broker did not acknowledge it in time; it may have arrived.')), PUBLISH_MS);
            client.publish(p.topic, p.payload, { qos: p.qos, retain: p.retain }, (error, packet) => {
                clearTimeout(timer);
                const code = (packet as { reasonCode?: number } | undefined)?.reasonCode ?? (error as { code?: number } | null)?.code ?? 0;
                if (code === NOT_AUTHORIZED) reject(new Error('The broker\u2019s rules do not let this page publish there.'));
                else if (error) reject(new Error(error.message));
                else resolve();
            });
        });
    }

    private async connect(): Promise<void> {
        let mqtt: typeof import('mqtt').default;
        try {
            mqtt = (await import('mqtt')).default;
        } catch {
            this.lost('a part of the page could not be loaded');
            return;
        }
        if (this.stopped) return;
        const client = mqtt.connect(address('mqtt').replace(/^http/, 'ws'), options());
        this.client = client;
        client.on('connect', () => {
            client.subscribe(this.filter, { qos: 0 }, (error, granted) => {
                if (client !== this.client) return;
                const code = granted?.[0]?.qos ?? (error as { code?: number } | null)?.code ?? 0;
                if (error || code >= 128) this.move({ kind: 'refused', why: code === NOT_AUTHORIZED || code === 128 ? 'rules' : (error?.message ?? `code ${code}`) });
                else this.move({ kind: 'live' });
            });
        });
        client.on('message', (topic, payload, packet) => this.take(topic, payload, packet.qos, packet.retain));
        client.on('error', (error) => this.lost(error.message || 'the connection failed', client));
        client.on('close', () => this.lost('the connection closed', client));
    }

    private take(topic: string, payload: Uint8Array, qos: number, retain: boolean): void {
        if (this.paused) this.passed++;
        else this.tree.note(topic, { payload, qos, retain, at: Date.now() });
        this.dirty();
    }

    private lost(why: string, client?: MqttClient): void {
        if (this.stopped || client !== this.client) return;
        this.client?.end(true);
        this.client = undefined;
        /* Its user may do less than before: told apart by what the next attempt says. */
        this.move({ kind: 'away', why });
        clearTimeout(this.again);
        this.again = setTimeout(() => void this.connect(), AGAIN_MS);
    }

    private move(state: BrowseState): void {
        this.state = state;
        this.dirty();
    }

    private dirty(): void {
        if (this.frame !== 0 || this.stopped) return;
        const step = (now: number): void => {
            if (now - this.drawnAt < DRAW_MS) {
                this.frame = requestAnimationFrame(step);
                return;
            }
            this.frame = 0;
            this.drawnAt = now;
            this.draw();
        };
        this.frame = requestAnimationFrame(step);
    }
}

function options(): IClientOptions {
    const bytes = crypto.getRandomValues(new Uint8Array(4));
    return {
        protocolVersion: 5,
        clientId: `wayside-topics-${[...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')}`,
        clean: true,
        keepalive: 30,
        connectTimeout: 5_000,
        reconnectPeriod: 0,
        resubscribe: false,
        queueQoSZero: false,
        timerVariant: 'native',
    };
}
