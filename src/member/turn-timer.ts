import type { Runtime, Timer } from '../runtime/index.ts';

/** One timer for all that a group waits for. It is moved only to come earlier; who hears it looks for itself. */
export class TurnTimer {
  private readonly runtime: Runtime;
  private readonly fired: (lateMs: number) => void;
  private timer: Timer | undefined;
  private armedForMs = Number.POSITIVE_INFINITY;

  constructor(runtime: Runtime, fired: (lateMs: number) => void) {
    this.runtime = runtime;
    this.fired = fired;
  }

  /** When it fires; Infinity: not at all. */
  get dueMs(): number {
    return this.timer ? this.armedForMs : Number.POSITIVE_INFINITY;
  }

  arm(dueMs: number): void {
    if (this.dueMs <= dueMs) return;
    this.cancel();
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.armedForMs = dueMs;
    const delayMs = Math.max(0, dueMs - this.runtime.clock.monotonicMs());
    this.timer = this.runtime.timers.after(delayMs, () => {
      const lateMs = this.runtime.clock.monotonicMs() - this.armedForMs;
      this.timer = undefined;
      this.fired(lateMs);
    });
  }

  cancel(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }
}
