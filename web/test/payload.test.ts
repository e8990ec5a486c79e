import { describe, expect, it } from 'vitest';
import { payloadLine, payloadShown, prettyJson } from '../src/model/payload';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const line = (text: string): string => payloadLine(bytes(text), bytes(text).length);
const shown = (b: Uint8Array, size = b.length): ReturnType<typeof payloadShown> => payloadShown(b, size);

describe('payloads', () => {
    it('are one line in a list', () => {
        expect(line('21.5')).toBe('21.5');
        expect(line('{\n  "a": 1\n}')).toBe('{ "a": 1 }');
        expect(line('')).toBe('(empty)');
        expect(line('x'.repeat(1000))).toHaveLength(161);
        expect(line('\u0000\u0001')).toBe('00 01');
        expect(payloadLine(new Uint8Array(30).fill(255), 30)).toBe(`${Array(24).fill('ff').join(' ')} …`);
        expect(payloadLine(bytes('abc'), 5000)).toBe('abc…');
    });
    it('are laid out in full', () => {
        expect(shown(bytes('{"a":[1,{}],"b":"x, y"}'))).toEqual({ kind: 'json', text: '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": "x, y"\n}', cut: false });
        expect(shown(bytes('hello\nworld'))).toEqual({ kind: 'text', text: 'hello\nworld', cut: false });
        expect(shown(bytes('{"a":')).kind).toBe('text');
        expect(shown(bytes('true')).kind).toBe('json');
        expect(shown(new Uint8Array(0))).toEqual({ kind: 'empty', text: '', cut: false });
        expect(shown(bytes('{"a":1'), 7)).toEqual({ kind: 'text', text: '{"a":1', cut: true });
    });
    it('are bytes when they are no text', () => {
        const dump = shown(new Uint8Array([0, 1, 65, 66, 255, 10, 13, 32, 48, 49, 50, 51, 52, 53, 54, 55, 56]));
        expect(dump.kind).toBe('binary');
        expect(dump.text.split('\n')).toEqual([
            '0000  00 01 41 42 ff 0a 0d 20  30 31 32 33 34 35 36 37  ..AB... 01234567',
            '0010  38                                                8',
        ]);
        expect(shown(new Uint8Array(5000)).cut).toBe(true);
    });
    it('cut within a character are still text', () => {
        const whole = bytes('grün');
        expect(shown(whole.slice(0, 3), 5)).toEqual({ kind: 'text', text: 'gr', cut: true });
        expect(shown(whole.slice(0, 3), 3).kind).toBe('binary');
    });
    it('keep numbers and strings as they were written', () => {
        expect(prettyJson('[12345678901234567890, 1.50, "a\\"b:{,", "\\\\"]')).toBe('[\n  12345678901234567890,\n  1.50,\n  "a\\"b:{,",\n  "\\\\"\n]');
        expect(prettyJson('{ }')).toBe('{}');
    });
});
