/* How the page is built: relative addresses, so that it also works below a path prefix of a gateway; hashed names, so that a
 * server may let browsers keep every file but index.html for ever; the MQTT client in a chunk of its own, so that the first
 * paint does not wait for it. Nothing is fetched from another host, neither now nor when the page runs. */
import { defineConfig } from 'vitest/config';

const hub = process.env['WAYSIDE_URL'] ?? 'http://127.0.0.1:8000';

export default defineConfig({
    base: './',
    esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
    build: {
        target: 'es2020',
        outDir: 'dist',
        assetsDir: 'assets',
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        chunkSizeWarningLimit: 400,
        reportCompressedSize: false,
    },
    server: {
        proxy: Object.fromEntries(
            ['/api', '/health', '/ready', '/metrics', '/mqtt'].map((path) => [path, { target: hub, ws: path === '/mqtt' }]),
        ),
    },
    test: { include: ['test/**/*.test.ts'], environment: 'node' },
});
