/* A stand-in for the hub: the built page, the REST routes and MQTT over WebSocket, with made-up devices (world.mjs). For developing
 * and testing the page only.
 *   node mock/server.mjs [--port 8000] [--devices 7] [--empty] [--refuse-ws] [--started MS] [--drain MS] [--older]
 * --drain is how long the backlog of gate-north takes. --older leaves out what a hub of the first release does not say: how records are delivered. --started fixes the moment from which gaps and ages count, so that a restarted server tells the same story. */
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import mqttPacket from 'mqtt-packet';
import { WebSocketServer } from 'ws';
import { arrival, journalOf, leafAt, makeFleet, numericLeaves, times } from './world.mjs';

const { values: args } = parseArgs({
    options: {
        port: { type: 'string', default: '8000' },
        devices: { type: 'string', default: '7' },
        empty: { type: 'boolean', default: false },
        'refuse-ws': { type: 'boolean', default: false },
        drain: { type: 'string', default: '90000' },
        older: { type: 'boolean', default: false },
        started: { type: 'string', default: String(Date.now()) },
    },
});
const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');
const started = Number(args.started);
const fleet = args.empty ? [] : makeFleet(Number(args.devices), Number(args.drain));
const extra = new Map(); /* device → [{stream, time, value}], sent by POST */
const clients = new Set();
const counters = { posts: 0, published: 0, requests: 0 };
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
/* As strict as a hub may be: the page must work under it. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const iso = (t) => new Date(t).toISOString();

function problem(res, status, detail, field) {
    res.writeHead(status, { 'Content-Type': 'application/problem+json' });
    res.end(JSON.stringify({ type: 'about:blank', title: status === 404 ? 'Not Found' : 'Unprocessable Content', status, detail, ...(field ? { field } : {}) }));
}

function json(res, body, status = 200) {
    res.writeHead(status, { 'Content-Type': 'application/json' });
    res.end(JSON.stringify(body));
}

function lastOf(device, stream, now) {
    for (const span of [60_000, 3_600_000, 6 * 3_600_000]) {
        let last;
        for (const t of times(device, stream, now - span, now, started)) if (arrival(device, t, started) <= now) last = t;
        if (last !== undefined) return last;
    }
    return undefined;
}

/* How many of its records the node still has, of all its streams. */
function backlogOf(device, now) {
    if (device.waiting) return device.waiting;
    const made = (from, to) => device.streams.reduce((sum, s) => sum + Math.max(0, Math.floor((to - from) / s.every)), 0);
    if (!device.drain || now >= started + device.drain) return 0;
    const [[a]] = device.outages;
    return made(started - a + (now - started) * (1 + a / device.drain), now);
}

function node(device, now) {
    const head = Math.floor((now - started + device.age) / device.streams[0].every) + 1;
    const backlog = backlogOf(device, now);
    return {
        journal: journalOf(device.node), name: device.node, backlog, dropped: device.dropped ?? 0, have: head - backlog, head,
        last_contact: iso(device.quiet ? started - device.quiet : now - 400), clock_error_ms: device.clock ?? -12, batches: head, records: head, holes: 0,
    };
}

function nodes() {
    const now = Date.now();
    return fleet.filter((d) => d.node).map((d) => node(d, now));
}

function delivery(device, now) {
    if (args.older) return {};
    return {
        journal: journalOf(device.node ?? 'hub'), gaps: device.lost.length, lost: device.lost.reduce((sum, [first, last]) => sum + last - first + 1, 0), forks: device.forks ?? 0,
        node: device.node ? node(device, now) : null,
    };
}

function gaps(res, q) {
    const device = fleet.find((d) => d.device === q.get('device'));
    const items = (device?.lost ?? []).map(([first, last, reason, before]) => ({ journal: journalOf(device.node), first, last, reason, time: iso(started - before) }));
    return json(res, { items: items.slice(0, Number(q.get('limit') ?? 100)), next: null });
}

function devices() {
    const now = Date.now();
    const made = fleet.map((d) => {
        const streams = d.streams.map((s) => {
            const last = lastOf(d, s, now) ?? started - d.age;
            const value = s.make(d.device, last);
            return { stream: s.stream, kind: s.kind ?? 'reading', last_time: iso(last), count: Math.floor((last - started + d.age) / s.every), fields: numericLeaves(value), last: value };
        });
        const seen = d.drain && now < started + d.drain ? iso(now) : streams.map((s) => s.last_time).sort().at(-1);
        return { device: d.device, ...(d.name ? { name: d.name } : {}), ...(d.location ? { location: d.location } : {}), first_seen: iso(started - d.age), last_seen: seen, last_time: seen, ...delivery(d, now), streams };
    });
    const posted = [...extra].map(([device, records]) => {
        const last = records.at(-1);
        return {
            device, first_seen: iso(records[0].arrived), last_seen: iso(last.arrived), last_time: iso(last.time),
            streams: [{ stream: last.stream, kind: 'reading', last_time: iso(last.time), count: records.length, fields: numericLeaves(last.value), last: last.value }],
        };
    });
    return [...made, ...posted].sort((a, b) => (a.device < b.device ? -1 : 1));
}

