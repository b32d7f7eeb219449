/**
 * A user's MySQL or MariaDB as a lease store, by the driver `mysql2`: one table, a row for each election and each
 * session.
 *
 * Guarantees: each change is one statement under a condition on the row's version, which is random and never comes
 * again, so `affectedRows` means the same with CLIENT_FOUND_ROWS and without; one clock, the server's in UTC, says when
 * a session is over, whatever the time zones of connections; a server that is read-only is refused.
 *
 * Must not: keep anything in a connection, hold a transaction open (nor read in one: at REPEATABLE READ it shows the
 * past), or depend on the modes and character sets of the user's connections.
 */
import type { LeaseStore } from '../election/store.ts';
import { nodeRuntime, type Runtime } from '../runtime/index.ts';
import {
  type CallBounds,
  checkOptions,
  type DocumentDriver,
  type DocumentKey,
  type DocumentStoreOptions,
  type DocumentTraits,
  type DocumentWrite,
  documentStore,
  documentStoreOptionNames,
  type Renewal,
  type StoredDocument,
} from './documents/index.ts';
import type { Answer, Row, SqlValue } from './sql/connections.ts';
import { checkTable, errorFields, likePrefix, migrationBy, quoteTable, usualTable } from './sql/failures.ts';
import { classify, duplicateKey } from './sql/mysql-errors.ts';
import {
  bytes,
  columns,
  isOff,
  MysqlTable,
  type MysqlTableOptions,
  mysqlSchema,
  withoutAutocommit,
} from './sql/mysql-table.ts';
import { type ConnectedMysql, connectMysql, type MysqlClient } from './sql/mysql2.ts';
import { Statements, withinTime } from './sql/statements.ts';
import { Sweeper, sweptAtATime } from './sql/sweeper.ts';

export { type MysqlClient, type MysqlTableOptions, mysqlSchema };

export interface MysqlStoreOptions extends MysqlTableOptions, DocumentStoreOptions {
  /** Your own pool of `mysql2` or `mysql2/promise`; it stays open. */
  readonly client?: MysqlClient | undefined;
  /** Instead of `client`: `mysql://user:password@host:3306/database`, for five connections by `mysql2`. */
  readonly url?: string | undefined;
}

export interface MysqlMigrationOptions extends MysqlTableOptions {
  /** As for the store, of a user who may make tables. */
  readonly client?: MysqlClient | undefined;
  readonly url?: string | undefined;
  /** For all of it. Default 30000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly runtime?: Runtime | undefined;
}

const whereNames = ['client', 'url', 'table'];

/** @throws ConclaveError 'invalid-argument' for a malformed url, table name or duration. */
export function mysqlStore(options: MysqlStoreOptions): LeaseStore {
  checkOptions('The options of mysqlStore', options, [...documentStoreOptionNames, ...whereNames]);
  const { timeoutMs, pollMs, runtime = nodeRuntime() } = options;
  return documentStore(mysqlDriver({ ...options, runtime }), { timeoutMs, pollMs, runtime });
}

/** @internal for tests */
export function mysqlDriver({
  client,
  url,
  runtime = nodeRuntime(),
  ...rest
}: MysqlStoreOptions): DocumentDriver {
  const table = checkTable(rest.table ?? 'conclave_documents');
  return new MysqlDriver(connectMysql({ client, url }), table, runtime);
}

/**
 * Makes the table where there is none; one that is there stays as it is (false). Any number of processes may do so at
 * once.
 * Needs CREATE and INSERT, only where the table is missing.
 * @throws 'data-incompatible': there is one of another version, or another table of that name.
 */
export async function migrateMysql(options: MysqlMigrationOptions): Promise<boolean> {
  checkOptions('The options of migrateMysql', options, [...whereNames, 'timeoutMs', 'signal', 'runtime']);
  const { client, url, timeoutMs = 30_000, runtime = nodeRuntime(), signal } = options;
  const table = checkTable(options.table ?? 'conclave_documents');
  const privileges = 'CREATE, SELECT, INSERT';
  await using statements = statementsOn(connectMysql({ client, url }), table, runtime, privileges);
  return await withinTime('Making the table', { runtime, timeoutMs, signal }, (within) =>
    new MysqlTable(statements, table).migrate(within),
  );
}

class MysqlDriver implements DocumentDriver {
  readonly description: string;
  readonly traits: DocumentTraits = {
    consistency: 'linearizable',
    note: 'on one server that writes; a failover to an asynchronous replica, a crash where innodb_flush_log_at_trx_commit is not 1, or a restored backup can take back what was answered',
    // A renewal is one statement, of a millisecond or a few in one network, and comes every third of the TTL.
    minTtlMs: 500,
    ownsClock: true,
    forgets: true,
  };
  readonly #table: string;
  readonly #name: string;
  readonly #runtime: Runtime;
  readonly #statements: Statements;
  readonly #sweeper: Sweeper;

