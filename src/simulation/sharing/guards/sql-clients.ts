/** What the guards see of a driver: a pool of `pg`, and one of `mysql2/promise`, on the simulated wire. */
import type { Process } from '../../world/process.ts';
import { SessionOver, type SqlFault, SqlRefusal, type SqlServer, type SqlSession } from './sql-server.ts';
import type { Value } from './sql-statements.ts';
import { NoAnswer, type Wire } from './wire.ts';

export interface SqlClientParts {
  readonly process: Process;
  readonly wire: Wire;
  readonly server: SqlServer;
}

type Listener = (error?: unknown) => void;

const lost = 'Connection terminated unexpectedly';

/**
 * One connection: what has no answer breaks it, since nobody knows any more which answer would be whose. Drivers send
 * one statement after the other, also behind one that nobody waits for any more.
 */
class Connection {
  broken = false;
  #last: Promise<unknown> = Promise.resolve();
  readonly #parts: SqlClientParts;
  readonly #session: SqlSession;
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor(parts: SqlClientParts, session: SqlSession) {
    this.#parts = parts;
    this.#session = session;
    const { process, server } = parts;
    session.onOver = () => {
      if (process.alive) process.after(1000, 3, () => this.break());
    };
    process.onDeath.push(() => server.clientGone(session, true));
  }

  run(text: string, values: readonly Value[]): Promise<Value[][]> {
    const answer = this.#last.then(() => this.#send(text, values));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #send(text: string, values: readonly Value[]): Promise<Value[][]> {
    if (this.broken) throw new NoAnswer('reset');
    const { wire, process, server } = this.#parts;
    const what = text.trimStart().split(/\s/)[0] ?? '';
    try {
      return await wire.call(process, what, () => server.execute(this.#session, text, values));
    } catch (error) {
      if (!(error instanceof NoAnswer || error instanceof SessionOver)) throw error;
      this.break();
      throw new NoAnswer('reset');
    }
  }

  on(event: string, listener: Listener): void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
  }

  removeListener(event: string, listener: Listener): void {
    this.#listeners.get(event)?.delete(listener);
  }

  /** Nothing goes over it any more; the server notices later. */
  break(): void {
    if (this.broken) return;
    this.broken = true;
    this.#parts.server.clientGone(this.#session, false);
    for (const event of ['error', 'end'])
      for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(new Error(lost));
  }
}

class Pool {
  readonly #parts: SqlClientParts;
  readonly #idle: Connection[] = [];

  constructor(parts: SqlClientParts) {
    this.#parts = parts;
  }

  async take(): Promise<Connection> {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) break;
      if (!connection.broken) return connection;
    }
    const { wire, process, server } = this.#parts;
    return new Connection(this.#parts, await wire.call(process, 'connection', () => server.open()));
  }

  giveBack(connection: Connection, broken: boolean): void {
    if (broken) connection.break();
    else if (!connection.broken) this.#idle.push(connection);
  }
}

const postgresCodes: Readonly<Record<SqlFault, string>> = {
  aborted: '25P02',
  'lock-timeout': '55P03',
  duplicate: '23505',
  'no-savepoint': '3B001',
};

function postgresError(error: unknown): unknown {
  if (error instanceof NoAnswer) return new Error(lost);
  if (!(error instanceof SqlRefusal)) return error;
  return Object.assign(new Error(error.message), { severity: 'ERROR', code: postgresCodes[error.fault] });
}

export interface PgQuery {
  readonly text: string;
  readonly values: readonly Value[];
}

export interface SimulatedPgClient {
  query(query: string | PgQuery): Promise<{ readonly rows: Value[][] }>;
}

/** As a `Pool` of pg; rows are arrays, as with `rowMode: 'array'`. */
export function pgPool(parts: SqlClientParts) {
  const pool = new Pool(parts);
  const clientOn = (connection: Connection) => ({
    async query(query: string | PgQuery): Promise<{ readonly rows: Value[][] }> {
      const { text, values } = typeof query === 'string' ? { text: query, values: [] } : query;
      try {
        let rows: Value[][] = [];
        for (const one of text.split(';')) rows = await connection.run(one, values);
        return { rows };
      } catch (error) {
        throw postgresError(error);
      }
    },
    on: (event: string, listener: Listener) => connection.on(event, listener),
    removeListener: (event: string, listener: Listener) => connection.removeListener(event, listener),
    end: async () => connection.break(),
    release: (broken = false) => pool.giveBack(connection, broken),
  });
  return {
    // The guard tells a pool of pg by these.
    totalCount: 0,
    query: async () => ({ rows: [] }),
    async connect() {
      return clientOn(await pool.take().catch((error: unknown) => Promise.reject(postgresError(error))));
    },
  };
}

const mysqlCodes: Readonly<Record<SqlFault, readonly [number, string]>> = {
  aborted: [1213, 'ER_LOCK_DEADLOCK'],
  'lock-timeout': [1205, 'ER_LOCK_WAIT_TIMEOUT'],
  duplicate: [1062, 'ER_DUP_ENTRY'],
  'no-savepoint': [1305, 'ER_SP_DOES_NOT_EXIST'],
};

function mysqlError(error: unknown): unknown {
  if (error instanceof NoAnswer)
    return Object.assign(new Error('Connection lost'), { code: 'PROTOCOL_CONNECTION_LOST', fatal: true });
  if (!(error instanceof SqlRefusal)) return error;
  const [errno, code] = mysqlCodes[error.fault];
  return Object.assign(new Error(error.message), { errno, code, sqlState: 'HY000' });
}

export interface SimulatedMysqlConnection {
  execute(query: { sql: string; values: readonly (Value | Uint8Array)[] }): Promise<[unknown, unknown]>;
  query(text: string): Promise<[unknown, unknown]>;
}

/** As a promise pool of mysql2; rows are arrays, as with `rowsAsArray`. */
export function mysqlPool(parts: SqlClientParts) {
  const pool = new Pool(parts);
  const connectionOn = (connection: Connection) => {
    const run = async (text: string, values: readonly Value[]): Promise<[unknown, unknown]> => {
      try {
        const rows = await connection.run(text, values);
        // A SET tells the state of the session, by which the guard sees whether it is in a transaction.
        return [/^\s*SET\b/i.test(text) ? { serverStatus: 2 } : rows, undefined];
      } catch (error) {
        throw mysqlError(error);
      }
    };
    return {
      query: (text: string) => run(text, []),
      execute: ({ sql, values }: { sql: string; values: readonly (Value | Uint8Array)[] }) =>
        run(
          sql,
          values.map((value) => (value instanceof Uint8Array ? new TextDecoder().decode(value) : value)),
        ),
      on: (event: string, listener: Listener) => connection.on(event, listener),
      removeListener: (event: string, listener: Listener) => connection.removeListener(event, listener),
      destroy: () => connection.break(),
      release: () => pool.giveBack(connection, false),
    };
  };
  return {
    // The guard tells a pool of promises by these.
    execute: async () => [],
    query: async () => [],
    async getConnection() {
      return connectionOn(await pool.take().catch((error: unknown) => Promise.reject(mysqlError(error))));
    },
  };
}
