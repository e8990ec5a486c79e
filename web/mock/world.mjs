/* A made-up fleet for developing and testing the page without a hub; nothing of it is in the product. Every value is a function of
 * the device, the field and the time, so that history, live values and a restarted server agree. */

function hash(text) {
    let h = 2166136261;
    for (const c of text) h = Math.imul(h ^ c.charCodeAt(0), 16777619);
    return (h >>> 0) / 4294967296;
}

/** Smooth noise in 0…1 over time: a few waves whose phases come from the name. */
function wave(name, t, periodMs) {
    const p = hash(name) * 1000;
    const x = t / periodMs + p;
    return 0.5 + 0.25 * Math.sin(x * 6.283) + 0.15 * Math.sin(x * 2.1 * 6.283 + p) + 0.1 * Math.sin(x * 7.7 * 6.283 + 2 * p);
}

function grain(name, t) {
    return hash(`${name}${t}`);
}

const round = (v, digits = 1) => Number(v.toFixed(digits));

function host(id, t) {
    const busy = wave(`${id}cpu`, t, 180_000);
    const peak = grain(id, Math.floor(t / 20_000)) > 0.86 ? 38 * grain(`${id}p`, t) : 0;
    const cpu = Math.min(100, 4 + 22 * busy ** 2 + 3 * grain(`${id}c`, t) + peak);
    const used = 1.1e9 + 0.4e9 * wave(`${id}mem`, t, 1_900_000) + hash(id) * 6e8;
    return {
        cpu: { percent: round(cpu, 2), ...Object.fromEntries([0, 1, 2, 3].map((i) => [`core${i}_percent`, round(Math.min(100, cpu * (0.5 + grain(`${id}${i}`, t))), 2)])) },
        load: { '1m': round(cpu / 26, 2), '5m': round(0.4 + busy, 2), '15m': round(0.5 + 0.4 * wave(`${id}l`, t, 3e6), 2) },
        memory: { used_percent: round((used / 3.98e9) * 100, 2), total_bytes: 3_980_000_000, available_bytes: Math.round(3.98e9 - used) },
        disk: { used_percent: round(37 + ((t / 3.6e6) % 48) / 12, 2), available_bytes: 18_400_000_000, mmcblk0: { read_bytes_per_s: 0, written_bytes_per_s: Math.round(90_000 * wave(`${id}w`, t, 30_000) ** 4) } },
        network: { eth0: {
            received_bytes_per_s: Math.round(18_000 + 240_000 * wave(`${id}rx`, t, 70_000) ** 3 + 9000 * grain(`${id}r`, t)),
            sent_bytes_per_s: Math.round(6_000 + 52_000 * wave(`${id}tx`, t, 45_000) ** 2 + 3000 * grain(`${id}s`, t)),
            errors_per_s: 0,
        } },
        temperature: { cpu_thermal_c: round(41 + 9 * wave(`${id}t`, t, 900_000) + cpu / 14, 2) },
        throttling: { under_voltage: 0, frequency_capped: 0, throttled: 0, soft_temperature_limit: 0, under_voltage_since_boot: 0 },
        uptime_s: Math.floor((t - 1_790_000_000_000) / 1000) % 4_000_000,
    };
}

function climate(id, t) {
    return {
        device_id: id,
        temperature: round(19 + 6 * wave(`${id}temp`, t, 6 * 3_600_000) + 0.2 * grain(id, t), 2),
        humidity: round(38 + 24 * wave(`${id}hum`, t, 5 * 3_600_000) + grain(`${id}h`, t)),
        pressure_hpa: round(1009 + 8 * wave('pressure', t, 40 * 3_600_000), 1),
        battery_v: round(4.05 - 0.4 * wave(`${id}bat`, t, 9e8), 2),
        timestamp: new Date(t).toISOString(),
    };
}

function camera(id, t) {
    return {
        fps: round(24 + 2 * grain(id, t), 1), bitrate_bytes_per_s: Math.round(310_000 + 160_000 * wave(id, t, 60_000)), viewers: Math.round(3 * wave(`${id}v`, t, 400_000)),
        dropped_frames: 0, key_frame_interval_s: 2, state: 'streaming', resolution: [1920, 1080],
    };
}

const PLATES = ['B WY 4711', 'HH SD 208', 'M AX 1930', 'K LN 77', 'DD RE 512'];

function plate(id, t) {
    return { plate: PLATES[Math.floor(grain(id, t) * PLATES.length)], confidence: round(0.82 + 0.17 * grain(`${id}k`, t), 3), lane: grain(id, t) > 0.5 ? 'in' : 'out', box: [412, 300, 188, 52] };
}

