/* What others named, as a word of a command that somebody may copy into a shell. */

/** In single quotes; undefined when it holds what a terminal may take for a key, or what nobody sees. */
export function shellWord(text: string): string | undefined {
    if (/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u.test(text)) return undefined;
    return `'${text.replace(/'/g, "'\\''")}'`;
}
