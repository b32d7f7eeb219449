import type { Runtime } from '../runtime/index.ts';
import { TurnTimer } from './turn-timer.ts';

export interface TurnsContext {
  readonly runtime: Runtime;
  readonly take: () => void;
  /** What `wakeAt` asked for, and how late it comes. It takes no turn by itself. */
  readonly onTimer: (lateMs: number) => void;
}

/** When turns are taken: one comes after the sockets that are ready now were read; that makes the batch. */
export class Turns {
  stopped = false;
  private readonly runtime: Runtime;
  private readonly timer: TurnTimer;
  private readonly next: () => void;
  private asked = false;
  private taking = false;
  private started = false;

  constructor({ runtime, take, onTimer }: TurnsContext) {
    this.runtime = runtime;
    this.timer = new TurnTimer(runtime, onTimer);
    this.next = () => {
      this.asked = false;
      if (this.stopped) return;
      this.taking = true;
      take();
      this.taking = false;
    };
  }

  start(): void {
    this.started = true;
    this.ask();
  }

  ask(): void {
    if (this.asked || !this.started || this.stopped) return;
    this.asked = true;
    this.runtime.timers.nextTurn(this.next);
  }

  /** Who is called by a turn needs no other one: what it does is still seen by this one. */
  askFromOutside(): void {
    if (!this.taking) this.ask();
  }

  /** One is under way, or comes next. */
  get isNear(): boolean {
    return this.taking || this.asked;
  }

  /** When the timer fires; Infinity: not at all. */
  get dueMs(): number {
    return this.timer.dueMs;
  }

  wakeAt(dueMs: number): void {
    this.timer.arm(dueMs);
  }

  stop(): void {
    this.stopped = true;
    this.timer.cancel();
  }
}
