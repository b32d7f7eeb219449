/**
 * A user's PostgreSQL as a lease store, by the drivers `pg` and `postgres`: one table, a row for each election and each
 * session. CockroachDB and YugabyteDB by `dialect`.
 *
 * Guarantees: each change is one statement under a condition on the row's version, which is random and never comes
 * again; one clock, the server's, says when a session is over, and is read while the statement runs; an answered write
 * was flushed to disk, also where `synchronous_commit` is off; a standby is refused.
 *
 * Must not: keep anything in a connection that a pooler may share (names of statements are kept in those that are surely
 * its own, as is the one that listens), hold a transaction open, or take a notification for more than a hint.
 */
import type { LeaseStore } from '../election/store.ts';
import { nodeRuntime, type Runtime } from '../runtime/index.ts';
import {
  type CallBounds,
  checkOptions,
  type DocumentChange,
  type DocumentDriver,
  type DocumentKey,
  type DocumentStoreOptions,
  type DocumentTraits,
  type DocumentWrite,
  documentStore,
  documentStoreOptionNames,
  type Led,
  type Renewal,
  type StoredDocument,
} from './documents/index.ts';
import type { Answer, Row, Statement } from './sql/connections.ts';
import { likePrefix, quoteTable } from './sql/failures.ts';
import { type NotificationOptions, notifications } from './sql/notifications.ts';
import { changeOf, payloadOf } from './sql/payloads.ts';
import { PostgresBonds } from './sql/postgres-bonds.ts';
import {
  type ConnectedPostgres,
  connectPostgres,
  type PostgresClient,
  type PostgresPool,
} from './sql/postgres-clients.ts';
import { statementsOn, whereNames } from './sql/postgres-migration.ts';
import {
  checkTableOptions,
  columns,
  dialectNames,
  type PostgresDialect,
  PostgresTable,
  type PostgresTableOptions,
  type PostgresTablePlace,
  postgresSchema,
} from './sql/postgres-table.ts';
import { clockErrorMs, clusterTraits, serverTraits } from './sql/postgres-traits.ts';
import type { Statements } from './sql/statements.ts';
import { Sweeper, sweptAtATime } from './sql/sweeper.ts';

export { migratePostgres, type PostgresMigrationOptions } from './sql/postgres-migration.ts';
export { type PostgresClient, type PostgresDialect, type PostgresTableOptions, postgresSchema };

export interface PostgresStoreOptions extends PostgresTableOptions, DocumentStoreOptions {
  /** Your own `Pool` of `pg`, or `sql` of `postgres`; it stays open. */
  readonly client?: PostgresClient | undefined;
  /** Instead of `client`: `postgres://user:password@host:5432/database`, for five connections by `pg` or `postgres`. */
  readonly url?: string | undefined;
  /**
   * Listens for changes, on a connection besides the others. False: who waits looks every `pollMs`; for a pooler that
   * shares connections between transactions. Default true; never on the other dialects.
   */
  readonly listen?: boolean | undefined;
}

/** @throws ConclaveError 'invalid-argument' for a malformed url, table name, dialect or duration. */
export function postgresStore(options: PostgresStoreOptions): LeaseStore {
  const known = [...documentStoreOptionNames, ...whereNames, 'listen'];
  checkOptions('The options of postgresStore', options, known);
  const { timeoutMs, pollMs, runtime = nodeRuntime() } = options;
  return documentStore(postgresDriver({ ...options, runtime }), { timeoutMs, pollMs, runtime });
}

/** @internal for tests */
export function postgresDriver(options: PostgresStoreOptions): DocumentDriver {
  const { client, url, listen = true, runtime = nodeRuntime() } = options;
  const where = checkTableOptions(options);
  const connected = connectPostgres({ client, url }, dialectNames[where.dialect]);
  return new PostgresDriver(connected, where, listen, runtime);
}

class PostgresDriver implements DocumentDriver {
  readonly description: string;
  readonly traits: DocumentTraits;
  readonly changes?: NonNullable<DocumentDriver['changes']>;
  readonly bonds?: PostgresBonds;
  readonly #where: PostgresTablePlace;
  readonly #name: string;
  readonly #oneServer: boolean;
  readonly #runtime: Runtime;
  readonly #statements: Statements<PostgresPool>;
  readonly #sweeper: Sweeper;
  readonly #probeChannel: string;

