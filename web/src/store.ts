/* All that the page knows: devices, their newest values, the connection. REST and MQTT write here; the views read and are told at
 * most five times a second that something changed, however fast the records come. */
import { Arrivals } from './model/arrivals';
import { noDelivery, noteBacklog, waitingOf, type Backlog, type Delivery, type NodeState, type Waiting } from './model/delivery';
import { flatten, isChartable, numberAt, type Leaf } from './model/flatten';
import { linkStart, type Link } from './model/link';
import { pickFields } from './model/pick';
import { Once, placeNewest, seenAt, type Turn } from './model/place';
import { Ring } from './model/series';
import { IntervalTracker, presenceOf, readDeclared, type Declared, type Presence } from './model/state';
import type { WireDevice, WireRecord, WireStream } from './model/wire';
import { ApiError, fetchDevices, fetchLatest, fetchNodes, hubNow } from './net/api';
import { Live } from './net/live';

export interface StreamModel {
    readonly name: string;
    kind: string;
    lastTime: number;
    count: number;
    fields: readonly string[];
    last: unknown;
    hasLast: boolean;
    leaves: readonly Leaf[];
    readonly interval: IntervalTracker;
    readonly rings: Map<string, Ring>;
    readonly once: Once;
}

export interface DeviceModel {
    readonly id: string;
    title: string;
    location: string;
    firstSeen: number;
    lastSeen: number;
    declared: Declared | undefined;
    delivery: Delivery;
    /** When a record of it last came live, whatever its time. */
    heardAt: number;
    readonly streams: Map<string, StreamModel>;
    /** Detections and events of this sitting, newest first. */
    readonly news: WireRecord[];
    version: number;
}

export type Rest =
    | { readonly kind: 'loading' }
    | { readonly kind: 'ok'; readonly at: number }
    | { readonly kind: 'failed'; readonly why: string; readonly at: number };

const TELL_MS = 200;
const REFRESH_LIVE_MS = 30_000;
const REFRESH_POLL_MS = 4_000;
/* Soon after a loss: is it the live channel only, or the whole hub? */
const REFRESH_SOON_MS = 800;
/* Whoever may publish can make a device with each message; the list is not fetched for each, but this long after the last time. */
const REFRESH_NEW_MS = 5_000;
export const DEVICES_MAX = 10_000;
export const STREAMS_MAX = 30_000;
const UNLISTED_MS = 60_000; /* the hub may not have stored yet what was heard live */
/* Backlogs count down while one looks; else they are looked after now and then. */
const NODES_BEHIND_MS = 2_000;
const NODES_MS = 15_000;
const NEWS_MAX = 50;
export const KEY_FIELDS = 3;
const SPARK_POINTS = 60;

export class Store {
    readonly devices = new Map<string, DeviceModel>();
    link: Link = linkStart;
    rest: Rest = { kind: 'loading' };
    /** When anything last came from the hub; ages stop growing there while it is away. */
    lastContact = 0;
    lastRecord = 0;
    received = 0;
    /** Records of devices and streams for which there was no room. */
    left = 0;
    /** Rises whenever the live channel comes up: histories then fetch what they missed. */
    generation = 0;
    version = 0;

    private readonly listeners = new Set<() => void>();
    private readonly recordListeners = new Set<(record: WireRecord, turn: Turn) => void>();
    /** By journal. */
    private readonly backlogs = new Map<string, Backlog>();
    private readonly arrivals = new Arrivals(Date.now());
    private telling: ReturnType<typeof setTimeout> | undefined;
    private refreshing: ReturnType<typeof setTimeout> | undefined;
    private refreshDue = 0;
    private refreshedAt = 0;
    private streamCount = 0;
    private watching: ReturnType<typeof setTimeout> | undefined;
    private wasCatchingUp = false;
    /** The generation in which the hub had no route for nodes; after a restart it may be a newer one. */
    private nodesUnknown = -1;
    private inFlight = false;
    private readonly live: Live;

