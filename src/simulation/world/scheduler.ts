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

/** A heap with no more of them is not swept. */
const mostCancelled = 64;

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
  /** What the heap is ordered by stands beside its events: so a look at a time does not touch the event. */
  readonly #heap: ScheduledEvent[] = [];
  readonly #times: number[] = [];
  readonly #orders: number[] = [];
  /** About how many in the heap were cancelled: mostly timeouts of calls that were answered long before. */
  #cancelled = 0;
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
    if (event.run === undefined) return;
    event.run = undefined;
    this.#cancelled += 1;
    if (this.#cancelled > mostCancelled && this.#cancelled * 2 > this.#heap.length) this.#sweep();
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
      if (event === undefined || (this.#times[0] as number) > untilUs) return false;
      this.#pop();
      const { run, owner } = event;
      if (run === undefined) {
        this.#cancelled -= 1;
        continue;
      }
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
    const place = this.#heap.push(event) - 1;
    this.#times.push(event.atUs);
    this.#orders.push(event.order);
    this.#rise(place, event);
  }

  #pop(): void {
    const last = this.#heap.pop() as ScheduledEvent;
    const atUs = this.#times.pop() as number;
    const order = this.#orders.pop() as number;
    const heap = this.#heap;
    const times = this.#times;
    const orders = this.#orders;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= length) break;
      const right = below + 1;
      if (right < length && isBefore(times, orders, right, times[below] as number, orders[below] as number))
        below = right;
      if (!isBefore(times, orders, below, atUs, order)) break;
      heap[at] = heap[below] as ScheduledEvent;
      times[at] = times[below] as number;
      orders[at] = orders[below] as number;
      at = below;
    }
    heap[at] = last;
    times[at] = atUs;
    orders[at] = order;
  }

  /** Puts the event, which stands at `place`, where it belongs among those above. */
  #rise(place: number, event: ScheduledEvent): void {
    const heap = this.#heap;
    const times = this.#times;
    const orders = this.#orders;
    const { atUs, order } = event;
    let at = place;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (isBefore(times, orders, above, atUs, order)) break;
      heap[at] = heap[above] as ScheduledEvent;
      times[at] = times[above] as number;
      orders[at] = orders[above] as number;
      at = above;
    }
    heap[at] = event;
    times[at] = atUs;
    orders[at] = order;
  }

  /** Takes what was cancelled out of the heap. */
  #sweep(): void {
    const left = this.#heap.filter(({ run }) => run !== undefined);
    this.#heap.length = 0;
    this.#times.length = 0;
    this.#orders.length = 0;
    for (const event of left) this.#push(event);
    this.#cancelled = 0;
  }
}

function isBefore(
  times: readonly number[],
  orders: readonly number[],
  place: number,
  atUs: number,
  order: number,
): boolean {
  const time = times[place] as number;
  return time < atUs || (time === atUs && (orders[place] as number) < order);
}
