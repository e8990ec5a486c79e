/* The scale of a chart of lags. They lie between milliseconds and days, so each mark is about ten times the one before, at the
 * numbers that a clock has. Pure. */

const MARKS: readonly number[] = [0.001, 0.01, 0.1, 1, 10, 60, 600, 3_600, 36_000, 86_400, 864_000, 8_640_000, 86_400_000, 864_000_000, 8_640_000_000];

/** A logarithm has no zero, and what clocks that disagree by a moment make of it is no news. */
export const LAG_FLOOR_S = 0.001;

export function floorLag(seconds: number | null): number | null {
    return seconds === null ? null : Math.max(LAG_FLOOR_S, seconds);
}

/** From the mark below the least to the mark above the greatest. */
export function lagRange(low: number | null, high: number | null): [number, number] {
    if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return [0.01, 10];
    const above = MARKS.findIndex((m) => m >= high);
    const top = Math.max(1, above < 0 ? MARKS.length - 1 : above);
    let bottom = 0;
    while (bottom < top - 1 && (MARKS[bottom + 1] ?? Infinity) <= low) bottom++;
    return [MARKS[bottom] ?? LAG_FLOOR_S, MARKS[top] ?? 1];
}

export function lagTicks(low: number, high: number): number[] {
    return MARKS.filter((m) => m >= low * 0.999 && m <= high * 1.001);
}