  constructor(
    { description, pool }: ConnectedPostgres,
    where: PostgresTablePlace,
    listen: boolean,
    runtime: Runtime,
  ) {
    this.description = description;
    this.#where = where;
    this.#name = quoteTable(where.table, '"');
    this.#oneServer = where.dialect === 'postgresql';
    this.#runtime = runtime;
    this.traits = {
      ...(this.#oneServer ? serverTraits : clusterTraits),
      consistency: 'linearizable',
      forgets: true,
      changesAreOpen: true,
    };
    this.#statements = statementsOn(description, pool, where, runtime);
    this.#sweeper = new Sweeper(this.#statements, runtime, {
      text: `DELETE FROM ${this.#name} WHERE keep_until < now() AND (kind, name) IN
(SELECT kind, name FROM ${this.#name} WHERE keep_until < now() LIMIT ${sweptAtATime})`,
      values: [],
    });
    // More than one server would each keep locks of its own.
    if (this.#oneServer) {
      this.bonds = new PostgresBonds({
        ...{ description, runtime, pool: () => this.#statements.pool() },
        explained: (error) => this.#statements.explained('Binding a session', error),
      });
    }
    this.#probeChannel = `conclave_${this.#newId()}`;
    if (listen && this.#oneServer) {
      this.changes = (signal) => this.#changes(AbortSignal.any([signal, this.#statements.closed]));
    }
  }