    constructor() {
        this.live = new Live({ onLink: (link) => this.onLink(link), onRecord: (record, retained) => this.onRecord(record, retained) });
    }

    start(): void {
        this.live.start();
        void this.refresh();
        this.watchNodes();
        window.addEventListener('online', () => this.retry());
        document.addEventListener('visibilitychange', () => {
            if (document.visibilityState !== 'visible') return;
            this.retry();
            void this.lookAtNodes();
        });
    }

    subscribe(listener: () => void): () => void {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
    }

    onEveryRecord(listener: (record: WireRecord, turn: Turn) => void): () => void {
        this.recordListeners.add(listener);
        return () => this.recordListeners.delete(listener);
    }

    retry(): void {
        this.live.retry();
        void this.refresh();
    }

    /** The time against which ages are counted. */
    now(): number {
        return this.link.kind === 'live' || this.rest.kind === 'ok' ? hubNow() : Math.max(this.lastContact, 0) || hubNow();
    }

    presence(device: DeviceModel): Presence {
        return presenceOf(device.lastSeen, this.intervalOf(device), this.now(), device.declared);
    }

    /** The node by which its records come. What came live was a contact, too, since the hub was last asked. */
    nodeOf(device: DeviceModel): NodeState | undefined {
        const { node } = device.delivery;
        return node && device.heardAt > (node.lastContact || 0) ? { ...node, lastContact: device.heardAt } : node;
    }

    /** What waits on the way from this device, when it is worth a word. */
    waiting(device: DeviceModel): Waiting | undefined {
        return waitingOf(this.nodeOf(device), this.backlogs.get(device.delivery.journal), this.now());
    }

    isCatchingUp(id: string): boolean {
        const device = this.devices.get(id);
        return device !== undefined && this.waiting(device)?.kind === 'catching';
    }

    intervalOf(device: DeviceModel): number | undefined {
        let best: number | undefined;
        for (const stream of device.streams.values()) {
            const interval = stream.interval.value;
            if (interval !== undefined && (best === undefined || interval < best)) best = interval;
        }
        return best;
    }

    /** Records per second that reached this page over the last ten seconds. */
    rate(): number {
        return this.arrivals.rate(Date.now());
    }

    /** The last records of the stream, so that its sparklines do not start empty. */
    async fillRings(device: DeviceModel, stream: StreamModel): Promise<void> {
        try {
            for (const record of await fetchLatest(device.id, stream.name, SPARK_POINTS)) {
                if (record.stream === stream.name) noteRings(stream, record.time, record.value);
            }
            this.tell(device);
        } catch {
            /* The cards are whole without them; the banner says when the hub is away. */
        }
    }

    private onLink(link: Link): void {
        const was = this.link.kind;
        this.link = link;
        if (link.kind === 'live' && was !== 'live') {
            this.generation++;
            this.lastContact = hubNow();
            void this.refresh();
        }
        if (link.kind !== 'live' && was === 'live') this.schedule(REFRESH_SOON_MS);
        this.tell();
    }

    private async refresh(): Promise<void> {
        if (this.inFlight) return;
        this.inFlight = true;
        this.refreshedAt = Date.now();
        try {
            const { items: devices, whole } = await fetchDevices(DEVICES_MAX);
            if (whole) this.forgetAllBut(new Set(devices.map((d) => d.device)));
            for (const node of new Map(devices.map((d) => [d.delivery.journal, d.delivery.node])).values()) if (node) this.noteNode(node);
            for (const device of devices) this.mergeDevice(device);
            if (this.anyCatchingUp()) this.watchNodes();
            this.lastContact = hubNow();
            this.rest = { kind: 'ok', at: this.lastContact };
        } catch (e) {
            this.rest = { kind: 'failed', why: e instanceof ApiError ? e.message : String(e), at: hubNow() };
        }
        this.inFlight = false;
        this.schedule(this.link.kind === 'live' && this.rest.kind === 'ok' ? REFRESH_LIVE_MS : REFRESH_POLL_MS);
        this.tell();
    }

