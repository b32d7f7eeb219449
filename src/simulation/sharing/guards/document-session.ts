import type { StoredDocument } from './document-match.ts';

/** At the server. */
export interface Transaction {
  readonly snapshot: ReadonlyMap<string, StoredDocument>;
  readonly writes: Map<string, StoredDocument>;
  committed?: boolean;
}

export interface SessionParts {
  readonly begin: () => Transaction;
  readonly commit: (transaction: Transaction) => Promise<void>;
  readonly abort: (transaction: Transaction) => Promise<void>;
  readonly pause: (ms: number) => Promise<void>;
}

/** The driver's bound is 120 s; a life has less. */
const mostTries = 100;

/** What the driver's `ClientSession` does: `withTransaction` begins again, and commits again, by the labels of errors. */
export class DocumentSession {
  transaction: Transaction | undefined;
  readonly #parts: SessionParts;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  inTransaction(): boolean {
    return this.transaction !== undefined;
  }

  async withTransaction<T>(work: (session: this) => Promise<T>): Promise<T> {
    const { begin, pause } = this.#parts;
    for (let tries = 1; ; tries++) {
      // Their number is in the first command; the snapshot is of when that comes. Near enough: nothing lies between.
      const transaction = begin();
      this.transaction = transaction;
      let result: T;
      try {
        result = await work(this);
      } catch (error) {
        await this.#abort();
        if (!isLabelled(error, 'TransientTransactionError') || tries >= mostTries) throw error;
        await pause(Math.min(5 * tries, 100));
        continue;
      }
      const again = await this.#commit(transaction, tries < mostTries);
      if (!again) return result;
      await pause(Math.min(5 * tries, 100));
    }
  }

  async endSession(): Promise<void> {
    if (this.transaction !== undefined) await this.#abort();
  }

  /** True: the transaction is to be run again from its beginning. */
  async #commit(transaction: Transaction, mayRepeat: boolean): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#parts.commit(transaction);
        this.transaction = undefined;
        return false;
      } catch (error) {
        if (isLabelled(error, 'UnknownTransactionCommitResult') && tries < 3) continue;
        this.transaction = undefined;
        if (isLabelled(error, 'TransientTransactionError') && mayRepeat) return true;
        throw error;
      }
    }
  }

  async #abort(): Promise<void> {
    const { transaction } = this;
    this.transaction = undefined;
    if (transaction !== undefined) await this.#parts.abort(transaction).catch(() => {});
  }
}

export function serverError(message: string, code: number, more: object): Error {
  return Object.assign(new Error(message), { name: 'MongoServerError', code, ...more });
}

function isLabelled(error: unknown, label: string): boolean {
  const { errorLabels } = (error ?? {}) as { readonly errorLabels?: readonly unknown[] };
  return errorLabels?.includes(label) ?? false;
}