  async open({ signal }: CallBounds): Promise<void> {
    await new PostgresTable(this.#statements, this.#where).check(signal);
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
    const pairs = keys.map((_, at) => `($${2 * at + 1}, $${2 * at + 2})`).join(', ');
    const left = 'ceil(extract(epoch FROM expires_at - clock_timestamp()) * 1000)::bigint::text';
    // The first row tells of the server, also where no document is found: a standby's answers may be old.
    const guard = `SELECT '' AS kind, '' AS name, '' AS text, '' AS version, pg_is_in_recovery()::text AS state UNION ALL `;
    const text = `${this.#oneServer ? guard : ''}SELECT kind, name, text, version, ${this.#oneServer ? left : 'NULL'}
FROM ${this.#name} WHERE (kind, name) IN (${pairs}) AND ${unforgotten}`;
    const values = keys.flatMap(({ kind, name }) => [kind, name]);
    const judge = ({ rows }: Answer) =>
      rows.some(([kind, , , , state]) => kind === '' && state === 'true') ? 'read-only' : undefined;
    const recurs = keys.length <= 2;
    const { rows } = await this.#statements.run('Reading', { text, values, recurs }, signal, judge);
    const found = new Map(rows.map((row) => [`${row[0]} ${row[1]}`, row]));
    return keys.map(({ kind, name }) => {
      const row = found.get(`${kind} ${name}`);
      if (row === undefined) return undefined;
      const [, , document, version, leftMs] = row;
      const stored = { text: String(document), version: String(version) };
      return leftMs === null ? stored : { ...stored, leftMs: Number(leftMs) };
    });
  }

  async write(
    key: DocumentKey,
    text: string,
    { replaces, ttlMs, keepMs, leads }: DocumentWrite,
    { signal }: CallBounds,
  ): Promise<string | undefined> {
    const version = this.#newId();
    const values = [key.kind, key.name, text, version, ...this.#times({ ttlMs, keepMs })];
    const [expires, keep] = [after('$5'), after('$6')];
    const change =
      replaces === undefined
        ? `INSERT INTO ${this.#name} AS stored (${columns}) VALUES ($1, $2, $3, $4, ${expires}, ${keep})
ON CONFLICT (kind, name) DO UPDATE SET text = $3, version = $4, expires_at = ${expires}, keep_until = ${keep}
WHERE stored.keep_until < clock_timestamp() RETURNING 1`
        : `UPDATE ${this.#name} SET text = $3, version = $4, expires_at = ${expires}, keep_until = ${keep}
WHERE kind = $1 AND name = $2 AND version = $7 RETURNING 1`;
    const all = replaces === undefined ? values : [...values, replaces];
    const statement = { text: change, values: all, recurs: true };
    const changed = (await this.#change('Writing', key, statement, signal, leads)).length > 0;
    if (changed) this.#sweeper.sweepIfDue();
    return changed ? version : undefined;
  }

  async renewMany(
    renewals: readonly Renewal[],
    { signal }: CallBounds,
  ): Promise<readonly (string | undefined)[]> {
    const versions = renewals.map(() => this.#newId());
    const [first] = renewals;
    if (first === undefined) return [];
    const values = renewals.flatMap(({ key, text, replaces, ...times }, at) => [
      ...[key.name, text, versions[at] ?? ''],
      ...[...this.#times(times), replaces],
    ]);
    const rows = renewals.map(
      (_, at) => `(${[1, 2, 3, 4, 5, 6].map((column) => `$${6 * at + column}`).join(', ')})`,
    );
    const text = `UPDATE ${this.#name} AS stored SET text = renewal.text, version = renewal.version,
expires_at = ${after('renewal.expires')}, keep_until = ${after('renewal.keep')}
FROM (VALUES ${rows.join(', ')}) AS renewal (name, text, version, expires, keep, replaces)
WHERE stored.kind = 'session' AND stored.name = renewal.name AND stored.version = renewal.replaces RETURNING stored.name`;
    const changed = await this.#change('Renewing', first.key, { text, values }, signal);
    const names = new Set(changed.map(([name]) => name));
    return versions.map((version, at) => (names.has(renewals[at]?.key.name ?? '') ? version : undefined));
  }

  #times({ ttlMs, keepMs }: Pick<DocumentWrite, 'ttlMs' | 'keepMs'>): readonly (string | null)[] {
    // Many clocks judge when a row may be forgotten, so all must agree that its time is over.
    const kept = keepMs === undefined || this.#oneServer ? keepMs : keepMs + clockErrorMs;
    return [this.#oneServer ? ttlMs : undefined, kept].map((ms) => (ms === undefined ? null : String(ms)));
  }

  async remove(key: DocumentKey, version: string, { signal }: CallBounds): Promise<boolean> {
    const text = `DELETE FROM ${this.#name} WHERE kind = $1 AND name = $2 AND version = $3 RETURNING 1`;
    const statement = { text, values: [key.kind, key.name, version], recurs: true };
    const removed = await this.#change('Removing', key, statement, signal);
    return removed.length > 0;
  }

  async list(prefix: string, { signal }: CallBounds): Promise<readonly string[]> {
    const text = `SELECT name FROM ${this.#name} WHERE kind = 'election' AND name LIKE $1 ESCAPE '|'
AND ${unforgotten}`;
    const { rows } = await this.#statements.run('Listing', { text, values: [likePrefix(prefix)] }, signal);
    return rows.map(([name]) => String(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#statements[Symbol.asyncDispose]();
  }

  /** One statement, and with it, committed together, word of what changed. Gives what it returns. */
  async #change(
    what: string,
    { kind, name }: DocumentKey,
    statement: Statement,
    signal: AbortSignal,
    leads?: Led,
  ): Promise<readonly Row[]> {
    const { text } = statement;
    const all = [...statement.values];
    let whole = text;
    if (this.#oneServer) {
      // Nobody waits for a session or the counter: while this server's clock runs, their changes only put ends off.
      const told = kind === 'election';
      if (told) all.push(this.#channel, payloadOf(name, leads));
      // A write that a crash may still take back must not be answered. The setting ends with this statement.
      whole = `WITH done AS (${text}) SELECT done.*, ${told ? `pg_notify($${all.length - 1}, $${all.length}), ` : ''}
CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', true) END FROM done`;
    }
    const { rows } = await this.#statements.run(what, { ...statement, text: whole, values: all }, signal);
    this.#statements.tookWrites = true;
    return rows;
  }

  /** Without the schema, which one may leave out and another write; a payload is below 2 KB, of at most 8. */
  get #channel(): string {
    return this.#where.table.split('.').at(-1) ?? '';
  }

  #changes(signal: AbortSignal): AsyncGenerator<DocumentChange, void, undefined> {
    const options: NotificationOptions = {
      source: {
        listen: async (channels, handlers) => (await this.#statements.pool()).listen(channels, handlers),
      },
      ...{ channel: this.#channel, probeChannel: this.#probeChannel },
      notify: (channel, until) =>
        this.#statements.run('Probing', { text: `SELECT pg_notify($1, '')`, values: [channel] }, until),
      ...{ description: this.description, runtime: this.#runtime, signal },
    };
    return notifications(options, changeOf);
  }

  #newId(): string {
    return Buffer.from(this.#runtime.random.bytes(16)).toString('hex');
  }
}

/** So many milliseconds from when the statement runs. */
const after = (value: string) => `clock_timestamp() + ${value}::float8 * interval '1 millisecond'`;

/** What nobody is to see any more, whether it was swept away already or not. */
const unforgotten = '(keep_until IS NULL OR keep_until >= clock_timestamp())';
