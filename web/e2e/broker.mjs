/* The broker's page in a real browser against a real hub, with clients of its own:
 *   WAYSIDE_URL=http://127.0.0.1:8000 node e2e/broker.mjs [NAME…]
 * The hub has no access file, and its REST interface is asked from its own machine. WAYSIDE_SHOTS=FOLDER keeps a picture per test.
 * Ends with `N passed, N failed`. Nothing sleeps: everything is waited for, with a deadline. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { launch, openPage } from './browser.mjs';

const base = process.env.WAYSIDE_URL.replace(/\/?$/, '/');
const shots = process.env.WAYSIDE_SHOTS;
const T = { timeout: 15_000 };
const browser = await launch();
const clients = [];

function must(what, text) {
    if (!what) throw new Error(text);
}

/** A client of the broker, over the same WebSocket as the page. */
async function connect(clientId, more = {}) {
    const client = mqtt.connect(`${base.replace(/^http/, 'ws')}mqtt`, { clientId, protocolVersion: 5, reconnectPeriod: 0, ...more });
    clients.push(client);
    await new Promise((resolve, reject) => {
        client.once('connect', resolve);
        client.once('error', reject);
    });
    return client;
}

const publish = (client, topic, payload, options = {}) => new Promise((resolve, reject) => {
    client.publish(topic, payload, { qos: 1, ...options }, (e) => (e ? reject(e) : resolve()));
});
const subscribe = (client, filter) => new Promise((resolve, reject) => {
    client.subscribe(filter, { qos: 1 }, (e) => (e ? reject(e) : resolve()));
});
const row = (topic) => `[data-topic="${topic}"]`;
const hasText = (page, selector, text) => page.waitForFunction(([s, t]) => document.querySelector(s)?.textContent.includes(t), [selector, text], T);
const listening = (page) => page.waitForSelector('.topic-said .state.on', T);

async function noSideways(page, where) {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    must(wide <= 0, `${where} scrolls sideways by ${wide} px`);
}

