/* Debian's Chromium, driven by playwright-core, with everything off that talks to the world; and a mock server of our own. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const here = dirname(fileURLToPath(import.meta.url));

export function launch() {
    return chromium.launch({
        executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
        headless: true,
        args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
    });
}

/** A page that notes every host it asks and every error it shows. */
export async function openPage(browser, { width = 1280, height = 860, dark = false, phone = false, ...more } = {}) {
    const context = await browser.newContext({
        viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', deviceScaleFactor: phone ? 2 : 1, isMobile: phone, hasTouch: phone, ...more,
    });
    const page = await context.newPage();
    const asked = [];
    const errors = [];
    page.on('request', (r) => asked.push(r.url()));
    page.on('websocket', (w) => asked.push(w.url()));
    page.on('pageerror', (e) => errors.push(String(e)));
    page.on('console', (m) => {
        /* Chromium itself writes a line for each failed request while a server is away. */
        if (m.type() === 'error' && !/Failed to load resource|WebSocket connection to/.test(m.text())) errors.push(m.text());
    });
    return { page, context, asked, errors };
}

/** Starts the mock and waits until it says where it listens. */
export async function startMock(...args) {
    const child = spawn(process.execPath, [join(here, '..', 'mock', 'server.mjs'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout });
    const url = await new Promise((resolve, reject) => {
        lines.once('line', resolve);
        child.once('exit', (code) => reject(new Error(`the mock ended with ${code}`)));
    });
    return {
        url,
        port: new URL(url).port,
        stop: (signal = 'SIGKILL') => new Promise((resolve) => {
            if (child.exitCode !== null || child.signalCode !== null) return resolve();
            child.once('exit', resolve);
            return child.kill(signal);
        }),
    };
}
