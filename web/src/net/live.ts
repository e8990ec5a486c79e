/* The live channel: MQTT over WebSocket on the same host, at /mqtt. Version 5 first, since its user properties carry a record's own
 * time; 3.1.1 when the hub refuses that. Reconnecting is ours (model/link.ts), so that the page can say when it tries next; the
 * library only moves packets, and is loaded when the page is already drawn. */
import type { IClientOptions, IPublishPacket, MqttClient } from 'mqtt';
import { linkLost, linkRetry, linkStart, linkUp, type Link } from '../model/link';
import { readLive, type WireRecord } from '../model/wire';
import { address, hubNow } from './api';

export interface LiveHandlers {
    onLink(link: Link): void;
    onRecord(record: WireRecord, retained: boolean): void;
}

const TOPICS = ['wayside/+/reading/+', 'wayside/+/detection/+', 'wayside/+/status', 'wayside/+/event'];
const PAYLOAD_MAX = 256 * 1024;
const CONNECT_MS = 5_000;
const KEEPALIVE_S = 10;

export class Live {
    private link: Link = linkStart;
    private client: MqttClient | undefined;
    private timer: ReturnType<typeof setTimeout> | undefined;
    private version: 4 | 5 = 5;
    private stopped = false;

    constructor(private readonly handlers: LiveHandlers) {}

    start(): void {
        this.handlers.onLink(this.link);
        void this.connect();
    }

    /** Now rather than at the end of the wait: somebody pressed the button, or the network came back. */
    retry(): void {
        if (this.link.kind !== 'waiting' || this.stopped) return;
        clearTimeout(this.timer);
        this.move(linkRetry(this.link));
        void this.connect();
    }

    stop(): void {
        this.stopped = true;
        clearTimeout(this.timer);
        this.client?.end(true);
    }

    private move(link: Link): void {
        this.link = link;
        this.handlers.onLink(link);
    }

    private lost(client: MqttClient | undefined, why: string): void {
        if (this.stopped || client !== this.client) return;
        this.client?.end(true);
        this.client = undefined;
        this.move(linkLost(this.link, Date.now(), Math.random(), why));
        if (this.link.kind !== 'waiting') return;
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.retry(), Math.max(0, this.link.retryAt - Date.now()));
    }

    private async connect(): Promise<void> {
        let mqtt: typeof import('mqtt').default;
        try {
            mqtt = (await import('mqtt')).default;
        } catch {
            this.lost(undefined, 'a part of the page could not be loaded');
            return;
        }
        if (this.stopped || this.client) return;
        const client = mqtt.connect(address('mqtt').replace(/^http/, 'ws'), this.options());
        this.client = client;
        client.on('connect', () => {
            if (client !== this.client) return;
            client.subscribe(TOPICS, { qos: 0 }, (error) => {
                if (error) this.lost(client, `the hub refused the subscription (${error.message})`);
                else if (client === this.client) this.move(linkUp(Date.now()));
            });
        });
        client.on('message', (topic, payload, packet) => this.take(topic, payload, packet));
        client.on('error', (error) => {
            this.considerVersion(error);
            this.lost(client, error.message || 'the connection failed');
        });
        client.on('close', () => this.lost(client, 'the connection closed'));
        client.on('offline', () => this.lost(client, 'the connection closed'));
    }

    private options(): IClientOptions {
        return {
            protocolVersion: this.version,
            clientId: `wayside-page-${randomHex(8)}`,
            clean: true,
            keepalive: KEEPALIVE_S,
            connectTimeout: CONNECT_MS,
            reconnectPeriod: 0,
            resubscribe: false,
            queueQoSZero: false,
            /* A worker out of a blob would need a hole in the page's content security policy. */
            timerVariant: 'native',
        };
    }

    private considerVersion(error: Error & { code?: number | string }): void {
        /* 0x84 of MQTT 5 and 0x01 of 3.1.1: unsupported protocol version. */
        if (error.code === 132 || error.code === 1) this.version = this.version === 5 ? 4 : 5;
    }

    private take(topic: string, payload: Uint8Array, packet: IPublishPacket): void {
        if (payload.length === 0 || payload.length > PAYLOAD_MAX) return;
        const user = packet.properties?.userProperties as Record<string, string | string[]> | undefined;
        const record = readLive(topic, new TextDecoder().decode(payload), user, packet.retain, hubNow());
        if (record) this.handlers.onRecord(record, packet.retain);
    }
}

function randomHex(digits: number): string {
    const bytes = crypto.getRandomValues(new Uint8Array(digits / 2));
    return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
}
