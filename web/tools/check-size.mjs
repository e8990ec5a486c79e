/* The page must stay small: what a browser loads, gzipped, against a limit. And it must not name another host. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const GZIP_MAX = 200 * 1024;
const dist = fileURLToPath(new URL('../dist', import.meta.url));
let total = 0;
for (const name of readdirSync(dist, { recursive: true })) {
    if (!/\.(js|css|html|svg)$/.test(name)) continue;
    const bytes = readFileSync(join(dist, name));
    const size = gzipSync(bytes, { level: 9 }).length;
    total += size;
    console.log(`${(size / 1024).toFixed(1).padStart(7)} KiB gzip  ${name}`);
}
console.log(`${(total / 1024).toFixed(1).padStart(7)} KiB gzip  in all, at most ${GZIP_MAX / 1024}`);
if (total === 0 || total > GZIP_MAX) {
    console.error('the page is empty or too large');
    process.exit(1);
}
