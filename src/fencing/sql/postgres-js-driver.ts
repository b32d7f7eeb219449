/** The driver `postgres`, whose transactions are a callback: here turned inside out. */
import { ConclaveError } from '../../errors/index.ts';
import type { Statement } from './dialect.ts';
import type { BeginOptions, Driver, Session } from './driver.ts';
import { abortable } from './exclusive.ts';
import { guardHandle, type HandleRules } from './handle.ts';
import { transactionSettings } from './pg-driver.ts';
import { postgresDialect } from './postgres-dialect.ts';

interface PendingRows extends Promise<unknown> {
  values(): PendingRows;
  cancel(): unknown;
}

/** What is used of the `sql` of a transaction. */
export interface PostgresJsTransaction {
  unsafe(text: string, values?: (string | number)[]): PendingRows;
}

/** What is used of `sql`. */
export interface PostgresJs extends PostgresJsTransaction {
  begin(options: string, work: (transaction: never) => unknown): Promise<unknown>;
}

const rules: HandleRules = {
  // `prepare` would leave a prepared transaction behind; the others are of `sql` itself.
  forbidden: ['prepare', 'begin', 'end', 'close', 'reserve'],
  statements: ['', 'unsafe'],
  inner: [],
  callbacks: ['savepoint'],
};

export function postgresJsDriver(sql: PostgresJs): Driver<PostgresJsTransaction> {
  return {
    dialect: postgresDialect,
    key: sql,
    exclusive: false,
    reopens: true,
    guard: (handle, scope) => guardHandle(handle, scope, rules),
    open: async () => new PostgresJsSession(sql),
  };
}

export async function postgresJsQuery(
  transaction: PostgresJsTransaction,
  { text, values }: Statement,
  signal?: AbortSignal,
): Promise<readonly unknown[][]> {
  const pending = transaction.unsafe(text, [...(values as string[])]).values();
  const cancel = () => void pending.cancel();
  signal?.addEventListener('abort', cancel);
  try {
    return Array.from((await pending) as Iterable<unknown[]>);
  } catch (error) {
    if (signal?.aborted) throw ConclaveError.aborted('Waiting for the fence', signal);
    throw error;
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

const rolledBack = new ConclaveError('aborted', 'Rolled back as asked.');

class PostgresJsSession implements Session<PostgresJsTransaction> {
  readonly #sql: PostgresJs;
  #transaction: PostgresJsTransaction | undefined;
  #finish = Promise.withResolvers<void>();
  #ended: Promise<unknown> = Promise.resolve();
  #failed = false;

  constructor(sql: PostgresJs) {
    this.#sql = sql;
  }

  get handle(): PostgresJsTransaction {
    return this.#transaction ?? this.#sql;
  }

  /** The driver gives a connection back only after its transaction ended, and drops a broken one itself. */
  get broken(): boolean {
    return this.#failed;
  }

  async begin({ isolation, lockTimeoutMs, idleTimeoutMs, signal }: BeginOptions): Promise<void> {
    const started = Promise.withResolvers<PostgresJsTransaction>();
    const finish = Promise.withResolvers<void>();
    this.#finish = finish;
    const options = isolation === undefined ? '' : `isolation level ${isolation}`;
    const ended = this.#sql.begin(options, (transaction: PostgresJsTransaction) => {
      started.resolve(transaction);
      return finish.promise;
    });
    this.#ended = ended;
    ended.catch((error: unknown) => {
      this.#failed = error !== rolledBack;
      started.reject(error);
    });
    const onLate = () => finish.reject(rolledBack);
    this.#transaction = await abortable(started.promise, signal, 'Waiting for a connection', onLate);
    finish.promise.catch(() => {});
    await this.#transaction.unsafe(transactionSettings(lockTimeoutMs, idleTimeoutMs));
  }

  async query(statement: Statement, signal?: AbortSignal): Promise<readonly unknown[][]> {
    return await postgresJsQuery(this.handle, statement, signal);
  }

  async commit(): Promise<void> {
    if (!this.#failed) this.#finish.resolve();
    await this.#ended;
    this.#transaction = undefined;
  }

  async rollback(): Promise<void> {
    this.#abandon();
    try {
      await this.#ended;
    } catch (error) {
      if (error !== rolledBack) throw error;
    }
    this.#transaction = undefined;
  }

  async release(): Promise<void> {
    // Where nobody said how it ends: it must not commit.
    this.#abandon();
  }

  /** On a connection that closed nothing may be sent, not even a rollback: the driver would fail out of reach. */
  #abandon(): void {
    if (this.#failed) return;
    this.#finish.promise.catch(() => {});
    this.#finish.reject(rolledBack);
  }
}
