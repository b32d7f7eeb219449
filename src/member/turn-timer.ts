import type { Runtime, Timer } from '../runtime/index.ts';

/** One timer for all that a group waits for. It is moved only to come earlier; who hears it looks for itself. */
export class TurnTimer {
  private readonly runtime: Runtime;
  private readonly fired: (lateMs: number) => void;
  private timer: Timer | undefined;
  private dueMs = Number.POSITIVE_INFINITY;

  constructor(runtime: Runtime, fired: (lateMs: number) => void) {
    this.runtime = runtime;
    this.fired = fired;
  }

  arm(dueMs: number): void {
    if (this.timer && this.dueMs <= dueMs) return;
    this.cancel();
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.dueMs = dueMs;
    const delayMs = Math.max(0, dueMs - this.runtime.clock.monotonicMs());
    this.timer = this.runtime.timers.after(delayMs, () => {
      const lateMs = this.runtime.clock.monotonicMs() - this.dueMs;
      this.timer = undefined;
      this.fired(lateMs);
    });
  }

  cancel(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }
}
