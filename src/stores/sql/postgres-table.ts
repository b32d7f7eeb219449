/** The table of the PostgreSQL store: its SQL, making it, and whether what is there is one. */
import { ConclaveError } from '../../errors/index.ts';
import { checkNames } from '../../errors/option-names.ts';
import { checkTable, explain, quoteTable } from './failures.ts';
import { classify } from './postgres-errors.ts';
import type { Statements } from './statements.ts';

/** 'postgresql' is also what speaks for Aurora, AlloyDB, Cloud SQL and the like: one server that writes. */
export type PostgresDialect = 'postgresql' | 'cockroachdb' | 'yugabytedb';

export interface PostgresTableOptions {
  /** `name` or `schema.name` of letters, digits and `_`. Default 'conclave_documents'. */
  readonly table?: string | undefined;
  /** Default 'postgresql'. The others have many clocks and no notifications. */
  readonly dialect?: PostgresDialect | undefined;
}

/** Checked, with its defaults. */
export interface PostgresTablePlace {
  readonly table: string;
  readonly dialect: PostgresDialect;
}

const tableVersion = '1';
const dialects: readonly unknown[] = ['postgresql', 'cockroachdb', 'yugabytedb'];
export const columns = 'kind, name, text, version, expires_at, keep_until';

export const dialectNames = {
  postgresql: 'PostgreSQL',
  cockroachdb: 'CockroachDB',
  yugabytedb: 'YugabyteDB',
} as const;

/** The SQL that makes the table, for migrations of your own. @throws 'invalid-argument' */
export function postgresSchema(options: PostgresTableOptions = {}): readonly string[] {
  // Those of the migration will do, too.
  checkNames('The options of postgresSchema', options, ['table', 'dialect', 'client', 'url']);
  const { table, dialect } = checkTableOptions(options);
  const [name, index] = [quoteTable(table, '"'), `"${table.split('.').at(-1)?.slice(0, 52)}_keep_until"`];
  const plain = dialect !== 'postgresql';
  // Bytes in order, whatever the database's collation; room for the next version of a row beside it.
  const [collate, room] = plain ? ['', ''] : [' COLLATE "C"', ' WITH (fillfactor = 50)'];
  return [
    `CREATE TABLE IF NOT EXISTS ${name} (
  kind text${collate} NOT NULL,
  name text${collate} NOT NULL,
  text text NOT NULL,
  version text NOT NULL,
  expires_at timestamptz,
  keep_until timestamptz,
  PRIMARY KEY (kind, name)
)${room}`,
    `CREATE INDEX IF NOT EXISTS ${index} ON ${name} (keep_until) WHERE keep_until IS NOT NULL`,
    `INSERT INTO ${name} (kind, name, text, version) VALUES ('table', '', '${tableVersion}', 'made')
ON CONFLICT (kind, name) DO NOTHING`,
  ];
}

export class PostgresTable {
  readonly #statements: Statements;
  readonly #where: PostgresTablePlace;

  constructor(statements: Statements, where: PostgresTablePlace) {
    this.#statements = statements;
    this.#where = where;
  }