  constructor(connected: ConnectedMysql, table: string, runtime: Runtime) {
    this.description = connected.description;
    this.#table = table;
    this.#name = quoteTable(table, '`');
    this.#runtime = runtime;
    this.#statements = statementsOn(connected, table, runtime);
    this.#sweeper = new Sweeper(this.#statements, runtime, {
      text: `DELETE FROM ${this.#name} WHERE keep_until < UTC_TIMESTAMP(6) LIMIT ${sweptAtATime}`,
      values: [],
    });
  }

  async open({ signal }: CallBounds): Promise<void> {
    await new MysqlTable(this.#statements, this.#table).check(signal);
    this.#statements.tookWrites = true;
    this.#sweeper.sweepIfDue();
  }

  async read(key: DocumentKey, bounds: CallBounds): Promise<StoredDocument | undefined> {
    const [document] = await this.readMany([key], bounds);
    return document;
  }

  async readMany(
    keys: readonly DocumentKey[],
    { signal }: CallBounds,
  ): Promise<readonly (StoredDocument | undefined)[]> {
    const pairs = keys.map(() => '(?, ?)').join(', ');
    // The first row tells of server and connection, also where no document is found: a replica's answers may be old, and
    // without autocommit all that comes after the first is.
    const text = `SELECT '', '', '', CAST(@@autocommit AS CHAR), CAST(@@global.read_only AS CHAR) UNION ALL
SELECT kind, name, CAST(text AS BINARY), version,
CAST(CEIL(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), expires_at) / 1000) AS CHAR)
FROM ${this.#name} WHERE (kind, name) IN (${pairs}) AND ${unforgotten}`;
    const values = keys.flatMap(({ kind, name }) => [bytes(kind), bytes(name)]);
    const isGuard = (row: Row) => textOf(row[0]) === '';
    const judge = ({ rows }: Answer) => {
      const [, , , autocommit, readOnly] = rows.find(isGuard) ?? [];
      if (isOff(textOf(autocommit))) return withoutAutocommit(this.description, true);
      return isOff(textOf(readOnly)) ? undefined : 'read-only';
    };
    const { rows } = await this.#statements.run('Reading', { text, values }, signal, judge);
    const found = new Map(rows.map((row) => [`${textOf(row[0])} ${textOf(row[1])}`, row]));
    return keys.map(({ kind, name }) => {
      const row = found.get(`${kind} ${name}`);
      if (row === undefined) return undefined;
      const [, , document, version, leftMs] = row;
      const stored = { text: textOf(document), version: textOf(version) };
      return leftMs === null ? stored : { ...stored, leftMs: Number(textOf(leftMs)) };
    });
  }

  async write(
    { kind, name }: DocumentKey,
    text: string,
    { replaces, ttlMs, keepMs }: DocumentWrite,
    { signal }: CallBounds,
  ): Promise<string | undefined> {
    const version = this.#newId();
    const content = [bytes(text), bytes(version), ...times({ ttlMs, keepMs })];
    const key = [bytes(kind), bytes(name)];
    const set = `text = CONVERT(? USING utf8mb4), version = ?, expires_at = ${after()}, keep_until = ${after()}`;
    const update = `UPDATE ${this.#name} SET ${set} WHERE kind = ? AND name = ?`;
    const change = async (more: string, values: readonly SqlValue[]) =>
      (await this.#change('Writing', `${update} AND ${more}`, values, signal)) > 0;
    const written =
      replaces === undefined
        ? (await this.#insert([...key, ...content], signal)) ||
          // What nobody sees any more, and was not swept away yet, makes room.
          (await change('keep_until < UTC_TIMESTAMP(6)', [...content, ...key]))
        : await change('version = ?', [...content, ...key, bytes(replaces)]);
    if (written) this.#sweeper.sweepIfDue();
    return written ? version : undefined;
  }

  async renewMany(
    renewals: readonly Renewal[],
    bounds: CallBounds,
  ): Promise<readonly (string | undefined)[]> {
    const versions = renewals.map(() => this.#newId());
    const values = renewals.flatMap(({ key, text, replaces, ttlMs, keepMs }, at) => [
      ...[key.name, text, versions[at] ?? ''].map(bytes),
      ...[...times({ ttlMs, keepMs }), bytes(replaces)],
    ]);
    const named = 'SELECT ? AS name, ? AS text, ? AS version, ? AS expires, ? AS keep, ? AS replaces';
    const rows = [named, ...renewals.slice(1).map(() => 'SELECT ?, ?, ?, ?, ?, ?')].join(' UNION ALL ');
    // In this order, so that only the rows that are meant are looked at, and locked.
    const text = `UPDATE (${rows}) AS renewal STRAIGHT_JOIN ${this.#name} AS stored
ON stored.kind = 'session' AND stored.name = renewal.name AND stored.version = renewal.replaces
SET stored.text = CONVERT(renewal.text USING utf8mb4), stored.version = renewal.version,
stored.expires_at = ${after('renewal.expires')}, stored.keep_until = ${after('renewal.keep')}`;
    if ((await this.#change('Renewing', text, values, bounds.signal)) === renewals.length) return versions;
    // Not told which of them: those that have the version that was to be written.
    const found = await this.readMany(
      renewals.map(({ key }) => key),
      bounds,
    );
    return versions.map((version, at) => (found[at]?.version === version ? version : undefined));
  }

  async remove({ kind, name }: DocumentKey, version: string, { signal }: CallBounds): Promise<boolean> {
    const text = `DELETE FROM ${this.#name} WHERE kind = ? AND name = ? AND version = ?`;
    return (await this.#change('Removing', text, [bytes(kind), bytes(name), bytes(version)], signal)) > 0;
  }

  async list(prefix: string, { signal }: CallBounds): Promise<readonly string[]> {
    const text = `SELECT name FROM ${this.#name} WHERE kind = ? AND name LIKE ? ESCAPE '|' AND ${unforgotten}`;
    const values = [bytes('election'), bytes(likePrefix(prefix))];
    const { rows } = await this.#statements.run('Listing', { text, values }, signal);
    return rows.map(([name]) => textOf(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#statements[Symbol.asyncDispose]();
  }

  /** Without IGNORE, which would pass over more than a document that is there already. */
  async #insert(values: readonly SqlValue[], signal: AbortSignal): Promise<boolean> {
    const text = `INSERT INTO ${this.#name} (${columns}) VALUES (?, ?, CONVERT(? USING utf8mb4), ?, ${after()}, ${after()})`;
    try {
      return (await this.#change('Writing', text, values, signal)) > 0;
    } catch (error) {
      if (errorFields(errorFields(error).cause).errno === duplicateKey) return false;
      throw error;
    }
  }

  async #change(
    what: string,
    text: string,
    values: readonly SqlValue[],
    signal: AbortSignal,
  ): Promise<number> {
    const judge = ({ inTransaction }: Answer) =>
      inTransaction ? withoutAutocommit(this.description, true) : undefined;
    const { changed } = await this.#statements.run(what, { text, values }, signal, judge);
    this.#statements.tookWrites = true;
    return changed;
  }

  #newId(): string {
    return Buffer.from(this.#runtime.random.bytes(16)).toString('hex');
  }
}

/** From when the statement runs; UTC, since connections may have time zones of their own. */
const after = (microseconds = '?') => `UTC_TIMESTAMP(6) + INTERVAL ${microseconds} MICROSECOND`;
const times = ({ ttlMs, keepMs }: Pick<DocumentWrite, 'ttlMs' | 'keepMs'>) =>
  [ttlMs, keepMs].map((ms) => (ms === undefined ? null : Math.ceil(ms * 1000)));
/** What nobody is to see any more, whether it was swept away already or not. */
const unforgotten = '(keep_until IS NULL OR keep_until >= UTC_TIMESTAMP(6))';

/** The driver gives bytes or text, by the character set. */
function textOf(value: unknown): string {
  return value instanceof Uint8Array ? new TextDecoder().decode(value) : String(value ?? '');
}

function statementsOn(
  { description, pool }: ConnectedMysql,
  table: string,
  runtime: Runtime,
  privileges = 'SELECT, INSERT, UPDATE, DELETE',
): Statements {
  const named = { table: table === usualTable ? undefined : table };
  const migration = migrationBy('mysql', 'migrateMysql', named);
  const passwordIn = 'MYSQL_PWD (which openStore and the commands read)';
  const grant = `GRANT ${privileges} ON ${quoteTable(table, '`')} TO its user`;
  return new Statements({
    service: { description, table, migration, grant, passwordIn },
    pool,
    classify,
    runtime,
  });
}