/* Records of a stream in [from, to), oldest first; at most `most`, evenly thinned, since a week at 2 s is 300,000. */
function* records(name, streamName, from, to, most = Infinity) {
    const device = fleet.find((d) => d.device === name);
    for (const s of device?.streams ?? []) {
        if (streamName && s.stream !== streamName) continue;
        const every = Math.max(1, Math.floor((to - from) / s.every / most));
        let i = 0;
        const now = Date.now();
        for (const t of times(device, s, from, to, started)) {
            if (i++ % every !== 0) continue;
            const arrived = arrival(device, t, started);
            if (arrived <= now) yield { stream: s.stream, kind: s.kind ?? 'reading', time: t, arrived, seq: Math.floor(t / s.every), value: s.make(name, t) };
        }
    }
    for (const r of extra.get(name) ?? []) if ((!streamName || r.stream === streamName) && r.time >= from && r.time < to) yield { ...r, kind: 'reading' };
}

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function readings(res, q) {
    const device = q.get('device') ?? '';
    const stream = q.get('stream') ?? '';
    const now = Date.now();
    const to = Math.min(q.has('to') ? Date.parse(q.get('to')) : now, now);
    const from = q.has('from') ? Date.parse(q.get('from')) : to - 2 * 3_600_000;
    if (Number.isNaN(to)) return problem(res, 422, 'to is no time by RFC 3339', 'to');
    if (Number.isNaN(from)) return problem(res, 422, 'from is no time by RFC 3339', 'from');
    if (q.has('step')) return series(res, q, device, stream, from, to);
    const limit = Number(q.get('limit') ?? 100);
    if (!(limit >= 1 && limit <= 10_000)) return problem(res, 422, 'limit must be 1 to 10000', 'limit');
    const items = [...records(device, stream, from, to)].sort((a, b) => b.time - a.time).slice(0, limit);
    return json(res, { items: items.map((r) => ({ device, stream: r.stream, kind: r.kind, time: iso(r.time), received: iso(r.arrived ?? r.time), seq: r.seq, value: r.value })), next: null });
}

function series(res, q, device, stream, from, to) {
    const match = /^(\d+)(ms|s|m|h|d)$/.exec(q.get('step'));
    if (!match) return problem(res, 422, 'step is a number and a unit: 10s', 'step');
    if (!q.get('field')) return problem(res, 422, 'step needs field', 'field');
    const step = Number(match[1]) * UNITS[match[2]];
    const out = { device, stream, field: q.get('field'), step_ms: step, t: [], min: [], avg: [], max: [] };
    let bucket;
    const flush = () => {
        if (!bucket) return;
        out.t.push(bucket.t);
        out.min.push(bucket.min);
        out.avg.push(bucket.sum / bucket.n);
        out.max.push(bucket.max);
    };
    for (const r of records(device, stream, from, to, 30_000)) {
        const v = out.field === '@lag' ? ((r.arrived ?? r.time) - r.time) / 1000 : leafAt(r.value, out.field);
        if (typeof v !== 'number') continue;
        const t = from + Math.floor((r.time - from) / step) * step;
        if (bucket?.t !== t) {
            flush();
            bucket = { t, min: v, max: v, sum: 0, n: 0 };
        }
        bucket.min = Math.min(bucket.min, v);
        bucket.max = Math.max(bucket.max, v);
        bucket.sum += v;
        bucket.n++;
    }
    flush();
    return json(res, out);
}

async function post(req, res) {
    let text = '';
    for await (const chunk of req) text += chunk;
    let value;
    try {
        value = JSON.parse(text);
    } catch {
        return problem(res, 422, 'the body is no JSON');
    }
    const device = String(value.device_id ?? 'api');
    const now = Date.now();
    const record = { stream: 'env', time: Date.parse(value.timestamp) || now, arrived: now, seq: ++counters.posts, value };
    extra.set(device, [...(extra.get(device) ?? []), record]);
    publish(device, 'reading', 'env', record.time, record.seq, value);
    return json(res, value, 201);
}

function metrics(res) {
    const up = (Date.now() - started) / 1000;
    res.writeHead(200, { 'Content-Type': 'text/plain; version=0.0.4' });
    res.end(`# HELP wayside_mqtt_messages_received_total PUBLISH packets taken\n# TYPE wayside_mqtt_messages_received_total counter\nwayside_mqtt_messages_received_total ${Math.floor(up * 3.7)}
wayside_mqtt_messages_sent_total ${counters.published}\nwayside_journal_records_total ${Math.floor(up * 3.7)}\nwayside_journal_bytes_total ${Math.floor(up * 2210)}\nwayside_journal_flushes_total ${Math.floor(up * 3.1)}
wayside_store_rows_total ${Math.floor(up * 3.6)}\nhttp_requests_total{method="GET",endpoint="/api/v1/readings",status="200"} ${counters.requests}\nprocess_resident_memory_bytes 14680064\n`);
}