  /** @throws ConclaveError where it is missing, another table, or on a server that is of no use. */
  async check(signal: AbortSignal): Promise<void> {
    if ((await this.#look(signal)) === 'missing') throw this.#missing();
  }

  /** Makes it where there is none. False: there was one. */
  async migrate(signal: AbortSignal): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      if ((await this.#look(signal)) === 'ready') return attempt > 1;
      if (attempt === 10) throw this.#missing();
      try {
        for (const text of postgresSchema(this.#where)) {
          await this.#statements.run('Making the table', { text, values: [] }, signal);
        }
      } catch (error) {
        // Two who make one table at the same time meet in the catalogue.
        if (!ConclaveError.is(error) || !isRaceForName(error.cause)) throw this.#maySay(error);
      }
    }
  }

  async #look(signal: AbortSignal): Promise<'missing' | 'ready'> {
    const { service } = this.#statements;
    await this.#checkServer(signal);
    const name = quoteTable(this.#where.table, '"');
    const text = `SELECT (SELECT text FROM ${name} WHERE kind = 'table' AND name = ''),
(SELECT count(*) FROM (SELECT ${columns} FROM ${name} LIMIT 0) AS shape)::text`;
    let version: unknown;
    try {
      const { rows } = await this.#statements.run('Connecting', { text, values: [] }, signal);
      version = rows[0]?.[0] ?? null;
    } catch (error) {
      if (ConclaveError.is(error) && classify(error.cause) === 'missing-table') return 'missing';
      throw error;
    }
    if (version === null) return 'missing';
    if (version === tableVersion) return 'ready';
    const message = `The table ${service.table} in ${service.description} has version ${version}; this release of Conclave works with version ${tableVersion}. Use the release that made it, or another table.`;
    throw new ConclaveError('data-incompatible', message);
  }

  /**
   * A relative that answers the same protocol judges sessions by more than one clock; a standby takes no writes. Two
   * processes that disagree on the dialect would judge by different clocks, and both lead.
   */
  async #checkServer(signal: AbortSignal): Promise<void> {
    const { service } = this.#statements;
    const { dialect } = this.#where;
    const text = `SELECT version(), current_setting('transaction_read_only'), ${dialect === 'postgresql' ? `pg_is_in_recovery()::text` : `'false'`}`;
    const { rows } = await this.#statements.run('Connecting', { text, values: [] }, signal);
    const [server, readOnly, recovering] = (rows[0] ?? []).map(String);
    const met = dialectOf(server ?? '');
    if (met !== dialect) {
      const remedy =
        met === 'postgresql' ? `leave out dialect: '${dialect}'` : `say so with dialect: '${met}'`;
      const message = `${service.description} is ${dialectNames[met]}: ${remedy}, in every process.`;
      throw new ConclaveError('failed-precondition', message);
    }
    if (recovering !== 'true' && readOnly !== 'on') return;
    const says = () =>
      recovering === 'true'
        ? 'met a standby, which takes no writes and may be behind: connect to the primary'
        : 'met sessions that take no writes (default_transaction_read_only is on)';
    throw explain(service, 'Connecting', 'read-only', undefined, { says });
  }

  /** Who may not make it needs another permission than who uses it. */
  #maySay(error: unknown): unknown {
    if (!ConclaveError.is(error) || classify(error.cause) !== 'not-allowed') return error;
    const [schema = '', inSchema] = this.#where.table.split('.');
    const says = () =>
      `lacks a permission: run the migration as a user who has CREATE on the schema ${inSchema === undefined ? 'public' : schema}`;
    return explain(this.#statements.service, 'Making the table', 'not-allowed', error.cause, { says });
  }

  #missing(): ConclaveError {
    return explain(this.#statements.service, 'Connecting', 'missing-table', undefined);
  }
}

/** By what the server says of itself, as "PostgreSQL 15.2-YB-2025.1.0.0-b0 on …". */
function dialectOf(version: string): PostgresDialect {
  if (/CockroachDB/.test(version)) return 'cockroachdb';
  return version.includes('-YB-') ? 'yugabytedb' : 'postgresql';
}

/** Making the same table, index or type at the same time. */
function isRaceForName(cause: unknown): boolean {
  const { code } = cause as { readonly code?: unknown };
  return ['42P07', '42710', '23505', 'XX000', '40001'].includes(String(code));
}

export function checkTableOptions(options: PostgresTableOptions): PostgresTablePlace {
  const { dialect = 'postgresql' } = options;
  if (!dialects.includes(dialect)) {
    const message = `dialect must be one of ${dialects.join(', ')}, not ${JSON.stringify(dialect)}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  return { table: checkTable(options.table ?? 'conclave_documents'), dialect };
}
