import type { Clock, Timer, Timers } from '../types.ts';
import type { Turns } from './turns.ts';

interface Waiting {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Clock and timers that stand still until `advance`. */
export class ManualClock implements Clock, Timers {
  readonly #turns: Turns;
  readonly #waiting = new Set<Waiting>();
  #nowMs: number;
  #wallAheadMs: number;
  #order = 0;

  constructor(turns: Turns, startMs: number, startWallMs: number) {
    this.#turns = turns;
    this.#nowMs = startMs;
    this.#wallAheadMs = startWallMs - startMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + this.#wallAheadMs;
  }

  /** Moves the wall clock alone, as an operator or a host that slept would. */
  jumpWall(ms: number): void {
    this.#wallAheadMs += ms;
  }

  after(delayMs: number, callback: () => void): Timer {
    const waiting = { dueMs: this.#nowMs + (delayMs > 0 ? delayMs : 0), order: this.#order++, callback };
    this.#waiting.add(waiting);
    return { cancel: () => void this.#waiting.delete(waiting) };
  }

  nextTurn(callback: () => void): void {
    this.#turns.next(callback);
  }

  /** When the next timer is due; undefined when none waits. */
  nextTimerMs(): number | undefined {
    return this.#first()?.dueMs;
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await this.#turns.settle();
    for (;;) {
      const first = this.#first();
      if (first === undefined || first.dueMs > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, first.dueMs);
      this.#waiting.delete(first);
      first.callback();
      await this.#turns.settle();
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  /** As a process that was paused finds it: time has passed, and all that was due fires late and at once. */
  async stall(ms: number): Promise<void> {
    this.#nowMs += ms;
    await this.advance(0);
  }

  #first(): Waiting | undefined {
    let first: Waiting | undefined;
    for (const waiting of this.#waiting) {
      if (
        first === undefined ||
        waiting.dueMs < first.dueMs ||
        (waiting.dueMs === first.dueMs && waiting.order < first.order)
      ) {
        first = waiting;
      }
    }
    return first;
  }
}
