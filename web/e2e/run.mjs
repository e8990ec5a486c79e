/* The page in a real browser.
 *   npm run e2e                         against the mock: all tests
 *   WAYSIDE_URL=http://127.0.0.1:8000 npm run e2e
 *                                       against a running hub with at least one device that speaks every few seconds; the tests that
 *                                       need another server (empty, many devices, no WebSocket) are left out
 * More, all optional:
 *   WAYSIDE_DEVICE=NAME                 the device to look at (else the first that is online)
 *   WAYSIDE_KILL='CMD' WAYSIDE_START='CMD'   shell commands that kill the hub and start it again: adds the reconnect test. START may
 *                                       go on running; it is ended with this program
 *   WAYSIDE_SHOTS=FOLDER                keeps a picture per test;  CHROMIUM=/usr/bin/chromium
 *   arguments                           names (or parts) of the tests to run
 * Ends with `N passed, N failed` and 1 when one failed. Nothing sleeps: everything is waited for, with a deadline. */
import { execSync, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launch, openPage, startMock } from './browser.mjs';

const T = { timeout: 15_000 };
const LONG = { timeout: 30_000 };
const started = String(Date.now());
const external = process.env.WAYSIDE_URL;
const shots = process.env.WAYSIDE_SHOTS;
const browser = await launch();
let mock = external ? undefined : await startMock('--port', '0', '--started', started);
const base = (external ?? mock.url).replace(/\/?$/, '/');
let spawned;

function must(what, text) {
    if (!what) throw new Error(text);
}

const live = (page) => page.waitForSelector('[data-link=live]', LONG);
const rows = (page) => page.waitForSelector('[data-device]', LONG);

async function pickDevice(page) {
    if (process.env.WAYSIDE_DEVICE) return process.env.WAYSIDE_DEVICE;
    await page.goto(`${base}#/devices`);
    const card = await page.waitForSelector('.card.online[data-device]:has(dd)', LONG);
    return external ? card.getAttribute('data-device') : 'pi-1';
}

/** How many dots of the canvas are not the ground: a chart that draws nothing has only its grid. */
const inkOf = (page, selector) => page.evaluate((s) => {
    const canvas = document.querySelector(`${s} canvas`);
    const line = getComputedStyle(document.documentElement).getPropertyValue('--line').trim();
    const probe = document.createElement('canvas').getContext('2d');
    probe.fillStyle = line;
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let n = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 100 && Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24) n++;
    return n;
}, selector);

const changes = (page, selector) => page.evaluate(([s]) => new Promise((resolve, reject) => {
    const text = () => [...document.querySelectorAll(s)].map((e) => e.textContent).join('|');
    const first = text();
    const timer = setTimeout(() => { clearInterval(poll); reject(new Error(`nothing changed in ${s}: ${first.slice(0, 80)}`)); }, 20_000);
    const poll = setInterval(() => {
        if (text() === first) return;
        clearInterval(poll);
        clearTimeout(timer);
        resolve(true);
    }, 50);
}), [selector]);

async function noSideways(page, where) {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    must(wide <= 0, `${where} scrolls sideways by ${wide} px`);
}

