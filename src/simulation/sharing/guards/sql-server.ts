import type { Draw } from '../../world/random.ts';
import { eventKinds, type ScheduledEvent } from '../../world/scheduler.ts';
import type { World } from '../../world/world.ts';
import { SqlLocks } from './sql-locks.ts';
import {
  type Assignment,
  type Expression,
  parseStatement,
  type Row,
  type Statement,
  type Value,
} from './sql-statements.ts';
import { NotSimulated } from './wire.ts';

export type SqlFlavour = 'postgres' | 'mysql';
export type SqlFault = 'aborted' | 'lock-timeout' | 'duplicate' | 'no-savepoint';

/** The server refuses; the client's kind of database says by which codes. */
export class SqlRefusal extends Error {
  readonly fault: SqlFault;

  constructor(fault: SqlFault) {
    super(`the simulated database refuses: ${fault}`);
    this.fault = fault;
  }
}

/** The server has closed the connection. */
export class SessionOver extends Error {}

interface Transaction {
  /** From the first write on. */
  id: number | undefined;
  readonly writes: Map<string, Row>;
  readonly savepoints: Set<string>;
  /** PostgreSQL: a statement failed, and nothing is done any more until it is rolled back. */
  failed: boolean;
  /** MySQL: what plain reads see, made by the first of them. */
  snapshot: ReadonlyMap<string, Row> | undefined;
}

export interface SqlSession {
  over: boolean;
  transaction: Transaction | undefined;
  lockTimeoutMs: number;
  idleTimeoutMs: number;
  autocommit: boolean;
  idle: ScheduledEvent | undefined;
  onOver: (() => void) | undefined;
}

export interface SqlServerParts {
  readonly world: World;
  readonly random: Draw;
  readonly flavour: SqlFlavour;
  readonly onCommitted: (writes: ReadonlyMap<string, Row>) => void;
}

/** The first column is the key. */
const tables: Readonly<Record<string, Row>> = {
  conclave_fence: { resource: '', election: '', token: 0, attempt: '', previous_attempt: '', version: 1 },
  account: { id: 0, content: '' },
};

/**
 * Sessions, transactions and row locks of PostgreSQL (read committed) or of MySQL (repeatable read), as far as the
 * statements need them that the guards send: a writer of a row waits for the transaction that holds it, a plain read
 * does not; nothing is seen before its commit, and all of it after; a session that ends rolls back.
 */
export class SqlServer {
  readonly #parts: SqlServerParts;
  #committed: ReadonlyMap<string, Row> = new Map([['account/1', { id: 1, content: '' }]]);
  readonly #locks: SqlLocks<Transaction>;
  readonly #sessions = new Set<SqlSession>();
  #transactions = 0;

  constructor(parts: SqlServerParts) {
    this.#parts = parts;
    this.#locks = new SqlLocks(parts.world, () => new SqlRefusal('lock-timeout'));
  }

  open(): SqlSession {
    const session: SqlSession = {
      ...{ over: false, transaction: undefined, lockTimeoutMs: 50_000, idleTimeoutMs: 0 },
      ...{ autocommit: true, idle: undefined, onOver: undefined },
    };
    this.#sessions.add(session);
    return session;
  }

  /** The server notices so late that its client is gone. */
  clientGone(session: SqlSession, soon: boolean): void {
    const { world, random } = this.#parts;
    const inMs = soon ? random.between(0, 30) : random.between(0, 2500);
    world.scheduler.after(inMs * 1000, eventKinds.world, undefined, () => this.end(session));
  }

  end(session: SqlSession): void {
    if (session.over) return;
    session.over = true;
    this.#sessions.delete(session);
    this.#rollback(session);
    session.onOver?.();
  }

  /** All sessions end; what was committed stays. */
  restart(): void {
    for (const session of [...this.#sessions]) this.end(session);
  }

  async execute(session: SqlSession, text: string, parameters: readonly Value[]): Promise<Value[][]> {
    if (session.over) throw new SessionOver();
    this.#busy(session);
    try {
      return await this.#run(session, parseStatement(text), parameters);
    } catch (error) {
      const { transaction } = session;
      if (error instanceof SqlRefusal && transaction !== undefined && this.#parts.flavour === 'postgres')
        transaction.failed = true;
      throw error;
    } finally {
      this.#atRest(session);
    }
  }

  #busy(session: SqlSession): void {
    if (session.idle !== undefined) this.#parts.world.scheduler.cancel(session.idle);
    session.idle = undefined;
  }

  /** A transaction whose client says nothing for so long is given up with its session. */
  #atRest(session: SqlSession): void {
    if (session.over || session.idleTimeoutMs === 0 || session.transaction === undefined) return;
    const { scheduler } = this.#parts.world;
    const afterUs = session.idleTimeoutMs * 1000;
    session.idle = scheduler.after(afterUs, eventKinds.world, undefined, () => this.end(session));
  }

  async #run(session: SqlSession, statement: Statement, parameters: readonly Value[]): Promise<Value[][]> {
    if (session.transaction?.failed && statement.kind !== 'rollback' && statement.kind !== 'commit')
      throw new SqlRefusal('aborted');
    switch (statement.kind) {
      case 'begin':
        session.transaction ??= newTransaction();
        return [];
      case 'set':
        this.#set(session, statement.settings);
        return [];
      case 'commit':
        this.#commit(session);
        return [];
      case 'rollback':
        this.#rollback(session);
        return [];
      case 'savepoint':
        // Outside of a transaction it is over as soon as it is made.
        if (!session.autocommit || session.transaction !== undefined)
          this.#transactionOf(session).savepoints.add(statement.name);
        return [];
      case 'release':
        if (!session.transaction?.savepoints.delete(statement.name)) throw new SqlRefusal('no-savepoint');
        return [];
      default:
        return await this.#onRows(session, statement, parameters);
    }
  }

