/* How many records a second reach this page, over the last ten seconds. */

const WINDOW_S = 10;

export class Arrivals {
    private readonly slots: number[] = new Array<number>(WINDOW_S + 2).fill(0);
    private second = 0;

    constructor(private readonly opened: number) {}

    note(nowMs: number): void {
        const second = Math.floor(nowMs / 1000);
        this.roll(second);
        const slot = second % this.slots.length;
        this.slots[slot] = (this.slots[slot] ?? 0) + 1;
    }

    rate(nowMs: number): number {
        const second = Math.floor(nowMs / 1000);
        this.roll(second);
        let sum = 0;
        for (let s = second - WINDOW_S; s < second; s++) sum += this.slots[s % this.slots.length] ?? 0;
        return sum / Math.min(WINDOW_S, Math.max(1, second - Math.floor(this.opened / 1000)));
    }

    private roll(second: number): void {
        const from = Math.max(this.second + 1, second - this.slots.length + 1);
        for (let s = from; s <= second; s++) this.slots[s % this.slots.length] = 0;
        this.second = Math.max(this.second, second);
    }
}