const MIN = 60_000;
const HOUR = 60 * MIN;

function row(device, streams, more = {}) {
    return { device, streams, age: 9 * 24 * HOUR, quiet: 0, gaps: [], outages: [], lost: [], ...more };
}

/** `quiet`: how long ago the device fell silent. `gaps`: pauses, as [from, to] before now. `node`: the node whose journal its records
 *  come from. `outages`: when that could not reach the hub, as [from, to] before now; with `drain`, it still sends what it recorded
 *  since, and has sent all after so many ms. `lost`: gap records, as [first, last, reason, before now]. */
export function makeFleet(count, drain = 90_000) {
    const named = [
        row('pi-1', [{ stream: 'host', every: 2000, make: host }], { node: 'pi-1-4f2a', outages: [[19 * MIN, 14 * MIN], [5 * HOUR, 3 * HOUR]], gaps: [[3.2 * MIN, 2.5 * MIN], [31 * MIN, 22 * MIN]] }),
        row('gate-north', [{ stream: 'host', every: 2000, make: host }, { stream: 'camera', every: 5000, make: camera }, { stream: 'plates', kind: 'detection', every: 17_000, make: plate }], { name: 'North gate', location: 'Car park, level 0', node: 'gate-north-91c0', outages: [[4.5 * HOUR, 0]], drain }),
        row('greenhouse-2', [{ stream: 'env', every: 10_000, make: climate }], { location: 'Greenhouse, bench 2', node: 'greenhouse-2-77d1', dropped: 120, clock: -2600, outages: [[8 * HOUR, 6.5 * HOUR]],
            lost: [[180_441, 180_540, 'dropped', 6.5 * HOUR], [98_110, 98_125, 'dropped', 30 * HOUR], [41_002, 41_005, 'damaged', 77 * HOUR]], gaps: [[70 * MIN, 48 * MIN], [9 * HOUR, 7 * HOUR]] }),
        row('cellar', [{ stream: 'env', every: 30_000, make: climate }], { node: 'cellar-0b3e', forks: 1 }),
        row('pi-zero-7', [{ stream: 'host', every: 2000, make: host }], { quiet: 50_000, node: 'pi-zero-7-aa10', waiting: 412 }),
        row('gate-south', [{ stream: 'host', every: 2000, make: host }], { name: 'South gate', location: 'Car park, level 0', quiet: 3.3 * HOUR }),
        row('scale-3', [{ stream: 'weight', every: 4000, make: (id, t) => round(412 + 30 * wave(id, t, 40_000), 1) }]),
    ];
    for (let i = named.length; i < count; i++) named.push(row(`node-${String(i).padStart(3, '0')}`, [{ stream: i % 3 ? 'host' : 'env', every: i % 3 ? 2000 : 10_000, make: i % 3 ? host : climate }]));
    return named.slice(0, count);
}

/** The times at which a stream spoke in [from, to). */
export function* times(device, stream, from, to, started) {
    const end = Math.min(to, device.quiet ? started - device.quiet : Infinity);
    const begin = Math.max(from, started - device.age);
    for (let t = Math.ceil(begin / stream.every) * stream.every; t < end; t += stream.every) {
        if (!device.gaps.some(([a, b]) => t >= started - a && t < started - b)) yield t;
    }
}

const DRAINED = 40;

/** When a record reached the database: at once, or after the outage in which it was made, at forty times the speed of its making. */
export function arrival(device, t, started) {
    const soon = t + 18 + 50 * grain(device.device, t);
    if (!device.node) return t + 2 + 4 * grain(device.device, t);
    for (const [a, b] of device.outages) {
        const [from, to] = [started - a, started - b];
        const speed = device.drain ? 1 + a / device.drain : DRAINED;
        /* What is made while the rest still comes waits its turn behind it. */
        const due = to + (t - from) / speed;
        if (t >= from && due > t) return due;
    }
    return soon;
}

/** The journal of a node: any name will do, as long as it is always the same. */
export function journalOf(name) {
    const digits = Array.from({ length: 32 }, (_, i) => Math.floor(16 * hash(`${name}/${i}`)).toString(16)).join('');
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export function numericLeaves(value, path = '') {
    if (typeof value === 'number') return [path || 'value'];
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return [];
    return Object.entries(value).flatMap(([k, v]) => numericLeaves(v, path ? `${path}.${k}` : k));
}

export function leafAt(value, path) {
    if (path === 'value' && typeof value === 'number') return value;
    return path.split('.').reduce((v, key) => (v === null || v === undefined ? undefined : v[key]), value);
}