async function file(res, path) {
    const wanted = normalize(path === '/' ? '/index.html' : path);
    const name = extname(wanted) ? wanted : '/index.html';
    try {
        const bytes = await readFile(join(dist, name));
        res.writeHead(200, {
            'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream', 'Content-Security-Policy': POLICY, 'X-Content-Type-Options': 'nosniff',
            'Cache-Control': name.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
        });
        res.end(bytes);
    } catch {
        problem(res, 404, 'there is no such file');
    }
}

const server = createServer((req, res) => {
    const url = new URL(req.url, 'http://mock');
    counters.requests++;
    if (req.method === 'POST') return void post(req, res);
    switch (url.pathname) {
        case '/api/v1/devices': return json(res, { items: devices(), next: null });
        case '/api/v1/nodes': return args.older ? problem(res, 404, 'there is no such route') : json(res, { items: nodes(), next: null });
        case '/api/v1/gaps': return args.older ? problem(res, 404, 'there is no such route') : gaps(res, url.searchParams);
        case '/api/v1/readings': return readings(res, url.searchParams);
        case '/health': return json(res, { status: 'healthy', version: '0.0.0-mock' });
        case '/ready': return void res.writeHead(200, { 'Content-Type': 'text/plain' }).end('READY\n');
        case '/metrics': return metrics(res);
        default: return url.pathname.startsWith('/api/') ? problem(res, 404, 'there is no such route') : void file(res, url.pathname);
    }
});

/* ---- MQTT, as much of it as a page needs: CONNECT, SUBSCRIBE, PINGREQ, and PUBLISH down ---- */

const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => (offered.has('mqtt') ? 'mqtt' : false) });
server.on('upgrade', (req, socket, head) => {
    if (args['refuse-ws'] || new URL(req.url, 'http://mock').pathname !== '/mqtt') return socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');
    return sockets.handleUpgrade(req, socket, head, serve);
});

function serve(ws) {
    const client = { ws, version: 4, topics: [] };
    const parser = mqttPacket.parser();
    const send = (packet) => ws.send(mqttPacket.generate(packet, { protocolVersion: client.version }));
    client.send = send;
    parser.on('packet', (packet) => {
        if (packet.cmd === 'connect') {
            client.version = packet.protocolVersion;
            send({ cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: false });
        } else if (packet.cmd === 'subscribe') {
            client.topics.push(...packet.subscriptions.map((s) => s.topic));
            send({ cmd: 'suback', messageId: packet.messageId, granted: packet.subscriptions.map(() => 0) });
        } else if (packet.cmd === 'pingreq') {
            send({ cmd: 'pingresp' });
        }
    });
    parser.on('error', () => ws.terminate());
    clients.add(client);
    ws.on('message', (data) => parser.parse(data));
    ws.on('error', () => ws.terminate());
    ws.on('close', () => clients.delete(client));
}

function publish(device, kind, stream, time, seq, value, stored = true) {
    const topic = `wayside/${device}/${kind}/${stream}`;
    for (const client of clients) {
        if (!client.topics.includes(`wayside/+/${kind}/+`)) continue;
        const properties = client.version === 5 ? { userProperties: { 'wayside-record': '1', time: iso(time), seq: String(seq), ...(stored ? {} : { stored: '0' }) } } : undefined;
        client.send({ cmd: 'publish', topic, payload: JSON.stringify(value), qos: 0, retain: false, dup: false, ...(properties ? { properties } : {}) });
        counters.published++;
    }
}

let told = Date.now();
setInterval(() => {
    const now = Date.now();
    for (const d of fleet) {
        for (const s of d.streams) {
            const say = (t, stored) => publish(d.device, s.kind ?? 'reading', s.stream, t, Math.floor(t / s.every), s.make(d.device, t), stored);
            /* Ahead of a backlog the newest; then all that came since, in its turn. */
            for (const t of times(d, s, told, now, started)) if (arrival(d, t, started) > t + 1000) say(t, false);
            const since = d.drain && told < started + d.drain ? drainedUntil(d, told) : told - 1000;
            for (const t of times(d, s, since, now, started)) {
                const arrived = arrival(d, t, started);
                if (arrived > now && d.drain) break;
                if (arrived > told && arrived <= now) say(t, true);
            }
        }
    }
    told = now;
}, 100);

/* Up to where the backlog had come by then. */
function drainedUntil(device, at) {
    const [[a]] = device.outages;
    return Math.min(at, started - a + (at - started) * (1 + a / device.drain)) - 1000;
}

server.listen(Number(args.port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));
