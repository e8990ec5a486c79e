import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { shellWord } from '../src/model/shell';

describe('shellWord', () => {
    it.each(['a/b', '#', '$SYS/broker', "x';echo out;'", "'", "''\\", '`id` $(id) "x"', 'plant/größe 🌡', '!!'])('is one word of a shell: %s', (text) => {
        expect(execFileSync('sh', ['-c', `printf %s ${shellWord(text)}`], { encoding: 'utf8' })).toBe(text);
    });
    it.each(['a\nb', 'a\rid\r', '\u001b[2J', '\u009b2J', '\u202etxt', '\u2028', 'a\u200bb', '\ud800'])('is no word with what is not seen: %j', (text) => {
        expect(shellWord(text)).toBeUndefined();
    });
});
