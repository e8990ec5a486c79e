/* A payload for people: what it is, in one line and in full. JSON is laid out, text is text, the rest are bytes. */

export type PayloadKind = 'empty' | 'json' | 'text' | 'binary';

const LINE_MAX = 160;
const HEX_ROW = 16;
const HEX_BYTES_MAX = 4096;
const LINE_BYTES = 512;

/** undefined: no UTF-8. `whole` false: the bytes may end within a character. */
function decode(bytes: Uint8Array, whole: boolean): string | undefined {
    try {
        const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: !whole });
        /* Control characters but tab and line ends: bytes that happen to be UTF-8. */
        return /[\0-\b\v\f\x0e-\x1f\x7f]/.test(text) ? undefined : text;
    } catch {
        return undefined;
    }
}

function isJson(text: string): boolean {
    if (!/^\s*[[{"\-\dtfn]/.test(text)) return false;
    try {
        JSON.parse(text);
        return true;
    } catch {
        return false;
    }
}

/** One line, short enough for a list. */
export function payloadLine(bytes: Uint8Array, size: number): string {
    if (size === 0) return '(empty)';
    const some = bytes.length > LINE_BYTES ? bytes.subarray(0, LINE_BYTES) : bytes;
    const text = decode(some, some.length === size);
    if (text === undefined) return `${[...some.subarray(0, 24)].map(hex).join(' ')}${size > 24 ? ' …' : ''}`;
    const line = text.replace(/\s+/g, ' ').trim();
    return line.length > LINE_MAX || some.length < size ? `${line.slice(0, LINE_MAX)}…` : line;
}

export interface Shown {
    readonly kind: PayloadKind;
    readonly text: string;
    /** There is more of it than is shown. */
    readonly cut: boolean;
}

/** All of it that was kept, laid out. */
export function payloadShown(bytes: Uint8Array, size: number): Shown {
    const cut = bytes.length < size;
    if (size === 0) return { kind: 'empty', text: '', cut: false };
    const text = decode(bytes, !cut);
    if (text === undefined) return { kind: 'binary', text: hexDump(bytes), cut: cut || bytes.length > HEX_BYTES_MAX };
    if (!cut && isJson(text)) return { kind: 'json', text: prettyJson(text), cut };
    return { kind: 'text', text, cut };
}

/** Laid out without reading numbers: 12345678901234567890 stays what it is. */
export function prettyJson(text: string): string {
    let out = '';
    let depth = 0;
    const line = (): string => `\n${'  '.repeat(depth)}`;
    for (let i = 0; i < text.length; i++) {
        const c = text[i] ?? '';
        if (c === '"') {
            const from = i;
            for (i++; text[i] !== '"' && i < text.length; i++) if (text[i] === '\\') i++;
            out += text.slice(from, i + 1);
        } else if (c === '{' || c === '[') {
            const empty = /^\s*[\]}]/.exec(text.slice(i + 1, i + 200));
            if (empty) {
                out += c + empty[0].trim();
                i += empty[0].length;
            } else {
                depth++;
                out += c + line();
            }
        } else if (c === '}' || c === ']') {
            depth--;
            out += line() + c;
        } else if (c === ',') {
            out += c + line();
        } else if (c === ':') {
            out += ': ';
        } else if (!/\s/.test(c)) {
            out += c;
        }
    }
    return out;
}

const hex = (b: number): string => b.toString(16).padStart(2, '0');

function hexDump(bytes: Uint8Array): string {
    const rows: string[] = [];
    for (let at = 0; at < bytes.length && at < HEX_BYTES_MAX; at += HEX_ROW) {
        const row = [...bytes.subarray(at, at + HEX_ROW)];
        const left = row.slice(0, 8).map(hex).join(' ');
        const right = row.slice(8).map(hex).join(' ');
        const text = row.map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.')).join('');
        rows.push(`${at.toString(16).padStart(4, '0')}  ${left.padEnd(23)}  ${right.padEnd(23)}  ${text}`);
    }
    return rows.join('\n');
}