  #set(session: SqlSession, settings: ReadonlyMap<string, string>): void {
    const seconds = (name: string): number => Number(settings.get(name) ?? Number.NaN) * 1000;
    const lockMs = Number(settings.get('lock_timeout') ?? seconds('innodb_lock_wait_timeout'));
    const idleMs = Number(settings.get('idle_in_transaction_session_timeout') ?? seconds('wait_timeout'));
    if (!Number.isNaN(lockMs)) session.lockTimeoutMs = lockMs;
    if (!Number.isNaN(idleMs)) session.idleTimeoutMs = idleMs;
    const autocommit = settings.get('autocommit');
    if (autocommit === undefined) return;
    if (autocommit !== '0') this.#commit(session);
    session.autocommit = autocommit !== '0';
  }

  #transactionOf(session: SqlSession): Transaction {
    session.transaction ??= newTransaction();
    return session.transaction;
  }

  async #onRows(
    session: SqlSession,
    statement: Extract<Statement, { kind: 'insert' | 'select' | 'update' }>,
    parameters: readonly Value[],
  ): Promise<Value[][]> {
    const alone = session.autocommit && session.transaction === undefined;
    const transaction = this.#transactionOf(session);
    try {
      const rows = await this.#rows(session, transaction, statement, parameters);
      if (alone) this.#commit(session);
      return rows;
    } catch (error) {
      if (alone) this.#rollback(session);
      throw error;
    }
  }

  async #rows(
    session: SqlSession,
    transaction: Transaction,
    statement: Extract<Statement, { kind: 'insert' | 'select' | 'update' }>,
    parameters: readonly Value[],
  ): Promise<Value[][]> {
    const names = {
      ...{ parameters, row: {} as Row, excluded: {} as Row },
      transaction: () => transaction.id,
    };
    if (statement.kind === 'select' && statement.table === undefined)
      return [statement.columns.map((column) => column(names))];
    const table = statement.table ?? '';
    const blank = tables[table];
    if (blank === undefined) throw new NotSimulated(`The simulated database has no table ${table}.`);
    let excluded: Row = {};
    if (statement.kind === 'insert') {
      const pairs = statement.columns.map((column, at) => [
        column,
        (statement.values[at] as Expression)(names),
      ]);
      excluded = { ...blank, ...Object.fromEntries(pairs) };
    }
    const key = statement.kind === 'insert' ? firstOf(excluded) : statement.key(names);
    const at = `${table}/${key}`;
    if (statement.kind === 'select' && !statement.locks) {
      const row = transaction.writes.get(at) ?? this.#plainlySeen(transaction).get(at);
      return row === undefined ? [] : [statement.columns.map((column) => column({ ...names, row }))];
    }
    await this.#locks.take(at, transaction, session.lockTimeoutMs);
    if (session.over) throw new SessionOver();
    transaction.id ??= ++this.#transactions;
    const present = transaction.writes.get(at) ?? this.#committed.get(at);
    if (statement.kind === 'select')
      return present === undefined
        ? []
        : [statement.columns.map((column) => column({ ...names, row: present }))];
    if (statement.kind === 'update') {
      if (present !== undefined)
        transaction.writes.set(at, this.#assigned(statement.set, { ...names, row: present }));
      return [];
    }
    if (present !== undefined && statement.otherwise === undefined) throw new SqlRefusal('duplicate');
    const row =
      present === undefined
        ? excluded
        : this.#assigned(statement.otherwise ?? [], { ...names, row: present, excluded });
    transaction.writes.set(at, row);
    return statement.returning.length === 0
      ? []
      : [statement.returning.map((column) => column({ ...names, row }))];
  }

  #plainlySeen(transaction: Transaction): ReadonlyMap<string, Row> {
    if (this.#parts.flavour === 'postgres') return this.#committed;
    transaction.snapshot ??= this.#committed;
    return transaction.snapshot;
  }

  /** MySQL assigns one after the other; PostgreSQL all from the row as it was. */
  #assigned(assignments: readonly Assignment[], names: Parameters<Expression>[0]): Row {
    let row = names.row;
    for (const [column, value] of assignments) {
      const seen = this.#parts.flavour === 'mysql' ? row : names.row;
      row = { ...row, [column]: value({ ...names, row: seen }) };
    }
    return row;
  }

  /** Of one that has failed, PostgreSQL says that it is rolled back; nobody here asks. */
  #commit(session: SqlSession): void {
    const { transaction } = session;
    if (transaction === undefined || transaction.failed) return this.#rollback(session);
    if (transaction.writes.size > 0) this.#committed = new Map([...this.#committed, ...transaction.writes]);
    session.transaction = undefined;
    if (transaction.writes.size > 0) this.#parts.onCommitted(transaction.writes);
    this.#locks.release(transaction);
  }

  #rollback(session: SqlSession): void {
    const { transaction } = session;
    session.transaction = undefined;
    if (transaction !== undefined) this.#locks.release(transaction);
  }
}

function newTransaction(): Transaction {
  return { id: undefined, writes: new Map(), savepoints: new Set(), failed: false, snapshot: undefined };
}

function firstOf(row: Row): Value {
  return Object.values(row)[0] ?? null;
}
