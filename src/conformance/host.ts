/** A machine on which a store runs, as far as clocks and timers go: it sleeps, its loop is blocked, its date is set. */
import type { Runtime, Timer } from '../runtime/types.ts';

export class Host {
  /** For a store of this machine. */
  readonly runtime: Runtime;
  readonly #base: Runtime;
  readonly #deferred = new Set<() => void>();
  #halted: 'asleep' | 'blocked' | undefined;
  /** What the monotonic clock is behind, and since when it stands still. */
  #sleptMs = 0;
  #asleepSinceMs = 0;
  #wallAheadMs = 0;

  constructor(base: Runtime) {
    this.#base = base;
    this.runtime = {
      ...base,
      clock: {
        monotonicMs: () => this.#monotonicMs(),
        wallMs: () => base.clock.wallMs() + this.#wallAheadMs,
      },
      timers: {
        after: (delayMs, callback, options) => this.#after(delayMs, callback, options),
        nextTurn: (callback) => base.timers.nextTurn(() => this.#whenRunning(callback)),
      },
    };
  }

  /** Its timers do not fire. The monotonic clock of a host that is asleep stands still, the wall clock goes on. */
  halt(how: 'asleep' | 'blocked'): void {
    this.#halted = how;
    this.#asleepSinceMs = this.#base.clock.monotonicMs();
  }

  /** What has become due fires in a later turn. */
  goOn(): void {
    if (this.#halted === 'asleep') this.#sleptMs += this.#base.clock.monotonicMs() - this.#asleepSinceMs;
    this.#halted = undefined;
    const deferred = [...this.#deferred];
    this.#deferred.clear();
    for (const callback of deferred) this.#base.timers.nextTurn(callback);
  }

  /** As an administrator does, or a daemon that corrects it. */
  setDate(forwardMs: number): void {
    this.#wallAheadMs += forwardMs;
  }

  #monotonicMs(): number {
    const nowMs = this.#halted === 'asleep' ? this.#asleepSinceMs : this.#base.clock.monotonicMs();
    return nowMs - this.#sleptMs;
  }

  #whenRunning(callback: () => void): void {
    if (this.#halted === undefined) callback();
    else this.#deferred.add(callback);
  }

  #after(delayMs: number, callback: () => void, options?: { background?: boolean }): Timer {
    const dueMs = this.#monotonicMs() + delayMs;
    let cancelled = false;
    let timer: Timer | undefined;
    const arm = (leftMs: number) => {
      timer = this.#base.timers.after(leftMs, () => this.#whenRunning(fire), options);
    };
    const fire = () => {
      const leftMs = dueMs - this.#monotonicMs();
      if (cancelled) return;
      if (leftMs > 0) arm(leftMs);
      else callback();
    };
    arm(delayMs);
    return {
      cancel() {
        cancelled = true;
        timer?.cancel();
      },
    };
  }
}
