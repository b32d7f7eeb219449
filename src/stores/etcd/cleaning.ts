import type { Timer } from '../../runtime/types.ts';
import { modifiedAt, nested, remove } from '../conclave/transactions.ts';
import type { EtcdClient } from './client.ts';
import type { EtcdElectionKeys } from './keys.ts';
import type { EtcdPart } from './part.ts';

/** How long what a session left behind may stay, so that much of it goes in one transaction. */
const DELAY_MS = 1000;
/** etcd takes 128 operations in a transaction, where it is not set lower. */
const MAX_AT_ONCE = 64;

interface Remains {
  readonly keys: EtcdElectionKeys;
  readonly part: EtcdPart;
}

/**
 * Deletes the `left` keys of elections that a session has nothing in any more, many at a time: a session may lead any
 * number of elections, one after the other. What a request on the way could still be measured by stays until the
 * session ends.
 */
export class Cleaning {
  readonly #client: EtcdClient;
  readonly #onGone: (name: string) => void;
  #due = new Map<string, Remains>();
  #timer: Timer | undefined;
  #closed = false;

  /** `onGone`: nothing of this election is left, here or in etcd. */
  constructor(client: EtcdClient, onGone: (name: string) => void) {
    this.#client = client;
    this.#onGone = onGone;
  }

  add(keys: EtcdElectionKeys, part: EtcdPart): void {
    if (part.doubtful || part.unsettled) return;
    this.#due.set(keys.name, { keys, part });
    this.#arm();
  }

  /** The session takes part in it again. */
  cancel(name: string): void {
    this.#due.delete(name);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #arm(delayMs = DELAY_MS): void {
    if (this.#timer !== undefined || this.#closed) return;
    const { timers } = this.#client.runtime;
    this.#timer = timers.after(delayMs, () => void this.#clean(), { background: true });
  }

  /** Never rejects. */
  async #clean(): Promise<void> {
    let delayMs = DELAY_MS;
    const batch = [...this.#due.values()].slice(0, MAX_AT_ONCE);
    try {
      const success = batch.map(({ keys, part }) =>
        nested({ compare: [modifiedAt(keys.left, part.left)], success: [remove(keys.left)], failure: [] }),
      );
      await this.#client.txn({ compare: [], success }, {});
      for (const remains of batch) this.#forget(remains);
      if (batch.length === MAX_AT_ONCE) delayMs = 0;
    } catch {
      // Tried again below; with the session all of it goes anyway.
    }
    this.#timer = undefined;
    if (this.#due.size > 0) this.#arm(delayMs);
  }

  #forget(remains: Remains): void {
    const { name } = remains.keys;
    // It may have been taken up again meanwhile.
    if (this.#due.get(name) !== remains) return;
    this.#due.delete(name);
    this.#onGone(name);
  }
}
