import { runSteps } from '../../runtime/virtual/index.ts';
import type { Trace } from './trace.ts';

/** What an event is done on behalf of: may hold it back or drop it. */
export interface Owner {
  /** A small number, for the trace. */
  readonly id: number;
  /** Whether the event may run now; if not, the owner has kept it, or dropped it for good. */
  admits(event: ScheduledEvent): boolean;
}

export interface ScheduledEvent {
  atUs: number;
  order: number;
  /** A small number that says what kind of event it is, for the trace: see `eventKinds`. */
  readonly kind: number;
  readonly owner: Owner | undefined;
  /** undefined: cancelled. */
  run: (() => void) | undefined;
}

export const eventKinds = {
  world: 0,
  timer: 1,
  turn: 2,
  network: 3,
  disk: 4,
  fault: 5,
  workload: 6,
} as const;

/**
 * Virtual time: events in the order of their times, and of their scheduling where those are equal. After each event
 * everything that it set off in promises runs before the next one, so a life has exactly one order.
 */
export class Scheduler {
  /** True time since the beginning of the world, in whole microseconds. */
  nowUs = 0;
  /** Events run so far. */
  steps = 0;
  /** Called when an event and all that it set off are over; throwing ends the life. */
  onSettled: (() => void) | undefined;
  readonly trace: Trace;
  readonly #heap: ScheduledEvent[] = [];
  #order = 0;

  constructor(trace: Trace) {
    this.trace = trace;
  }

  /** `atUs` is rounded up; a time that has passed means now. */
  at(atUs: number, kind: number, owner: Owner | undefined, run: () => void): ScheduledEvent {
    const whole = Math.ceil(atUs);
    const order = this.#order++;
    const event: ScheduledEvent = { atUs: whole > this.nowUs ? whole : this.nowUs, order, kind, owner, run };
    this.#push(event);
    return event;
  }

  after(delayUs: number, kind: number, owner: Owner | undefined, run: () => void): ScheduledEvent {
    return this.at(this.nowUs + delayUs, kind, owner, run);
  }

  cancel(event: ScheduledEvent): void {
    event.run = undefined;
  }

  /** For owners: puts back an event that was held back, behind those already due at that time. */
  again(event: ScheduledEvent, atUs: number): void {
    event.atUs = Math.max(Math.ceil(atUs), this.nowUs);
    event.order = this.#order++;
    this.#push(event);
  }

  /** Lets time pass until `untilUs`, or until `enough`, which is asked after each event. Rejects with what was thrown. */
  async run(untilUs: number, enough?: () => boolean): Promise<void> {
    let met = false;
    await runSteps(() => {
      this.onSettled?.();
      if (met || enough?.()) {
        met = true;
        return false;
      }
      return this.#step(untilUs);
    });
    if (!met && this.nowUs < untilUs) this.nowUs = untilUs;
  }

  #step(untilUs: number): boolean {
    for (;;) {
      const event = this.#heap[0];
      if (event === undefined || event.atUs > untilUs) return false;
      this.#pop();
      const { run, owner } = event;
      if (run === undefined) continue;
      this.nowUs = event.atUs;
      if (owner !== undefined && !owner.admits(event)) continue;
      event.run = undefined;
      this.steps += 1;
      this.trace.mix(event.atUs);
      this.trace.mix(owner === undefined ? event.kind : owner.id * 8 + event.kind);
      run();
      return true;
    }
  }

  #push(event: ScheduledEvent): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = heap[above] as ScheduledEvent;
      if (!before(event, other)) break;
      heap[at] = other;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as ScheduledEvent;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= length) break;
      if (below + 1 < length && before(heap[below + 1] as ScheduledEvent, heap[below] as ScheduledEvent))
        below++;
      const other = heap[below] as ScheduledEvent;
      if (!before(other, last)) break;
      heap[at] = other;
      at = below;
    }
    heap[at] = last;
  }
}

function before(a: ScheduledEvent, b: ScheduledEvent): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.order < b.order);
}
