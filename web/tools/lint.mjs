/* What the compiler does not see, for sources of the page: no address of another host, nothing that runs text as code or markup, no
 * left-over printing, no file that nobody wants to read. Ends with 1 when it found something. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const LINES_MAX = 400;
const WIDTH_MAX = 260;
const RULES = [
    [/['"`(](https?|wss?):\/\/(?!www\.w3\.org\/)/, 'an address of a host: the page asks only the host it came from'],
    [/dangerouslySetInnerHTML|\.innerHTML|\.outerHTML|insertAdjacentHTML|document\.write/, 'text as markup'],
    [/\beval\(|new Function\(/, 'text as code'],
    [/\bconsole\.(log|debug|info)\(/, 'left-over printing'],
    [/@ts-ignore|@ts-nocheck|\bas any\b|: any\b/, 'a hole in the types'],
    [/\bTODO\b|\bFIXME\b/, 'unfinished work'],
    [/\t|[ ]+$/, 'a tab, or spaces at the end of the line'],
];

function* files(folder) {
    for (const name of readdirSync(folder)) {
        const path = join(folder, name);
        if (statSync(path).isDirectory()) yield* files(path);
        else if (/\.(ts|tsx|css|html)$/.test(name)) yield path;
    }
}

let found = 0;
const say = (path, line, text) => {
    console.error(`${path.slice(root.length)}:${line}: ${text}`);
    found++;
};
const paths = [...files(join(root, 'src')), join(root, 'index.html')];
for (const path of paths) {
    const lines = readFileSync(path, 'utf8').split('\n');
    if (lines.length > LINES_MAX) say(path, LINES_MAX, `more than ${LINES_MAX} lines`);
    lines.forEach((line, i) => {
        if (line.length > WIDTH_MAX) say(path, i + 1, `a line of ${line.length} characters`);
        for (const [pattern, text] of RULES) if (pattern.test(line)) say(path, i + 1, text);
    });
    if (path.includes('/model/') && lines.some((l) => /\b(fetch|document|window|localStorage|setTimeout|setInterval)\b[.(]|Date\.now|Math\.random/.test(l))) {
        say(path, 1, 'model/ is pure: time, randomness and the browser come in as arguments');
    }
}
if (paths.length < 10) say(root, 0, 'nothing was checked');
console.log(`lint: ${paths.length} files, ${found} found`);
process.exit(found ? 1 : 0);
