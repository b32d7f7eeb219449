import { NumberTable } from '../collections/index.ts';
import { ConclaveError } from '../errors/index.ts';

interface Waiter {
  readonly deadlineMs: number;
  readonly resolve: () => void;
  readonly reject: (error: ConclaveError) => void;
  over: boolean;
}

/**
 * Read barriers (ReadIndex, §8 of the paper): all that wait in one turn share one confirmation, and each resolves
 * when this member has applied up to the confirmed index.
 */
export class Reads {
  private queue: Waiter[] = [];
  private nextReadId = 1;
  private readonly confirming = new NumberTable<Waiter[]>();
  private readonly applying: { readonly index: number; readonly waiters: Waiter[] }[] = [];
  private readonly askForTurn: () => void;
  private appliedIndex = 0;

  constructor(askForTurn: () => void) {
    this.askForTurn = askForTurn;
  }

  wait(deadlineMs: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(ConclaveError.aborted('The read', signal));
      const onAbort = () => {
        waiter.over = true;
        reject(ConclaveError.aborted('The read', signal));
      };
      const forget = () => signal?.removeEventListener('abort', onAbort);
      const waiter: Waiter = {
        deadlineMs,
        resolve: () => {
          forget();
          resolve();
        },
        reject: (error) => {
          forget();
          reject(error);
        },
        over: false,
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.queue.push(waiter);
      this.askForTurn();
    });
  }

  get waiting(): boolean {
    return this.queue.length > 0 || this.confirming.size > 0 || this.applying.length > 0;
  }

  /** Hands what is queued to the core, once there is a leader who could confirm it. */
  seal(leaderKnown: boolean, read: (readId: number) => void): void {
    if (this.queue.length === 0 || !leaderKnown) return;
    const readId = this.nextReadId++;
    this.confirming.set(readId, this.queue);
    this.queue = [];
    read(readId);
  }

  ready(readId: number, index: number): void {
    const waiters = this.confirming.get(readId);
    if (!waiters) return;
    this.confirming.delete(readId);
    this.applying.push({ index, waiters });
    this.applied(this.appliedIndex);
  }

  /** The leader changed under way: ask again under a new id. */
  failed(readId: number): void {
    const waiters = this.confirming.get(readId);
    if (!waiters) return;
    this.confirming.delete(readId);
    this.queue.push(...waiters);
  }

  applied(index: number): void {
    this.appliedIndex = index;
    for (let position = 0; position < this.applying.length; ) {
      const group = this.applying[position];
      if (!group || group.index > index) {
        position++;
        continue;
      }
      this.applying.splice(position, 1);
      for (const waiter of group.waiters) {
        if (waiter.over) continue;
        waiter.over = true;
        waiter.resolve();
      }
    }
  }

  /** Rejects those whose time is up; those that wait for a leader so much earlier. */
  sweep(nowMs: number, toldEarlyMs: number, error: (waitedForLeader: boolean) => ConclaveError): void {
    const expire = (waiters: Waiter[], waitedForLeader: boolean) => {
      const untilMs = waitedForLeader ? nowMs + toldEarlyMs : nowMs;
      for (const waiter of waiters) {
        if (waiter.over || waiter.deadlineMs > untilMs) continue;
        waiter.over = true;
        waiter.reject(error(waitedForLeader));
      }
    };
    expire(this.queue, true);
    this.queue = this.queue.filter((waiter) => !waiter.over);
    for (const [readId, waiters] of this.confirming.entries()) {
      expire(waiters, false);
      if (waiters.every((waiter) => waiter.over)) this.confirming.delete(readId);
    }
    for (const { waiters } of this.applying) expire(waiters, false);
  }

  /** The member stops. */
  abandon(error: ConclaveError): void {
    this.sweep(Number.POSITIVE_INFINITY, 0, () => error);
  }
}
