/** The driver `mysql2`: pools and connections, of promises and of callbacks. */
import { ConclaveError } from '../../errors/index.ts';
import type { Statement } from './dialect.ts';
import type { BeginOptions, Driver, Session } from './driver.ts';
import { abortable } from './exclusive.ts';
import { guardHandle, type HandleRules } from './handle.ts';
import { mysqlDialect } from './mysql-dialect.ts';
import { alreadyInTransaction } from './pg-driver.ts';

interface QueryOptions {
  readonly sql: string;
  readonly values: (string | Uint8Array)[];
  readonly rowsAsArray: true;
  readonly nestTables: false;
}

/** What is used of a promise connection of `mysql2`. */
export interface Mysql2Connection {
  execute(options: QueryOptions): Promise<[unknown, unknown]>;
  query(text: string): Promise<[unknown, unknown]>;
  on(event: 'error', listener: () => void): unknown;
  removeListener(event: 'error', listener: () => void): unknown;
  destroy(): void;
  release?(): void;
}

/** What is used of a promise pool of `mysql2`. */
export interface Mysql2Pool {
  getConnection(): Promise<Mysql2Connection>;
}

/** MySQL commits before each of these, whatever the work wants. Temporary tables are an exception. */
const implicitCommit =
  /^((alter|create|drop|rename|truncate|analyze|optimize|repair)\b(?!\s+temporary\b)|(grant|revoke|install|uninstall|lock\s+tables?|unlock\s+tables?|load\s+index|cache\s+index|flush|reset)\b)/i;

const rules: HandleRules = {
  forbidden: [
    'beginTransaction',
    'commit',
    'rollback',
    'changeUser',
    'reset',
    'release',
    'destroy',
    'end',
    'close',
  ],
  statements: ['query', 'execute', 'prepare'],
  endsTransaction: implicitCommit,
  inner: ['connection', 'promise'],
};

export function mysql2Driver(db: Mysql2Pool | Mysql2Connection): Driver<Mysql2Connection> {
  const pool = 'getConnection' in db ? db : undefined;
  return {
    dialect: mysqlDialect,
    key: db,
    exclusive: pool === undefined,
    reopens: pool !== undefined,
    guard: (handle, scope) => guardHandle(handle, scope, rules),
    async open(signal) {
      if (pool === undefined) return new Mysql2Session(db as Mysql2Connection, false);
      const late = (connection: Mysql2Connection) => connection.release?.();
      return new Mysql2Session(
        await abortable(pool.getConnection(), signal, 'Waiting for a connection', late),
        true,
      );
    },
  };
}

export async function mysql2Query(
  connection: Mysql2Connection,
  { text, values }: Statement,
): Promise<readonly unknown[][]> {
  // Without values as text, since savepoints cannot be prepared everywhere.
  const options: QueryOptions = { sql: text, values: [...values], rowsAsArray: true, nestTables: false };
  const [rows] = values.length === 0 ? await connection.query(text) : await connection.execute(options);
  return Array.isArray(rows) ? (rows as unknown[][]) : [];
}

const inTransaction = 0x0001;

class Mysql2Session implements Session<Mysql2Connection> {
  readonly handle: Mysql2Connection;
  broken = false;
  readonly #pooled: boolean;
  #released = false;
  #settingsChanged = false;
  readonly #onError = () => {
    this.broken = true;
  };

  /** `pooled`: the connection is ours to give back. */
  constructor(connection: Mysql2Connection, pooled: boolean) {
    this.handle = connection;
    this.#pooled = pooled;
    connection.on('error', this.#onError);
  }

  /**
   * Without autocommit, and not by START TRANSACTION: where the database ends the transaction on its own (a
   * deadlock, DDL) the statements after it are in another one, which is rolled back, and take no effect unguarded.
   */
  async begin({ isolation, lockTimeoutMs, idleTimeoutMs }: BeginOptions): Promise<void> {
    const seconds = (ms: number) => Math.max(1, Math.ceil(ms / 1000));
    // Not yet autocommit: to put it back would commit the transaction of others.
    const [result] = await this.handle.query(
      'SET @conclave_autocommit = @@autocommit, @conclave_lock_wait = @@innodb_lock_wait_timeout, @conclave_wait = @@wait_timeout',
    );
    const { serverStatus } = result as { readonly serverStatus?: number };
    if (((serverStatus ?? 0) & inTransaction) !== 0) throw alreadyInTransaction();
    this.#settingsChanged = true;
    const wait = idleTimeoutMs === 0 ? '' : `, wait_timeout = ${seconds(idleTimeoutMs)}`;
    await this.handle.query(
      `SET autocommit = 0, innodb_lock_wait_timeout = ${seconds(lockTimeoutMs)}${wait}`,
    );
    if (isolation !== undefined) await this.handle.query(`SET TRANSACTION ISOLATION LEVEL ${isolation}`);
  }

  async query(statement: Statement, signal?: AbortSignal): Promise<readonly unknown[][]> {
    // Only a connection of a pool can be given up; the server rolls back as soon as it notices.
    if (!this.#pooled) signal = undefined;
    try {
      return await abortable(mysql2Query(this.handle, statement), signal, 'Waiting for the fence');
    } catch (error) {
      if (signal?.aborted) await this.release(true);
      throw error;
    }
  }

  async commit(): Promise<void> {
    await this.handle.query('COMMIT');
    await this.#restore().catch(this.#onError);
  }

  async rollback(): Promise<void> {
    if (this.broken) throw new ConclaveError('unavailable', 'The connection is broken.');
    await this.handle.query('ROLLBACK');
    await this.#restore();
  }

  async release(broken: boolean): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    if (broken) this.broken = true;
    if (this.broken || this.#settingsChanged) this.handle.destroy();
    else {
      this.handle.removeListener('error', this.#onError);
      if (this.#pooled) this.handle.release?.();
    }
  }

  async #restore(): Promise<void> {
    await this.handle.query(
      'SET autocommit = @conclave_autocommit, innodb_lock_wait_timeout = @conclave_lock_wait, wait_timeout = @conclave_wait',
    );
    this.#settingsChanged = false;
  }
}
