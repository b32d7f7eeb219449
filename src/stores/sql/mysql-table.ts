/** The table of the MySQL store: its SQL, making it, and whether what is there is one. */
import { ConclaveError } from '../../errors/index.ts';
import { checkNames } from '../../errors/option-names.ts';
import { checkTable, explain, quoteTable, type SqlService } from './failures.ts';
import { classify } from './mysql-errors.ts';
import type { Statements } from './statements.ts';

export interface MysqlTableOptions {
  /** `name` or `database.name` of letters, digits and `_`. Default 'conclave_documents'. */
  readonly table?: string | undefined;
}

const tableVersion = '1';
export const columns = 'kind, name, text, version, expires_at, keep_until';
/** Those whose changes survive a crash, and are made as a whole or not at all. */
const engines = ['innodb', 'ndbcluster', 'rocksdb'];

export const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');

/** The SQL that makes the table, for migrations of your own. @throws 'invalid-argument' */
export function mysqlSchema(options: MysqlTableOptions = {}): readonly string[] {
  // Those of the migration will do, too.
  checkNames('The options of mysqlSchema', options, ['table', 'client', 'url']);
  const name = quoteTable(checkTable(options.table ?? 'conclave_documents'), '`');
  return [
    `CREATE TABLE IF NOT EXISTS ${name} (
  kind varbinary(16) NOT NULL,
  name varbinary(1024) NOT NULL,
  text mediumtext CHARACTER SET utf8mb4 NOT NULL,
  version varbinary(64) NOT NULL,
  expires_at datetime(6),
  keep_until datetime(6),
  PRIMARY KEY (kind, name),
  KEY keep_until (keep_until)
) ENGINE = InnoDB`,
    `INSERT IGNORE INTO ${name} (kind, name, text, version) VALUES ('table', '', '${tableVersion}', 'made')`,
  ];
}

export class MysqlTable {
  readonly #statements: Statements;
  readonly #table: string;

  constructor(statements: Statements, table: string) {
    this.#statements = statements;
    this.#table = table;
  }

  /** @throws ConclaveError where it is missing, another table, or on a server that is of no use. */
  async check(signal: AbortSignal): Promise<void> {
    const found = await this.#look(signal).catch((error: unknown) => {
      throw this.#maybeMissing(error);
    });
    if (found === 'missing') throw this.#missing();
  }

  /** Makes it where there is none. False: there was one. */
  async migrate(signal: AbortSignal): Promise<boolean> {
    if ((await this.#look(signal)) === 'ready') return false;
    for (const text of mysqlSchema({ table: this.#table })) {
      await this.#statements.run('Making the table', { text, values: [] }, signal);
    }
    await this.check(signal);
    return true;
  }

  async #look(signal: AbortSignal): Promise<'missing' | 'ready'> {
    const { service } = this.#statements;
    await this.#checkServer(signal);
    const name = quoteTable(this.#table, '`');
    const text = `SELECT (SELECT CAST(text AS BINARY) FROM ${name} WHERE kind = 'table' AND name = ''),
(SELECT COUNT(*) FROM (SELECT ${columns} FROM ${name} LIMIT 0) AS shape)`;
    let version: unknown;
    try {
      const { rows } = await this.#statements.run('Connecting', { text, values: [] }, signal);
      version = rows[0]?.[0] ?? null;
    } catch (error) {
      if (ConclaveError.is(error) && classify(error.cause) === 'missing-table') return 'missing';
      throw error;
    }
    await this.#checkShape(signal);
    if (version === null) return 'missing';
    if (String(version) === tableVersion) return 'ready';
    const message = `The table ${service.table} in ${service.description} has version ${version}; this release of Conclave works with version ${tableVersion}. Use the release that made it, or another table.`;
    throw new ConclaveError('data-incompatible', message);
  }

  /** A user who may write on a replica would write past the primary; without autocommit nothing is ever committed. */
  async #checkServer(signal: AbortSignal): Promise<void> {
    const text = 'SELECT CAST(@@global.read_only AS CHAR), CAST(@@autocommit AS CHAR)';
    const { rows } = await this.#statements.run('Connecting', { text, values: [] }, signal);
    const [readOnly = '', autocommit = ''] = (rows[0] ?? []).map(String);
    const { service } = this.#statements;
    if (!isOff(readOnly)) {
      const says = () => 'met a server whose read_only is on, as on a replica: connect to the primary';
      throw explain(service, 'Connecting', 'read-only', undefined, { says });
    }
    if (isOff(autocommit)) throw withoutAutocommit(service.description, false);
  }

  /** Where the key is missing, two could insert one document; where it is text, names that differ by case are one. */
  async #checkShape(signal: AbortSignal): Promise<void> {
    const [name = '', database] = this.#table.split('.').reverse();
    const from = (what: string) => `information_schema.${what} WHERE table_schema = COALESCE(?, DATABASE())
AND table_name = ?`;
    const text = `SELECT (SELECT COUNT(*) FROM ${from('columns')}
AND column_name IN ('kind', 'name') AND column_key = 'PRI' AND data_type = 'varbinary'),
(SELECT MAX(engine) FROM ${from('tables')})`;
    const where = [database === undefined ? null : bytes(database), bytes(name)];
    const { rows } = await this.#statements.run('Connecting', { text, values: [...where, ...where] }, signal);
    const [keys, engine] = rows[0] ?? [];
    if (Number(keys) >= 2 && engines.includes(String(engine).toLowerCase())) return;
    const { service } = this.#statements;
    const message = `The table ${service.table} in ${service.description} has another key or engine (${engine}) than ${service.migration} gives it: make it anew by that, or by its SQL.`;
    throw new ConclaveError('data-incompatible', message);
  }

  /** Who has no right to a table is not told that there is none. */
  #maybeMissing(error: unknown): unknown {
    if (!ConclaveError.is(error) || classify(error.cause) !== 'not-allowed') return error;
    const says = ({ grant, table, migration }: SqlService) =>
      `lacks a permission: ${grant}. Perhaps there is no table ${table} either, which the server tells nobody without it: make it, once, by ${migration}`;
    return explain(this.#statements.service, 'Connecting', 'not-allowed', error.cause, { says });
  }

  #missing(): ConclaveError {
    return explain(this.#statements.service, 'Connecting', 'missing-table', undefined);
  }
}

/** What is ON in one release is 1, or a kind of it, in another. */
export function isOff(setting: string): boolean {
  return setting === '0' || setting.toUpperCase() === 'OFF';
}

/** `passes`: it was one connection, which is given up, and what it did not commit is rolled back. */
export function withoutAutocommit(description: string, passes: boolean): ConclaveError {
  const message = `A connection to ${description} is in a transaction, or has autocommit off: give the store a pool of its own, whose connections have it on.`;
  return new ConclaveError('failed-precondition', message, { retryable: passes });
}
