import type { FencedLeadership } from '../../../fencing/index.ts';
import { fenced as fencedMysql } from '../../../fencing/sql/mysql.ts';
import { fenced as fencedPostgres } from '../../../fencing/sql/postgres.ts';
import type { Process } from '../../world/process.ts';
import type { Draw } from '../../world/random.ts';
import {
  type CallOptions,
  decodeEntries,
  encodeEntries,
  type Guarded,
  type GuardServer,
  readDirectly,
  resource,
  type ServerParts,
} from './guarded.ts';
import { mysqlPool, pgPool, type SimulatedMysqlConnection, type SimulatedPgClient } from './sql-clients.ts';
import { type SqlFlavour, SqlServer } from './sql-server.ts';
import type { Value } from './sql-statements.ts';
import { Wire } from './wire.ts';

/** One row, whose content is read, changed and written back; waits and idleness are bounded for a short life. */
export const fenceTimes = { lockTimeoutMs: 1500, answerTimeoutMs: 1500 };
const idleTimeoutMs = 2500;

/** Runs one statement in the transaction that the guard has opened. */
export type Run = (text: string, values: readonly Value[]) => Promise<readonly (readonly Value[])[]>;

export interface AccountSql {
  readonly select: string;
  readonly update: string;
}

const accountSql: Readonly<Record<SqlFlavour, AccountSql>> = {
  postgres: {
    select: 'SELECT content FROM account WHERE id = $1',
    update: 'UPDATE account SET content = $1 WHERE id = $2',
  },
  mysql: {
    select: 'SELECT content FROM account WHERE id = ?',
    update: 'UPDATE account SET content = ? WHERE id = ?',
  },
};

/** The work of a transaction: long now and then, so that what befalls its process befalls it there. */
export async function addEntry(
  run: Run,
  { select, update }: AccountSql,
  entry: string,
  linger: () => Promise<void>,
): Promise<void> {
  const content = String((await run(select, [1]))[0]?.[0] ?? '');
  await linger();
  await run(update, [encodeEntries([...decodeEntries(content), entry]), 1]);
}

export function lingerer({ runtime }: Process, random: Draw): () => Promise<void> {
  return async () => {
    if (!random.chance(0.3)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    runtime.timers.after(random.between(0, 1000), resolve);
    await promise;
  };
}

/** PostgreSQL or MySQL behind the drivers' interfaces: see `SqlServer`. */
export class TableStore implements GuardServer {
  readonly #wire: Wire;
  readonly #server: SqlServer;
  readonly #flavour: SqlFlavour;

  constructor({ world, random, reports, faults }: ServerParts, flavour: SqlFlavour) {
    this.#flavour = flavour;
    this.#wire = new Wire({ world, random: random.fork('wire'), faults, reports, repeats: false });
    this.#server = new SqlServer({
      ...{ world, random: random.fork('server'), flavour },
      onCommitted: (writes) => {
        const content = writes.get('account/1')?.content;
        if (content !== undefined) reports.guardedChanged(resource, decodeEntries(String(content ?? '')));
      },
    });
    this.#wire.onDown = () => this.#server.restart();
  }

  connect(process: Process, random: Draw): Guarded {
    const parts = { process, wire: this.#wire, server: this.#server };
    const linger = lingerer(process, random);
    return this.#flavour === 'postgres'
      ? new PostgresTable(pgPool(parts), process, random, linger)
      : new MysqlTable(mysqlPool(parts), process, random, linger);
  }
}

type Linger = () => Promise<void>;

class PostgresTable implements Guarded {
  readonly #pool: ReturnType<typeof pgPool>;
  readonly #process: Process;
  readonly #random: Draw;
  readonly #linger: Linger;

  constructor(pool: ReturnType<typeof pgPool>, process: Process, random: Draw, linger: Linger) {
    this.#pool = pool;
    this.#process = process;
    this.#random = random;
    this.#linger = linger;
  }

  async append(writer: FencedLeadership, entry: string, { signal }: CallOptions): Promise<void> {
    const work = (tx: SimulatedPgClient) =>
      addEntry(
        async (text, values) => (await tx.query({ text, values })).rows,
        accountSql.postgres,
        entry,
        this.#linger,
      );
    await this.#fenced(writer, work, signal);
  }

  async claim(writer: FencedLeadership, { signal }: CallOptions): Promise<void> {
    await this.#fenced(writer, async () => {}, signal);
  }

  async read(): Promise<readonly string[]> {
    const client = await readDirectly(this.#pool.connect());
    const { rows } = await readDirectly(client.query({ text: accountSql.postgres.select, values: [1] }));
    client.release();
    return decodeEntries(String(rows[0]?.[0] ?? ''));
  }

  async #fenced(
    writer: FencedLeadership,
    work: (tx: SimulatedPgClient) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { runtime } = this.#process;
    const attempts = this.#random.pick([1, 2]);
    await fencedPostgres(this.#pool, writer, work, {
      ...{ ...fenceTimes, idleTimeoutMs, resource, attempts, signal, runtime },
    });
  }
}

class MysqlTable implements Guarded {
  readonly #pool: ReturnType<typeof mysqlPool>;
  readonly #process: Process;
  readonly #random: Draw;
  readonly #linger: Linger;

  constructor(pool: ReturnType<typeof mysqlPool>, process: Process, random: Draw, linger: Linger) {
    this.#pool = pool;
    this.#process = process;
    this.#random = random;
    this.#linger = linger;
  }

  async append(writer: FencedLeadership, entry: string, { signal }: CallOptions): Promise<void> {
    const work = (tx: SimulatedMysqlConnection) =>
      addEntry(
        async (sql, values) => (await tx.execute({ sql, values }))[0] as Value[][],
        accountSql.mysql,
        entry,
        this.#linger,
      );
    await this.#fenced(writer, work, signal);
  }

  async claim(writer: FencedLeadership, { signal }: CallOptions): Promise<void> {
    await this.#fenced(writer, async () => {}, signal);
  }

  async read(): Promise<readonly string[]> {
    const connection = await readDirectly(this.#pool.getConnection());
    const [rows] = await readDirectly(connection.execute({ sql: accountSql.mysql.select, values: [1] }));
    connection.release();
    return decodeEntries(String((rows as Value[][])[0]?.[0] ?? ''));
  }

  async #fenced(
    writer: FencedLeadership,
    work: (tx: SimulatedMysqlConnection) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { runtime } = this.#process;
    const attempts = this.#random.pick([1, 2]);
    await fencedMysql(this.#pool, writer, work, {
      ...{ ...fenceTimes, idleTimeoutMs, resource, attempts, signal, runtime },
    });
  }
}