const tests = {
    async 'an empty broker teaches what to type'({ page }) {
        await page.goto(`${base}#/broker/topics?filter=nothing/is/here`);
        await listening(page);
        await hasText(page, '.command pre', "mosquitto_pub -h 127.0.0.1 -t 'nothing/is/here'");
        await page.goto(`${base}#/broker/subscriptions?q=nobody-at-all`);
        await hasText(page, '.blank', 'No subscription matches');
    },
    async 'the overview counts, and its charts have a past'({ page }) {
        const c = await connect('e2e-counter');
        await subscribe(c, 'count/#');
        for (let i = 0; i < 20; i++) await publish(c, `count/${i}`, 'x');
        await page.goto(`${base}#/broker`);
        await page.waitForFunction(() => Number(document.querySelector('.broker-tiles')?.dataset.connected) >= 2, null, T);
        await page.waitForSelector('.rate-chart canvas', T);
        await page.waitForFunction(() => Number(document.querySelector('.rate-chart').dataset.points) > 2, null, T);
        const before = await page.locator('.broker-tiles .tile').nth(1).textContent();
        await publish(c, 'count/more', 'x');
        await page.waitForFunction((was) => document.querySelectorAll('.broker-tiles .tile')[1].textContent !== was, before, T);
        c.end();
    },
    async 'the tree shows what comes, laid out by what it is'({ page }) {
        const c = await connect('e2e-speaker');
        await publish(c, 'show/kept', '{"a":[1,2],"big":12345678901234567890}', { retain: true });
        await page.goto(`${base}#/broker/topics?filter=show/%23`);
        await listening(page);
        await hasText(page, row('show/kept'), 'kept');
        await page.locator(row('show/kept')).click();
        await hasText(page, '.payload.json', '"big": 12345678901234567890');
        await hasText(page, '.facts', 'retained');
        await publish(c, 'show/bytes', Buffer.from([0xff, 0x00, 0x41]));
        await publish(c, 'show/text/deep', 'hello\nworld');
        await page.locator(row('show/bytes')).click();
        await hasText(page, '.payload.binary', 'ff 00 41');
        await hasText(page, '.facts', '3\u00a0B');
        /* By keyboard: down to the branch, open it, into it. */
        await page.locator('.tree').focus();
        await page.keyboard.press('End');
        if (await page.locator(`${row('show/text')}[aria-expanded=false]`).count()) await page.keyboard.press('ArrowRight');
        await page.locator(row('show/text/deep')).waitFor(T);
        await page.keyboard.press('End');
        await hasText(page, '.payload.text', 'world');
        /* The next message of what is looked at. */
        await publish(c, 'show/text/deep', 'again');
        await hasText(page, '.payload.text', 'again');
        await hasText(page, '.facts', '2 messages');
        /* Paused: what passes is counted and not shown. */
        await page.getByRole('button', { name: 'Pause' }).click();
        await publish(c, 'show/text/deep', 'unseen');
        await hasText(page, '.topic-said', '1 messages have passed');
        must(!(await page.locator('.payload').textContent()).includes('unseen'), 'it is not paused');
        await page.getByRole('button', { name: 'Go on' }).click();
        await publish(c, 'show/text/deep', 'seen');
        await hasText(page, '.payload.text', 'seen');
        /* Found by a part of its name. */
        await page.getByPlaceholder('Find in these topics').fill('dee');
        await page.waitForFunction(() => document.querySelectorAll('.tree-row').length === 3, null, T);
        c.end();
    },
    async 'publishing, and clearing what is retained'({ page }) {
        const c = await connect('e2e-listener');
        const got = [];
        c.on('message', (topic, payload, packet) => got.push([topic, payload.toString(), packet.qos]));
        await subscribe(c, 'typed/#');
        await page.goto(`${base}#/broker/topics?filter=typed/%23`);
        await listening(page);
        await page.getByLabel('Topic', { exact: true }).fill('typed/+');
        await hasText(page, '.publish', 'no + and no #');
        must(await page.getByRole('button', { name: 'Publish' }).isDisabled(), 'a filter can be published to');
        await page.getByLabel('Topic', { exact: true }).fill('typed/one');
        await page.getByLabel('Message').fill('{"by":"hand"}');
        await page.getByRole('button', { name: 'QoS 1' }).click();
        await page.getByLabel('Retain').check();
        await page.getByRole('button', { name: 'Publish' }).click();
        await hasText(page, '.publish', 'Acknowledged');
        for (let until = Date.now() + 10_000; got.length === 0; await new Promise((r) => setTimeout(r, 20))) must(Date.now() < until, 'nobody got it');
        must(got[0][0] === 'typed/one' && got[0][1] === '{"by":"hand"}' && got[0][2] === 1, JSON.stringify(got));
        /* It is retained: a new look has it. */
        await page.reload();
        await hasText(page, row('typed/one'), 'kept');
        await page.locator(row('typed/one')).click();
        await page.getByRole('button', { name: 'Clear retained…' }).click();
        await page.getByRole('button', { name: 'Clear it' }).click();
        await hasText(page, row('typed/one'), '(empty)');
        await page.reload();
        await listening(page);
        await hasText(page, '.first', 'Nothing was');
        c.end();
    },
    async 'ten thousand topics and thousands of messages a second'({ page }) {
        const c = await connect('e2e-flood');
        await page.goto(`${base}#/broker/topics?filter=flood/%23`);
        await listening(page);
        let n = 0;
        const timer = setInterval(() => {
            for (let i = 0; i < 125; i++, n++) c.publish(`flood/${n % 101}/${n % 10_500}/value`, `{"value":${n}}`);
        }, 25);
        try {
            await page.waitForFunction(() => Number(document.querySelector('.topics').dataset.topics) === 10_000, null, { timeout: 60_000 });
            await page.waitForFunction(() => document.querySelectorAll('.tree-row').length > 10, null, T);
            await hasText(page, '.notice', 'More than 10\u202f000 topics');
            const state = await page.evaluate(() => new Promise((resolve) => {
                let frames = 0;
                let longest = 0;
                const began = performance.now();
                let last = began;
                const messages = Number(document.querySelector('.topics').dataset.messages);
                const step = (now) => {
                    frames++;
                    longest = Math.max(longest, now - last);
                    last = now;
                    if (now - began < 3000) requestAnimationFrame(step);
                    else resolve({ frames, longest, rows: document.querySelectorAll('.tree-row').length, rate: (Number(document.querySelector('.topics').dataset.messages) - messages) / 3 });
                };
                requestAnimationFrame(step);
            }));
            must(state.rows < 80, `${state.rows} rows are in the page`);
            must(state.frames > 15, `only ${state.frames} frames in 3 s, the longest ${state.longest.toFixed(0)} ms`);
            must(state.rate > 500, `${state.rate.toFixed(0)} messages/s arrive`);
            /* And it still does what it is told. */
            await page.locator('.tree').focus();
            await page.keyboard.press('End');
            await page.keyboard.press('ArrowRight');
            await page.keyboard.press('ArrowRight');
            await page.waitForSelector('.detail', T);
            console.log(`     ${state.frames} frames in 3 s, the longest ${state.longest.toFixed(0)} ms, ${state.rows} rows, ${state.rate.toFixed(0)} messages/s`);
        } finally {
            clearInterval(timer);
        }
        c.end();
    },
    async 'clients are found, sorted, and sent away'({ page }) {
        const [a, b] = [await connect('e2e/away/1'), await connect('e2e/stays/2')];
        await subscribe(a, 'x/a');
        await subscribe(b, 'x/#');
        await page.goto(`${base}#/broker/clients`);
        await page.getByPlaceholder('Find a client').fill('e2e/');
        await page.waitForFunction(() => document.querySelectorAll('tr[data-client]').length === 2, null, T);
        await page.getByRole('button', { name: 'Client', exact: true }).click();
        await page.waitForFunction(() => document.querySelector('tr[data-client]').dataset.client === 'e2e/stays/2', null, T);
        must((await page.locator('th[aria-sort=descending]').count()) === 1, 'no column says that it is sorted');
        for (let i = 0; i < 5; i++) await publish(b, 'x/a', 'x');
        await page.waitForFunction(() => /[1-9].*\/s/.test(document.querySelectorAll('tr[data-client] td')[3].textContent), null, T);
        const gone = new Promise((resolve) => {
            a.once('disconnect', (packet) => resolve(packet.reasonCode));
        });
        await page.getByRole('button', { name: 'End e2e/away/1' }).click();
        await page.getByRole('button', { name: 'Cancel' }).click();
        must(a.connected, 'it was ended though it was cancelled');
        await page.getByRole('button', { name: 'End e2e/away/1' }).click();
        await page.waitForSelector('dialog[open]', T);
        await page.keyboard.press('Escape');
        await page.waitForSelector('dialog', { state: 'detached', ...T });
        await page.getByRole('button', { name: 'End e2e/away/1' }).click();
        await page.getByRole('button', { name: 'End the connection' }).click();
        must((await gone) === 0x98, 'the client was not told why');
        await page.waitForFunction(() => document.querySelectorAll('tr[data-client]').length === 1, null, T);
        await hasText(page, '.total', 'was disconnected');
        must(b.connected, 'another client is gone');
        /* Who listens there? */
        await page.goto(`${base}#/broker/subscriptions`);
        await page.getByPlaceholder('plant/7/temperature').fill('x/a');
        await page.waitForFunction(() => [...document.querySelectorAll('table.subs tbody tr')].some((r) => r.textContent.includes('e2e/stays/2')), null, T);
        await page.getByPlaceholder('plant/7/temperature').fill('y/a/b');
        await hasText(page, '.blank', 'No subscription matches');
        b.end();
    },
    async 'nothing is asked of another host, nothing goes wrong, nothing scrolls sideways'(_, open) {
        for (const options of [{}, { width: 360, height: 740, phone: true, dark: true }]) {
            const { page, asked, errors } = await open(options);
            for (const tab of ['', '/topics', '/clients', '/subscriptions']) {
                await page.goto(`${base}#/broker${tab}`);
                await page.waitForSelector(tab === '' ? '.rate-chart canvas' : tab === '/topics' ? '.topic-said .state.on' : 'table.clients tbody tr', T);
                await noSideways(page, `#/broker${tab}`);
            }
            const host = new URL(base).host;
            must(asked.every((u) => /^(data|blob):/.test(u) || new URL(u).host === host), `asked of others: ${asked}`);
            must(errors.length === 0, errors.join('; '));
        }
    },
};

if (shots) mkdirSync(shots, { recursive: true });
const wanted = process.argv.slice(2);
let passed = 0;
let failed = 0;
for (const [name, test] of Object.entries(tests)) {
    if (wanted.length > 0 && !wanted.some((w) => name.includes(w))) continue;
    const contexts = [];
    const open = async (options) => {
        const opened = await openPage(browser, options);
        contexts.push(opened.context);
        return opened;
    };
    const main = await open({});
    const began = Date.now();
    try {
        await test(main, open);
        must(main.errors.length === 0, main.errors.join('; '));
        passed++;
        console.log(`  ok ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
    } catch (e) {
        failed++;
        console.log(`FAIL ${name}\n     ${String(e.stack ?? e).split('\n').slice(0, 6).join('\n     ')}`);
    }
    if (shots) await main.page.screenshot({ path: join(shots, `broker-${name.replace(/[^a-z0-9]+/gi, '-')}.png`) }).catch(() => undefined);
    for (const client of clients.splice(0)) client.end(true);
    for (const context of contexts) await context.close();
}
await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
