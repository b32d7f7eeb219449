/** When each election is looked at next: one timer and one look at a time for all of them. */
import type { Timer } from '../../runtime/types.ts';
import type { DriverCalls } from './calling.ts';

export interface Due {
  nextMs: number;
  /** It is due for no other reason than that the service told of a change. */
  isTold: boolean;
}

/** So many requests' worth of elections are looked at together; others that are due come right after. */
const requestsAtATime = 16;

export class LookTimes<T extends Due> {
  readonly #calls: DriverCalls;
  readonly #all: ReadonlyMap<string, T>;
  readonly #look: (due: readonly T[], nowMs: number) => Promise<void>;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #looking = false;
  #turnAsked = false;

  /** `look` must set when those that it is given are due next, before it waits for anything, and must not reject. */
  constructor(
    calls: DriverCalls,
    all: ReadonlyMap<string, T>,
    look: (due: readonly T[], nowMs: number) => Promise<void>,
  ) {
    this.#calls = calls;
    this.#all = all;
    this.#look = look;
  }

  lookAt(one: T, inMs: number, isTold = false): void {
    const nowMs = this.#calls.nowMs();
    one.isTold = isTold && (one.isTold || one.nextMs > nowMs);
    one.nextMs = Math.min(one.nextMs, nowMs + inMs);
    this.schedule();
  }

  schedule(): void {
    if (this.#looking || this.#calls.closed.aborted) return;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const one of this.#all.values()) nextMs = Math.min(nextMs, one.nextMs);
    if (this.#timer !== undefined && this.#timerAtMs === nextMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = nextMs;
    if (nextMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(0, nextMs - this.#calls.nowMs());
    if (delayMs === 0) return this.#lookThisTurn();
    this.#timer = this.#calls.runtime.timers.after(delayMs, () => {
      this.#timer = undefined;
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      void this.#lookAtDue();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /** A timer would take a millisecond more; all that is hinted at in one turn goes together. */
  #lookThisTurn(): void {
    if (this.#turnAsked) return;
    this.#turnAsked = true;
    this.#calls.runtime.timers.nextTurn(() => {
      this.#turnAsked = false;
      if (!this.#looking && !this.#calls.closed.aborted) void this.#lookAtDue();
    });
  }

  async #lookAtDue(): Promise<void> {
    this.#looking = true;
    const nowMs = this.#calls.nowMs();
    await this.#look(this.#due(nowMs), nowMs);
    this.#looking = false;
    this.schedule();
  }

  /** Those that have been due for longest, and not more than go together well. */
  #due(nowMs: number): readonly T[] {
    const due = [...this.#all.values()].filter(({ nextMs }) => nextMs <= nowMs);
    const most = requestsAtATime * this.#calls.perRead;
    return due.length <= most ? due : due.sort((left, right) => left.nextMs - right.nextMs).slice(0, most);
  }
}
