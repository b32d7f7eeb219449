/** Node's own `node:sqlite`: one handle, on which transactions take turns. */
import type { DatabaseSync } from 'node:sqlite';
import { sleep } from '../../election/waiting.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { errorFields, type Statement } from './dialect.ts';
import type { BeginOptions, Driver, Session } from './driver.ts';
import { guardHandle, type HandleRules } from './handle.ts';
import { alreadyInTransaction } from './pg-driver.ts';
import { sqliteDialect } from './sqlite-dialect.ts';

const rules: HandleRules = {
  forbidden: ['close', 'open', 'Symbol(Symbol.dispose)', 'deserialize'],
  statements: ['exec', 'prepare'],
  inner: ['prepare', 'createTagStore'],
};
const busy = 5;
const pollMs = 10;

export function sqliteDriver(db: DatabaseSync, runtime: Runtime): Driver<DatabaseSync> {
  return {
    dialect: sqliteDialect,
    key: db,
    exclusive: true,
    reopens: true,
    waitsToBegin: true,
    guard: (handle, scope) => guardHandle(handle, scope, rules),
    open: async () => new SqliteSession(db, runtime),
  };
}

export function sqliteQuery(db: DatabaseSync, { text, values }: Statement): readonly unknown[][] {
  return db
    .prepare(text)
    .all(...values)
    .map((row) => Object.values(row));
}

class SqliteSession implements Session<DatabaseSync> {
  readonly handle: DatabaseSync;
  readonly #runtime: Runtime;
  #begun = false;
  #released = false;
  #lockTimeoutMs = 0;
  #signal: AbortSignal | undefined;

  constructor(db: DatabaseSync, runtime: Runtime) {
    this.handle = db;
    this.#runtime = runtime;
  }

  get broken(): boolean {
    return !this.handle.isOpen;
  }

  async begin({ lockTimeoutMs, signal }: BeginOptions): Promise<void> {
    if (this.handle.isTransaction) throw alreadyInTransaction();
    [this.#lockTimeoutMs, this.#signal] = [lockTimeoutMs, signal];
    await this.#whileBusy('BEGIN IMMEDIATE');
  }

  async query(statement: Statement): Promise<readonly unknown[][]> {
    return sqliteQuery(this.handle, statement);
  }

  /** Readers can keep a commit waiting, outside of WAL mode; the transaction stays open then. */
  async commit(): Promise<void> {
    this.#signal = undefined;
    await this.#whileBusy('COMMIT');
  }

  async rollback(): Promise<void> {
    if (this.#begun && this.handle.isOpen && this.handle.isTransaction) this.handle.exec('ROLLBACK');
  }

  /** What is still open was not committed, and must not be by the next one. */
  async release(): Promise<void> {
    this.#released = true;
    try {
      await this.rollback();
    } catch {
      // The next begin says that it is in a transaction.
    }
  }

  /**
   * The database's own timeout would block the event loop. After the release the handle is somebody else's: who still
   * tries then would begin for nobody, or commit half of the next transaction.
   */
  async #whileBusy(text: 'BEGIN IMMEDIATE' | 'COMMIT'): Promise<void> {
    const { clock } = this.#runtime;
    const deadlineMs = clock.monotonicMs() + this.#lockTimeoutMs;
    for (;;) {
      try {
        this.handle.exec(text);
        this.#begun = true;
        return;
      } catch (error) {
        const waits = (Number(errorFields(error).errcode) & 0xff) === busy;
        if (!waits || clock.monotonicMs() >= deadlineMs) throw error;
      }
      await sleep(this.#runtime, pollMs, ...(this.#signal ? [this.#signal] : []));
      if (this.#released) throw new ConclaveError('closed', 'The session was given up.');
      if (this.#signal?.aborted) throw ConclaveError.aborted('Waiting for the database', this.#signal);
    }
  }
}
