import type { MemberHandle } from '../member/types.ts';
import type { Runtime, Timer } from '../runtime/types.ts';

/**
 * A holder needs one round trip, and an entry of the log, on machines that may stand still for a second now and then; one
 * that is paused for longer or cut off must not hold up the stop.
 */
const holdersMoveWithinMs = 2000;

/** Counts the streams by which holders bind leases to this member, so that a stopping one can wait until they moved. */
export class Holders {
  #streams = 0;
  readonly #waiting: (() => void)[] = [];

  get streams(): number {
    return this.#streams;
  }

  enter(): void {
    this.#streams++;
  }

  leave(): void {
    this.#streams--;
    if (this.#streams === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when no holder is bound here any more. */
  gone(): Promise<void> {
    if (this.#streams === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** Holders that were told to move bind themselves elsewhere first and leave then; their leases never notice. */
export async function holdersMoved(
  member: MemberHandle,
  holders: Holders,
  runtime: Runtime,
  withinMs = holdersMoveWithinMs,
): Promise<void> {
  const { stopping, members } = member.status();
  if (!stopping || members.length === 1) return;
  let timer: Timer | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = runtime.timers.after(withinMs, resolve);
  });
  await Promise.race([holders.gone(), enough]);
  timer?.cancel();
}