    private watchNodes(): void {
        clearTimeout(this.watching);
        this.watching = setTimeout(() => void this.lookAtNodes(), this.anyCatchingUp() ? NODES_BEHIND_MS : NODES_MS);
    }

    private async lookAtNodes(): Promise<void> {
        clearTimeout(this.watching);
        if (document.visibilityState === 'visible' && this.nodesUnknown !== this.generation) {
            try {
                const nodes = new Map((await fetchNodes()).map((node) => [node.journal, node]));
                for (const node of nodes.values()) this.noteNode(node);
                for (const journal of this.backlogs.keys()) if (!nodes.has(journal)) this.backlogs.delete(journal);
                for (const device of this.devices.values()) {
                    const node = nodes.get(device.delivery.journal);
                    if (node) device.delivery = { ...device.delivery, node };
                }
                this.tell();
            } catch (e) {
                /* The banner says when the hub is away; one without this route says all it knows in its list of devices. */
                if (e instanceof ApiError && e.status === 404) this.nodesUnknown = this.generation;
            }
            /* What was lost on the way is told with the last of a backlog. */
            const catching = this.anyCatchingUp();
            if (this.wasCatchingUp && !catching) void this.refresh();
            this.wasCatchingUp = catching;
        }
        this.watchNodes();
    }

    private noteNode(node: NodeState): void {
        this.backlogs.set(node.journal, noteBacklog(this.backlogs.get(node.journal), node.backlog, hubNow()));
    }

    private anyCatchingUp(): boolean {
        for (const device of this.devices.values()) if (this.isCatchingUp(device.id)) return true;
        return false;
    }

    private schedule(ms: number): void {
        clearTimeout(this.refreshing);
        this.refreshDue = Date.now() + ms;
        this.refreshing = setTimeout(() => void this.refresh(), ms);
    }

    private refreshForNews(): void {
        const due = Math.max(Date.now() + REFRESH_SOON_MS, this.refreshedAt + REFRESH_NEW_MS);
        if (due < this.refreshDue) this.schedule(due - Date.now());
    }

    private forgetAllBut(listed: ReadonlySet<string>): void {
        for (const device of this.devices.values()) {
            if (listed.has(device.id) || hubNow() - device.heardAt < UNLISTED_MS) continue;
            this.devices.delete(device.id);
            this.streamCount -= device.streams.size;
        }
    }

    private mergeDevice(wire: WireDevice): void {
        const device = this.deviceOf(wire.device);
        if (!device) return;
        device.title = wire.title;
        device.location = wire.location;
        if (wire.firstSeen > 0) device.firstSeen = wire.firstSeen;
        device.delivery = wire.delivery;
        const newest = Math.max(0, ...wire.streams.map((s) => s.lastTime || 0));
        const seen = seenAt(wire.lastSeen, newest, this.isCatchingUp(device.id));
        if (seen > device.lastSeen) device.lastSeen = seen;
        for (const s of wire.streams) this.mergeStream(device, s);
        device.version++;
    }

    private mergeStream(device: DeviceModel, wire: WireStream): void {
        const stream = this.streamOf(device, wire.stream, wire.kind);
        if (!stream) return;
        stream.kind = wire.kind;
        stream.count = Math.max(stream.count, wire.count);
        if (wire.fields.length > 0) stream.fields = wire.fields;
        if (wire.count > 1 && device.lastSeen > device.firstSeen) {
            stream.interval.suggest((device.lastSeen - device.firstSeen) / (wire.count - 1));
        }
        if (wire.last !== undefined && (!stream.hasLast || !(wire.lastTime < stream.lastTime))) setLast(stream, wire.lastTime, wire.last);
        else if (wire.lastTime > stream.lastTime) stream.lastTime = wire.lastTime;
    }

