import type { CallOptions } from '../../client/index.ts';
import type { AcquireOptions } from '../../election/store.ts';
import type { TxnResponse } from '../../wire/index.ts';
import { callOptions } from './calls.ts';
import type { StoreClient } from './explaining-client.ts';
import { type ElectionKeys, placeKey, priorityGroup } from './keys.ts';
import type { Part } from './part.ts';
import { withdrawTransaction } from './requests.ts';
import { createdAt, put, type Transaction } from './transactions.ts';
import { encodeHolding } from './values.ts';

export interface OwnPartsContext {
  readonly client: StoreClient;
  readonly lease: bigint;
  readonly holder: string;
  /** A transaction that needs the lease. @throws 'session-lost' where it is gone. */
  readonly leased: (transaction: Transaction, call: CallOptions) => Promise<TxnResponse>;
}

/** The elections that a session takes part in, and its places in their queues. */
export class OwnParts {
  readonly #context: OwnPartsContext;
  readonly #parts = new Map<string, Part>();

  constructor(context: OwnPartsContext) {
    this.#context = context;
  }

  get(name: string): Part | undefined {
    return this.#parts.get(name);
  }

  /** The part in this election, with a place that fits the priority asked for. */
  async prepare(keys: ElectionKeys, options: AcquireOptions): Promise<Part> {
    const { client, lease } = this.#context;
    const { priority, metadata } = options;
    const place = placeKey(priorityGroup(keys, priority), lease);
    const known = this.#parts.get(keys.name);
    if (known === undefined) {
      const part: Part = {
        priority,
        metadata,
        place,
        placeRevision: undefined,
        token: undefined,
        withdrawing: false,
      };
      this.#parts.set(keys.name, part);
      return part;
    }
    known.withdrawing = false;
    if (known.priority !== priority) {
      // Another priority is another place, at the end of its queue; the old one must not stay behind.
      await client.deleteRange(known.place, callOptions(options));
      known.priority = priority;
      known.place = place;
      known.placeRevision = undefined;
    } else if (known.metadata !== metadata && known.placeRevision !== undefined) {
      await this.#rewritePlace(known, known.placeRevision, metadata, callOptions(options));
    }
    known.metadata = metadata;
    return known;
  }

  /** The place keeps its turn; a hand-off takes its value over. */
  async #rewritePlace(
    part: Part,
    createRevision: number,
    metadata: string,
    call: CallOptions,
  ): Promise<void> {
    const { holder, lease, leased } = this.#context;
    const transaction = {
      compare: [createdAt(part.place, createRevision)],
      success: [put(part.place, encodeHolding({ holder, metadata }), lease)],
    };
    await leased(transaction, call);
  }

  /** Gives up the place, and with it a leadership that nobody was told of. */
  async leave(keys: ElectionKeys, part: Part, call: CallOptions): Promise<void> {
    const { client, lease } = this.#context;
    part.withdrawing = true;
    const transaction = withdrawTransaction(keys, part.place, lease, part.token === undefined);
    await client.txn(transaction, call);
    part.placeRevision = undefined;
    if (part.token === undefined) this.#parts.delete(keys.name);
  }

  /** The leadership with this token is over. */
  forget(name: string, token: number): void {
    if (this.#parts.get(name)?.token === token) this.#parts.delete(name);
  }
}