const tests = {
    async 'devices appear with state, time and values'({ page }) {
        await page.goto(base);
        await rows(page);
        await live(page);
        const card = page.locator('[data-device]').first();
        must(await card.locator('.presence').count(), 'a card has no state');
        must(await card.locator('time').count(), 'a card has no time');
        must((await page.locator('.card .key dd').count()) > 0, 'no card shows a number');
        must((await page.title()).startsWith('Wayside'), 'the title is wrong');
    },
    async 'live values change and sparklines draw'({ page }) {
        await page.goto(base);
        await live(page);
        await page.waitForSelector('.card .spark path', T);
        await changes(page, '.card .key dd');
        await page.waitForFunction(() => /Live/.test(document.querySelector('.link').textContent) && /now|s/.test(document.querySelector('.link-more').textContent), null, T);
    },
    async 'finding and sorting, by keyboard'({ page }) {
        await page.goto(base);
        await rows(page);
        const id = await page.locator('[data-device]').first().getAttribute('data-device');
        await page.keyboard.press('/');
        await page.keyboard.type(id);
        await page.waitForFunction((d) => document.querySelectorAll('[data-device]').length >= 1 && location.hash.includes(encodeURIComponent(d)), id, T);
        await page.keyboard.type('-no-such-device');
        await page.waitForSelector('.blank', T);
        await page.getByRole('button', { name: 'Show all devices' }).click();
        await rows(page);
        await page.getByRole('button', { name: 'Table' }).click();
        await page.waitForSelector('table.devices tbody tr', T);
        await page.reload();
        await page.waitForSelector('table.devices tbody tr', T);
        await page.locator('table.devices tbody a').first().focus();
        await page.keyboard.press('Enter');
        await page.waitForSelector('.crumbs', T);
    },
    async 'a chart draws history and grows live'({ page }) {
        const device = await pickDevice(page);
        await page.goto(`${base}#/device/${device}`);
        const chart = '.chart[data-state=ok]';
        await page.waitForSelector(`${chart} canvas`, LONG);
        await live(page);
        await page.waitForFunction((s) => Number(document.querySelector(s)?.dataset.points) > 1, chart, LONG);
        await page.waitForFunction(() => document.querySelector('.chart-foot')?.textContent.includes('max'), null, T);
        const field = await page.locator(chart).first().getAttribute('data-field');
        const ink = await inkOf(page, chart);
        must(ink > 40, `the chart of ${field} has ${ink} dots of line`);
        const before = Number(await page.locator(chart).first().getAttribute('data-newest'));
        await page.waitForFunction(([s, n]) => Number(document.querySelector(s)?.dataset.newest) > n, [chart, before], LONG);
        await page.locator(`${chart} .plot`).first().hover({ position: { x: 260, y: 90 } });
        await page.waitForSelector('.readout.at', T);
    },
    async 'ranges, choosing fields, and a reload that keeps them'({ page }) {
        const device = await pickDevice(page);
        await page.goto(`${base}#/device/${device}`);
        await page.waitForSelector('.chart[data-state=ok]', LONG);
        await page.getByRole('button', { name: '1 h', exact: true }).click();
        await page.waitForSelector('.chart[data-state=ok]', LONG);
        const count = await page.locator('.chart').count();
        await page.locator('button.leaf[aria-pressed=true]').first().click();
        await page.waitForFunction((n) => document.querySelectorAll('.chart').length === n - 1, count, T);
        must(/range=1h/.test(page.url()) && /show=/.test(page.url()), `the address says ${page.url()}`);
        await page.reload();
        await page.waitForSelector('.crumbs', LONG);
        await page.waitForFunction((n) => document.querySelectorAll('.chart').length === n - 1, count, LONG);
        must(await page.locator('.segments button[aria-pressed=true]', { hasText: '1 h' }).count(), 'the range is lost');
        await live(page);
        await page.goBack();
        await page.waitForFunction(() => !location.hash.includes('1h'), null, T);
    },
    async 'delivery: what the hub tells of it'({ page, errors }) {
        const device = await pickDevice(page);
        await page.goto(`${base}#/device/${device}`);
        await page.waitForSelector('.crumbs', LONG);
        const told = await page.evaluate(async (d) => (await (await fetch('api/v1/devices')).json()).items.find((i) => i.device === d), device);
        if (!told?.journal) {
            must((await page.locator('.delivery').count()) === 0, 'a section about nothing');
            return 'left out: this hub does not tell of journals';
        }
        await page.waitForSelector('.delivery .chart[data-state=ok]', LONG);
        await page.waitForFunction(() => Number(document.querySelector('.delivery .chart').dataset.points) > 0, null, LONG);
        await page.waitForFunction(() => / (ms|s|min|h|d)/.test(document.querySelector('.delivery .chart-foot').textContent.replace(/\u00a0/g, ' ')), null, T);
        const facts = await page.locator('.delivery .facts').textContent();
        must(/Last record/.test(facts) && /Gaps/.test(facts), `the facts are ${facts}`);
        must(told.node ? /Last contact/.test(facts) && /Waiting there/.test(facts) : /this hub/.test(facts), `the facts are ${facts}`);
        must(errors.length === 0, errors.join('; '));
        return undefined;
    },
    async 'the raw record'({ page }) {
        const device = await pickDevice(page);
        await page.goto(`${base}#/device/${device}`);
        await page.locator('.raw summary').first().click();
        const text = await page.locator('.raw pre').first().textContent();
        JSON.parse(text);
    },
    async 'the status page'({ page }) {
        await page.goto(`${base}#/status`);
        await page.waitForFunction(() => [...document.querySelectorAll('.tile dd b')].some((e) => e.textContent === 'ready'), null, LONG);
        must(/version \S+/.test(await page.locator('.tiles').textContent()), 'no version');
        await page.waitForSelector('.rates tbody tr', LONG);
    },
    async 'light, dark, and a choice that stays'({ page }) {
        await page.goto(base);
        await rows(page);
        const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const light = await ground();
        const button = page.locator('button.icon[aria-label^=Colours]');
        await button.click();
        await button.click();
        const dark = await ground();
        must(light !== dark, 'dark is as light');
        await page.reload();
        await rows(page);
        must((await ground()) === dark, 'the choice is lost');
    },
    async 'a phone: nothing scrolls sideways'(_, open) {
        const { page } = await open({ width: 360, height: 740, phone: true });
        await page.goto(base);
        await rows(page);
        await live(page);
        await noSideways(page, 'the list');
        await page.getByRole('button', { name: 'Table' }).click();
        await noSideways(page, 'the table');
        const device = process.env.WAYSIDE_DEVICE ?? (await page.locator('[data-device]').first().getAttribute('data-device'));
        await page.goto(`${base}#/device/${device}`);
        await page.waitForSelector('.chart, .charts-none', LONG);
        await noSideways(page, 'the device');
        await page.getByRole('button', { name: 'Custom' }).click();
        await noSideways(page, 'the range');
        await page.goto(`${base}#/status`);
        await page.waitForSelector('.rates tbody tr', LONG);
        await noSideways(page, 'the status');
        const cut = await page.evaluate(() => [...document.querySelectorAll('.table-box')].some((e) => e.scrollWidth > e.clientWidth));
        must(!cut, 'the table of rates is wider than the screen');
        const small = await page.evaluate(() => [...document.querySelectorAll('button, a.button, nav a')].filter((e) => e.offsetParent && e.getBoundingClientRect().height < 28).map((e) => e.textContent));
        must(small.length === 0, `too small for a thumb: ${small}`);
    },
    async 'killed and started again: reconnects, fills the gap'({ page }) {
        if (external && !(process.env.WAYSIDE_KILL && process.env.WAYSIDE_START)) return 'left out: WAYSIDE_KILL and WAYSIDE_START are not set';
        const device = await pickDevice(page);
        await page.goto(`${base}#/device/${device}`);
        await live(page);
        await page.waitForSelector('.chart[data-state=ok]', LONG);
        if (!external) await page.waitForSelector('.chart canvas', T);
        const before = Number(await page.locator('.chart').first().getAttribute('data-newest'));
        /* A supervisor may have it back within a second: watched from before. */
        const away = page.waitForSelector('.link.wait, .link.bad', LONG);
        if (external) execSync(process.env.WAYSIDE_KILL, { stdio: 'inherit', shell: '/bin/sh' });
        else await mock.stop();
        await away;
        if (!external) {
            await page.waitForFunction(() => /Reconnecting|Offline/.test(document.querySelector('.link').textContent), null, T);
            await page.waitForSelector('.notice', LONG);
        }
        if (shots) await page.screenshot({ path: join(shots, 'away.png') });
        if (external) spawned = spawn('/bin/sh', ['-c', process.env.WAYSIDE_START], { stdio: 'ignore' });
        else mock = await startMock('--port', new URL(base).port, '--started', started);
        await page.waitForSelector('[data-link=live]', { timeout: 60_000 });
        await page.waitForSelector('.notice', { state: 'detached', ...LONG });
        await page.waitForFunction((n) => Number(document.querySelector('.chart')?.dataset.newest) > n, before, LONG);
        await changes(page, '.leaf-value');
        must((await inkOf(page, '.chart')) > 40, 'the chart is empty after the return');
        /* What was recorded meanwhile is there, once: as many points as the hub has, give or take those on their way. */
        const read = () => page.evaluate(async (d) => {
            const [stream, field] = document.querySelector('.chart').dataset.field.split(':');
            const to = Math.floor(Date.now() / 1000) * 1000;
            const query = new URLSearchParams({ device: d, stream, field, step: '1s', from: new Date(to - 300_000).toISOString(), to: new Date(to).toISOString() });
            const answer = await (await fetch(`api/v1/readings?${query}`)).json();
            return { hub: answer.t.length, page: Number(document.querySelector('.chart').dataset.points) };
        }, device);
        for (let until = Date.now() + 20_000; ; ) {
            const { hub, page: have } = await read();
            if (Math.abs(hub - have) <= 2) return undefined;
            must(Date.now() < until, `the hub has ${hub} points, the page ${have}`);
        }
    },
    async 'nothing is asked of another host, nothing goes wrong'({ page, asked, errors }) {
        const device = await pickDevice(page);
        for (const place of ['#/devices', `#/device/${device}`, `#/device/${device}?range=24h`, '#/status', '#/nowhere']) {
            await page.goto(`${base}${place}`);
            await page.waitForSelector('main h1', LONG);
            await live(page);
        }
        const host = new URL(base).host;
        const others = asked.filter((u) => !/^(data|blob):/.test(u) && new URL(u).host !== host);
        must(others.length === 0, `asked of others: ${others}`);
        must(asked.some((u) => u.startsWith('ws')), 'no WebSocket was opened');
        must(errors.length === 0, errors.join('; '));
    },
    async 'mock: a backlog counts down, and nothing is shown twice or goes back'(_, open) {
        const behind = await startMock('--port', '0', '--drain', '20000');
        try {
            const { page, asked, errors } = await open({});
            await page.goto(behind.url);
            const line = '[data-device=gate-north] .waits';
            await page.waitForSelector(line, LONG);
            const waiting = async () => Number(/catching up: (.*) waiting/.exec(await page.locator(line).textContent())?.[1].replace(/\D/g, ''));
            const first = await waiting();
            must(first > 1000, `${first} wait`);
            await page.waitForFunction(([s, n]) => Number(/: (.*) waiting/.exec(document.querySelector(s).textContent)?.[1].replace(/\D/g, '')) < n, [line, first], T);
            await page.goto(`${behind.url}#/device/gate-north`);
            await page.waitForSelector('.delivery .bar', T);
            await live(page);
            /* The newest value comes ahead, and stays the newest whatever comes after it. */
            await page.waitForFunction(() => Date.now() - Date.parse(document.querySelector('[data-stream=host] time')?.dateTime) < 10_000, null, { timeout: 6_000 });
            const back = await page.evaluate(() => new Promise((resolve) => {
                let newest = '';
                /* Below a hundred they are those ahead; above it the window is full, and slides. */
                let points = 0;
                const timer = setInterval(() => {
                    const now = document.querySelector('[data-stream=host] time').dateTime;
                    const have = Number(document.querySelector('.chart').dataset.points);
                    const wrong = now < newest || Date.now() - Date.parse(now) > 20_000 ? `${newest} went back to ${now}` : have < points && points < 100 ? `${points} points became ${have}` : '';
                    newest = now;
                    points = have;
                    if (!wrong && document.querySelector('.delivery').dataset.backlog !== '0') return;
                    clearInterval(timer);
                    resolve(wrong);
                }, 20);
            }));
            must(back === '', back);
            must(asked.filter((u) => u.endsWith('/api/v1/nodes')).length >= 3, 'the backlog was not asked for while it shrank');
            await page.waitForFunction(() => /up to date/.test(document.querySelector('.delivery .stream-head').textContent), null, T);
            const count = () => page.evaluate(async () => {
                const [stream, field] = document.querySelector('.chart').dataset.field.split(':');
                const to = Math.floor(Date.now() / 1000) * 1000;
                const query = new URLSearchParams({ device: 'gate-north', stream, field, step: '1s', from: new Date(to - 300_000).toISOString(), to: new Date(to).toISOString() });
                const answer = await (await fetch(`api/v1/readings?${query}`)).json();
                return { hub: answer.t.length, page: Number(document.querySelector('.chart').dataset.points) };
            });
            for (let until = Date.now() + 20_000; ; ) {
                const { hub, page: have } = await count();
                if (hub > 100 && Math.abs(hub - have) <= 2) break;
                must(Date.now() < until, `the hub has ${hub} points, the page ${have}`);
            }
            must(errors.length === 0, errors.join('; '));
        } finally {
            await behind.stop();
        }
    },
    async 'mock: what is lost, copied or silent has its words'({ page }, open) {
        await page.goto(base);
        await page.waitForSelector('[data-device=greenhouse-2] .chip', LONG);
        must(/3.gaps, 120.records lost/.test(await page.locator('[data-device=greenhouse-2] .chip').textContent()), 'the gaps are not on the card');
        must((await page.locator('[data-device=cellar] .chip').getAttribute('title')).includes('image'), 'a copy is not explained');
        must(/412 waiting as of/.test(await page.locator('[data-device=pi-zero-7] .waits').textContent()), 'what waits on a silent node is not on the card');
        must((await page.locator('[data-device=pi-1] .delivery-line').count()) === 0, 'a card is not calm though all is well');
        await page.locator('[data-device=greenhouse-2] .chip').click();
        await page.waitForSelector('.gaps tbody tr', T);
        must((await page.locator('.gaps tbody tr').count()) === 3, 'not all gaps are listed');
        must(/2.6.s behind/.test(await page.locator('.delivery .facts').textContent()), 'the wrong clock is not told');
        const phone = await open({ width: 390, height: 800, phone: true });
        for (const place of ['#/devices', '#/device/greenhouse-2', '#/device/cellar', '#/device/gate-north']) {
            await phone.page.goto('about:blank');
            await phone.page.goto(`${base}${place}`);
            await phone.page.waitForSelector(place === '#/devices' ? '.delivery-line' : '.delivery .chart[data-state=ok]', LONG);
            await noSideways(phone.page, place);
            const out = await phone.page.evaluate(() => [...document.querySelectorAll('.card *, .delivery *')].some((e) => e.getBoundingClientRect().right > (e.closest('.card, .delivery')?.getBoundingClientRect().right ?? 0)));
            must(!out, `something sticks out at ${place}`);
        }
    },
    async 'mock: a hub that tells nothing of delivery'(_, open) {
        const older = await startMock('--port', '0', '--older');
        try {
            const { page, errors } = await open({});
            await page.goto(older.url);
            await rows(page);
            must((await page.locator('.delivery-line').count()) === 0, 'a card tells of delivery');
            await page.goto(`${older.url}#/device/pi-1`);
            await page.waitForSelector('.chart[data-state=ok]', LONG);
            must((await page.locator('.delivery').count()) === 0, 'a section about nothing');
            must(errors.length === 0, errors.join('; '));
        } finally {
            await older.stop();
        }
    },
    async 'mock: the empty state teaches, and ends with the first record'(_, open) {
        const empty = await startMock('--port', '0', '--empty');
        try {
            const { page } = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
            await page.goto(empty.url);
            await page.waitForSelector('.first', LONG);
            await live(page);
            const command = await page.locator('.command pre').textContent();
            must(command.startsWith('mosquitto_pub -h 127.0.0.1'), command);
            await page.getByRole('button', { name: 'Copy the command' }).click();
            must((await page.evaluate(() => navigator.clipboard.readText())) === command, 'the clipboard has something else');
            await page.getByRole('button', { name: 'HTTP' }).click();
            const curl = await page.locator('.command pre').textContent();
            execSync(`${curl} -s -o /dev/null`, { shell: '/bin/sh' });
            await page.waitForSelector('[data-device=my-first]', LONG);
        } finally {
            await empty.stop();
        }
    },
    async 'mock: three hundred devices'(_, open) {
        const many = await startMock('--port', '0', '--devices', '300');
        try {
            const { page } = await open({});
            await page.goto(many.url);
            await rows(page);
            await live(page);
            must((await page.locator('[data-device]').count()) < 120, 'all are drawn at once');
            await page.locator('.more').scrollIntoViewIfNeeded();
            await page.waitForFunction(() => document.querySelectorAll('[data-device]').length >= 96, null, LONG);
            await changes(page, '.card .key dd');
        } finally {
            await many.stop();
        }
    },
    async 'mock: without WebSockets the page asks instead'(_, open) {
        const deaf = await startMock('--port', '0', '--refuse-ws');
        try {
            const { page } = await open({});
            await page.goto(deaf.url);
            await rows(page);
            await page.waitForSelector('.notice', LONG);
            await changes(page, '.card .key dd');
        } finally {
            await deaf.stop();
        }
    },
    async 'mock: no server at all'(_, open) {
        const gone = await startMock('--port', '0');
        const { page } = await open({ width: 360, height: 740, phone: true });
        await page.goto(gone.url);
        await rows(page);
        await gone.stop();
        await page.waitForSelector('.notice', LONG);
        await page.waitForFunction(() => /Reconnecting|Offline/.test(document.querySelector('.link').textContent), null, T);
        await page.waitForFunction(() => document.querySelector('.link-more'), null, T);
        await noSideways(page, 'the list without a hub');
        must((await page.locator('[data-device]').count()) > 0, 'what was known is gone');
    },
};