    private onRecord(record: WireRecord, retained: boolean): void {
        const now = hubNow();
        this.lastContact = now;
        this.received++;
        this.arrivals.note(Date.now());
        if (retained) {
            this.noteStatus(record, record.time);
            return;
        }
        const known = this.devices.has(record.device);
        const device = this.deviceOf(record.device);
        const stream = device && this.streamOf(device, record.stream, record.kind);
        if (!stream) {
            this.left++;
            this.tell();
            return;
        }
        const turn = stream.once.turn(record);
        if (turn === 'again') return;
        if (!known) {
            device.firstSeen = now;
            this.refreshForNews();
        }
        device.heardAt = now;
        if (turn !== 'ahead') stream.count++;
        if (turn !== 'settled') this.noteNews(device, stream, record, now);
        for (const listener of this.recordListeners) listener(record, turn);
        this.tell(device);
    }

    /** A record that was not shown yet, which need not be the newest. */
    private noteNews(device: DeviceModel, stream: StreamModel, record: WireRecord, now: number): void {
        const seen = seenAt(now, record.time, this.isCatchingUp(device.id));
        device.lastSeen = Math.max(device.lastSeen, seen);
        this.lastRecord = now;
        if (record.time >= stream.lastTime) {
            stream.interval.note(record.time);
            setLast(stream, record.time, record.value);
            this.noteStatus(record, seen);
        }
        noteRings(stream, record.time, record.value);
        if (record.kind === 'detection' || record.kind === 'event') placeNewest(device.news, record, NEWS_MAX);
    }

    private noteStatus(record: WireRecord, at: number): void {
        const device = this.devices.get(record.device);
        if (!device || record.kind !== 'status') return;
        const declared = readDeclared(record.value, at);
        if (declared) device.declared = declared;
        this.tell(device);
    }

    private deviceOf(id: string): DeviceModel | undefined {
        let device = this.devices.get(id);
        if (!device && this.devices.size < DEVICES_MAX) {
            device = {
                id, title: '', location: '', firstSeen: 0, lastSeen: 0, declared: undefined, delivery: noDelivery, heardAt: 0, streams: new Map(), news: [], version: 0,
            };
            this.devices.set(id, device);
        }
        return device;
    }

    private streamOf(device: DeviceModel, name: string, kind: string): StreamModel | undefined {
        let stream = device.streams.get(name);
        if (!stream && this.streamCount < STREAMS_MAX) {
            stream = {
                name, kind, lastTime: 0, count: 0, fields: [], last: undefined, hasLast: false, leaves: [], interval: new IntervalTracker(), rings: new Map(), once: new Once(),
            };
            device.streams.set(name, stream);
            this.streamCount++;
        }
        return stream;
    }

    private tell(device?: DeviceModel): void {
        if (device) device.version++;
        this.telling ??= setTimeout(() => {
            this.telling = undefined;
            this.version++;
            for (const listener of this.listeners) listener();
        }, TELL_MS);
    }
}

function setLast(stream: StreamModel, time: number, value: unknown): void {
    if (Number.isFinite(time)) stream.lastTime = time;
    stream.last = value;
    stream.hasLast = true;
    stream.leaves = flatten(value);
    const numeric = stream.leaves.filter(isChartable).map((leaf) => leaf.path);
    if (numeric.some((path) => !stream.fields.includes(path))) stream.fields = [...new Set([...stream.fields, ...numeric])];
}

function noteRings(stream: StreamModel, time: number, value: unknown): void {
    if (stream.rings.size === 0) for (const field of pickFields(stream.fields, KEY_FIELDS)) stream.rings.set(field, new Ring());
    for (const [field, ring] of stream.rings) {
        const number = numberAt(value, field);
        if (number !== undefined) ring.add(time, number);
    }
}

export const store = new Store();
