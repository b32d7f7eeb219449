/** The leadership of one operation, for as long as its function runs. */
import {
  checkTransactionFor,
  type TransactionOptions,
  transactGuarded,
} from '../../election/guarded-transaction.ts';
import type {
  LeaseStore,
  LiveSession,
  StoreTransaction,
  StoreTransactionResult,
} from '../../election/index.ts';
import type { SessionSettings } from '../../election/options.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { FencedLeadership } from '../writer.ts';

/** What the function gets: the guards of `conclave/fencing` take it as they take a `Leadership`. */
export interface OperationLeadership extends FencedLeadership {
  /** Of the operation's own election: 'once/' and the operation id. */
  readonly name: string;
  /** Rises with every owner of this operation. */
  readonly token: number;
  readonly holder: string;
  readonly tokenSurvivesDeletion: boolean;
  /** Aborts when the leadership is lost, on a loop that turns before another process could own the operation. */
  readonly signal: AbortSignal;
  /** Milliseconds for which nobody else can own the operation; 0 once lost or over. */
  remainingMs(): number;
  /** Reads the clocks now. @throws 'not-leading' when lost, run out, or when the function has returned. */
  assertHeld(): void;
  /**
   * A transaction on the store's own keys that is carried out only while this owner is the current one. Make it create
   * a key named by the operation id: that is what a second run finds. @throws as `Leadership.txn`.
   */
  txn(transaction: StoreTransaction, options?: TransactionOptions): Promise<StoreTransactionResult>;
}

export interface OwnedOperation {
  readonly store: LeaseStore;
  readonly settings: SessionSettings;
  readonly name: string;
  readonly token: number;
  readonly live: LiveSession;
}

export class HeldOperation implements OperationLeadership {
  readonly name: string;
  readonly token: number;
  readonly holder: string;
  readonly tokenSurvivesDeletion: boolean;
  readonly #owned: OwnedOperation;
  readonly #ended = new AbortController();
  readonly #onLost = () => this.#end('its session was lost');

  constructor(owned: OwnedOperation) {
    const { store, settings, name, token, live } = owned;
    this.name = name;
    this.token = token;
    this.holder = settings.holder;
    this.tokenSurvivesDeletion = store.capabilities.tokenSurvivesDeletion;
    this.#owned = owned;
    live.lost.addEventListener('abort', this.#onLost);
    if (live.lost.aborted) this.#onLost();
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  remainingMs(): number {
    return this.signal.aborted ? 0 : Math.max(0, this.#owned.live.remainingMs());
  }

  assertHeld(): void {
    if (!this.signal.aborted) this.#owned.live.check();
    if (this.signal.aborted) throw this.signal.reason;
  }

  async txn(
    transaction: StoreTransaction,
    options: TransactionOptions = {},
  ): Promise<StoreTransactionResult> {
    checkTransactionFor(this.#owned, transaction);
    this.assertHeld();
    const result = await transactGuarded(this.#owned, transaction, options);
    if (result !== undefined) return result;
    this.#end('the store shows that its token is not the current one');
    throw this.signal.reason;
  }

  /** The function has returned: whoever kept this object must not act on it. */
  end(): void {
    this.#owned.live.lost.removeEventListener('abort', this.#onLost);
    this.#end('its function has returned');
  }

  #end(why: string): void {
    if (this.signal.aborted) return;
    const { name, token, holder } = this;
    const message = `${holder} does not own ${JSON.stringify(name)} with token ${token}: ${why}.`;
    this.#ended.abort(new ConclaveError('not-leading', message, { details: { name, token, holder } }));
  }
}