if (shots) mkdirSync(shots, { recursive: true });
const wanted = process.argv.slice(2);
let passed = 0;
let failed = 0;
for (const [name, test] of Object.entries(tests)) {
    if (external && name.startsWith('mock:')) continue;
    if (wanted.length > 0 && !wanted.some((w) => name.includes(w))) continue;
    const contexts = [];
    const open = async (options) => {
        const opened = await openPage(browser, options);
        contexts.push(opened.context);
        return opened;
    };
    const began = Date.now();
    const main = await open({});
    try {
        const note = await test(main, open);
        if (note) {
            console.log(`  -  ${name}: ${note}`);
        } else {
            passed++;
            console.log(`  ok ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
        }
    } catch (e) {
        failed++;
        console.log(`FAIL ${name}\n     ${String(e.message ?? e).split('\n').slice(0, 4).join('\n     ')}`);
        console.log(`     at ${main.page.url()}; errors: ${main.errors.join('; ') || 'none'}`);
    }
    if (shots) {
        const pages = contexts.at(-1).pages();
        await pages[0]?.screenshot({ path: join(shots, `${name.replace(/[^a-z0-9]+/gi, '-')}.png`) }).catch(() => undefined);
    }
    for (const context of contexts) await context.close();
}
await browser.close();
await mock?.stop();
spawned?.kill();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
