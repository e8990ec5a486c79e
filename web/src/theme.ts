/* Light or dark: the system's choice until somebody makes their own, which this browser then keeps. */

export type Theme = 'auto' | 'light' | 'dark';

const KEY = 'wayside.theme';
const ORDER: readonly Theme[] = ['auto', 'light', 'dark'];

export function readSetting(key: string): string | null {
    try {
        return localStorage.getItem(key);
    } catch {
        return null; /* storage is switched off: the choice lasts as long as the page */
    }
}

export function writeSetting(key: string, value: string): void {
    try {
        localStorage.setItem(key, value);
    } catch {
        /* as above */
    }
}

let current: Theme = ORDER.find((t) => t === readSetting(KEY)) ?? 'auto';
const listeners = new Set<() => void>();

export function theme(): Theme {
    return current;
}

export function nextTheme(): Theme {
    return ORDER[(ORDER.indexOf(current) + 1) % ORDER.length] ?? 'auto';
}

export function setTheme(next: Theme): void {
    current = next;
    writeSetting(KEY, next);
    applyTheme();
}

export function applyTheme(): void {
    const root = document.documentElement;
    if (current === 'auto') root.removeAttribute('data-theme');
    else root.setAttribute('data-theme', current);
    for (const listener of listeners) listener();
}

/** Called when the colours change, by choice or by the system: what is painted on a canvas must be painted again. */
export function onThemeChange(listener: () => void): () => void {
    const media = matchMedia('(prefers-color-scheme: dark)');
    listeners.add(listener);
    media.addEventListener('change', listener);
    return () => {
        listeners.delete(listener);
        media.removeEventListener('change', listener);
    };
}
