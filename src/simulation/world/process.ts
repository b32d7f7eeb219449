import type { Random, Runtime, Timer, Timers } from '../../runtime/types.ts';
import { ImmediateKeyDerivation } from '../../runtime/virtual/index.ts';
import type { Host } from './host.ts';
import type { Draw } from './random.ts';
import { eventKinds, type Owner, type ScheduledEvent, type Scheduler } from './scheduler.ts';

/** A turn of the loop begins so long after it was asked for: what arrives until then is in it. */
const turnUs = 10;
/** Node's timers count whole milliseconds, and fire late rather than early. */
const timerSlackUs = 1000;

export interface ProcessParts {
  readonly id: number;
  readonly name: string;
  readonly host: Host;
  readonly scheduler: Scheduler;
  readonly random: Draw;
}

/**
 * One life of a process on a host: what it has asked for is done only while it lives, and while it does not stand
 * still. Give it disk and network by `attach`; its program gets `runtime`.
 */
export class Process implements Owner {
  readonly id: number;
  readonly name: string;
  readonly host: Host;
  /** What each event costs this process, in microseconds: a slow machine, or a busy loop. */
  stepCostUs = 0;
  /** Called once when the process dies, by whatever cause: sockets and files end here. */
  readonly onDeath: (() => void)[] = [];
  readonly #scheduler: Scheduler;
  readonly #random: Draw;
  #runtime: Runtime | undefined;
  #alive = true;
  #pauses = 0;
  #heldBack: ScheduledEvent[] = [];
  #busyUntilUs = 0;

  constructor(parts: ProcessParts) {
    this.id = parts.id;
    this.name = parts.name;
    this.host = parts.host;
    this.#scheduler = parts.scheduler;
    this.#random = parts.random;
  }

  attach(parts: Pick<Runtime, 'disk' | 'network'>): void {
    const keyDerivation = new ImmediateKeyDerivation();
    const random = this.#randomness();
    this.#runtime = { clock: this.host, timers: this.#timers(), random, keyDerivation, ...parts };
  }

  get runtime(): Runtime {
    if (this.#runtime === undefined) throw new Error(`${this.name} has no disk and no network yet.`);
    return this.#runtime;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#pauses > 0;
  }

  /** Runs `callback` on behalf of this process. */
  after(delayUs: number, kind: number, callback: () => void): ScheduledEvent {
    return this.#scheduler.after(delayUs, kind, this, callback);
  }

  admits(event: ScheduledEvent): boolean {
    if (!this.#alive) return false;
    if (this.#pauses > 0) {
      this.#heldBack.push(event);
      return false;
    }
    const { nowUs } = this.#scheduler;
    if (nowUs < this.#busyUntilUs) {
      this.#scheduler.again(event, this.#busyUntilUs);
      return false;
    }
    if (this.stepCostUs > 0) this.#busyUntilUs = nowUs + this.stepCostUs;
    return true;
  }

  /** SIGSTOP, or a host that stands still. As many `resume` as `pause` let it go on. */
  pause(): void {
    this.#pauses += 1;
  }

  /** What was due meanwhile happens now: overdue timers before what arrived, or after it, as chance will have it. */
  resume(): void {
    if (this.#pauses === 0) return;
    this.#pauses -= 1;
    if (this.#pauses > 0 || !this.#alive) return;
    const held = this.#heldBack;
    this.#heldBack = [];
    const timersFirst = this.#random.chance(0.5);
    const first = held.filter((event) => (event.kind === eventKinds.timer) === timersFirst);
    const second = held.filter((event) => (event.kind === eventKinds.timer) !== timersFirst);
    for (const event of [...first, ...second]) this.#scheduler.again(event, this.#scheduler.nowUs);
  }

  /** The loop is blocked for so long: by a long computation, or a pause of the garbage collector. */
  block(durationUs: number): void {
    this.#busyUntilUs = Math.max(this.#busyUntilUs, this.#scheduler.nowUs + durationUs);
  }

  /** The process is gone, in the middle of whatever it did. */
  die(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#heldBack = [];
    for (const callback of this.onDeath.splice(0)) callback();
  }

  #timers(): Timers {
    return {
      after: (delayMs, callback) => this.#timer(delayMs, callback),
      nextTurn: (callback) => {
        if (this.#alive) this.after(turnUs, eventKinds.turn, callback);
      },
    };
  }

  #timer(delayMs: number, callback: () => void): Timer {
    if (!this.#alive) return { cancel() {} };
    const dueMs = this.host.monotonicMs() + Math.max(0, delayMs);
    let event: ScheduledEvent;
    const arm = (): void => {
      const delayUs = Math.max(0, this.host.usUntil(dueMs)) + this.#random.below(timerSlackUs);
      event = this.after(delayUs, eventKinds.timer, fire);
    };
    const fire = (): void => {
      // The host slept meanwhile, and its monotonic clock with it.
      if (this.host.monotonicMs() < dueMs) arm();
      else callback();
    };
    arm();
    return { cancel: () => this.#scheduler.cancel(event) };
  }

  #randomness(): Random {
    const random = this.#random.fork('program');
    return { unit: () => random.unit(), bytes: (length) => random.bytes(length) };
  }
}
