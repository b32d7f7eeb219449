/** A transaction that is carried out only while a leadership is the current one. */
import { ConclaveError } from '../errors/index.ts';
import type { LiveSession } from './live-session.ts';
import type { SessionSettings } from './options.ts';
import type { LeaseStore, StoreTransaction, StoreTransactionResult } from './store.ts';
import { checkTransaction } from './store.ts';
import { callBounded } from './waiting.ts';

export interface TransactionOptions {
  /** Gives up waiting for the answer: 'aborted', outcome 'unknown'. */
  readonly signal?: AbortSignal | undefined;
}

interface Guarded {
  readonly store: LeaseStore;
  readonly live: LiveSession;
  readonly settings: SessionSettings;
  readonly name: string;
  readonly token: number;
}

/** @throws 'unsupported', 'invalid-argument'. */
export function checkTransactionFor({ store, live }: Guarded, transaction: StoreTransaction): void {
  if (!store.capabilities.transactions || live.stored.transact === undefined) {
    throw new ConclaveError(
      'unsupported',
      `${store.description} offers no transactions of a leadership: write to something that compares the token (docs/guides/fencing.md).`,
    );
  }
  checkTransaction(transaction);
  const { compare = [], success = [], failure = [] } = transaction;
  if (compare.length + success.length + failure.length > 0) return;
  // It would succeed, and look like the write that somebody meant.
  const message = 'A transaction needs a compare or an operation: give compare, success or failure.';
  throw new ConclaveError('invalid-argument', message);
}

/** undefined: the token is not current. */
export async function transactGuarded(
  { live, settings, name, token }: Guarded,
  transaction: StoreTransaction,
  { signal }: TransactionOptions,
): Promise<StoreTransactionResult | undefined> {
  // An answer that takes longer comes to a leadership that is over.
  const bounds = { what: 'The transaction', timeoutMs: live.stored.ttlMs, signal };
  try {
    return await callBounded(settings.runtime, bounds, async (options) =>
      live.stored.transact?.(name, token, transaction, options),
    );
  } catch (error) {
    if (!ConclaveError.is(error, 'lease-lost')) throw error;
    live.lose('lease-lost');
    return undefined;
  }
}
