import { eventKinds } from '../../world/scheduler.ts';
import type { World } from '../../world/world.ts';

interface Waiter<Holder> {
  readonly holder: Holder;
  readonly settle: (error?: Error) => void;
}

/** Exclusive locks of rows, given in the order in which they were asked for, and held until their holder's end. */
export class SqlLocks<Holder extends object> {
  readonly #world: World;
  readonly #late: () => Error;
  readonly #holders = new Map<string, Holder>();
  readonly #waiting = new Map<string, Waiter<Holder>[]>();

  /** `late`: what a wait rejects with that took too long. */
  constructor(world: World, late: () => Error) {
    this.#world = world;
    this.#late = late;
  }

  async take(row: string, holder: Holder, withinMs: number): Promise<void> {
    const present = this.#holders.get(row);
    if (present === holder) return;
    if (present === undefined) {
      this.#holders.set(row, holder);
      return;
    }
    const { scheduler } = this.#world;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const queue = this.#waiting.get(row) ?? [];
    this.#waiting.set(row, queue);
    const timer = scheduler.after(withinMs * 1000, eventKinds.world, undefined, () => {
      queue.splice(queue.indexOf(waiter), 1);
      reject(this.#late());
    });
    const waiter: Waiter<Holder> = {
      holder,
      settle: (error) => {
        scheduler.cancel(timer);
        if (error === undefined) resolve();
        else reject(error);
      },
    };
    queue.push(waiter);
    await promise;
  }

  /** Also what it waits for. */
  release(holder: Holder): void {
    for (const queue of this.#waiting.values()) {
      const at = queue.findIndex((waiter) => waiter.holder === holder);
      if (at >= 0) queue.splice(at, 1)[0]?.settle(this.#late());
    }
    for (const [row, present] of [...this.#holders]) {
      if (present !== holder) continue;
      const next = this.#waiting.get(row)?.shift();
      if (next === undefined) this.#holders.delete(row);
      else this.#holders.set(row, next.holder);
      next?.settle();
    }
  }
}
