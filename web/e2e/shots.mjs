/* Pictures of every page at two sizes and in both colours, to be looked at: WAYSIDE_URL=… node e2e/shots.mjs [FOLDER]. Without
 * WAYSIDE_URL the mock is photographed. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launch, openPage, startMock } from './browser.mjs';

const folder = process.argv[2] ?? 'shots';
const device = process.env.WAYSIDE_DEVICE ?? 'pi-1';
mkdirSync(folder, { recursive: true });
const own = process.env.WAYSIDE_URL ? undefined : await startMock('--port', '0');
const empty = process.env.WAYSIDE_URL ? undefined : await startMock('--port', '0', '--empty');
const url = process.env.WAYSIDE_URL ?? own.url;
const browser = await launch();
const looks = [
    ['desktop-light', { width: 1280, height: 860 }],
    ['desktop-dark', { width: 1280, height: 860, dark: true }],
    ['phone-light', { width: 360, height: 740, phone: true }],
    ['phone-dark', { width: 360, height: 740, phone: true, dark: true }],
];
const views = [
    ['devices', `${url}#/devices`, '.card .spark path'],
    ['device', `${url}#/device/${device}`, '.chart[data-state=ok] canvas'],
    ['device-24h', `${url}#/device/${device}?range=24h`, '.chart[data-state=ok] canvas'],
    ['status', `${url}#/status`, '.rates tbody tr'],
    ...(process.env.WAYSIDE_URL ? [['broker', `${url}#/broker`, '.rate-chart canvas'], ['topics', `${url}#/broker/topics`, '.topics'], ['clients', `${url}#/broker/clients`, 'table.clients']] : []),
    ...(empty ? [['empty', `${empty.url}#/devices`, '.first'], ['gate', `${url}#/device/gate-north?range=6h`, '.delivery canvas'], ['gaps', `${url}#/device/greenhouse-2?range=24h`, '.gaps tbody tr'], ['lost', `${url}#/device/nobody`, '.blank']] : []),
];
try {
    for (const [look, options] of looks) {
        const { page, context, errors } = await openPage(browser, options);
        for (const [name, address, ready] of views) {
            await page.goto('about:blank');
            await page.goto(address);
            await page.waitForSelector(ready, { timeout: 15_000 });
            await page.waitForSelector('[data-link=live]', { timeout: 15_000 });
            /* Let a few live records arrive: the picture is of a page at work. */
            await page.waitForTimeout(2500);
            await page.screenshot({ path: join(folder, `${name}-${look}.png`), fullPage: true });
        }
        if (errors.length) console.log(look, errors);
        await context.close();
    }
} finally {
    await browser.close();
    await own?.stop();
    await empty?.stop();
}
