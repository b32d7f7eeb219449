/** The driver `pg`: a Pool, or one Client. */
import { ConclaveError } from '../../errors/index.ts';
import type { Statement } from './dialect.ts';
import type { BeginOptions, Driver, Session } from './driver.ts';
import { abortable } from './exclusive.ts';
import { guardHandle, type HandleRules } from './handle.ts';
import { postgresDialect } from './postgres-dialect.ts';

/** What is used of a `Client` of `pg`. */
export interface PgClient {
  query(query: { text: string; values: unknown[]; rowMode: 'array' }): Promise<{ rows: unknown[] }>;
  query(text: string): Promise<unknown>;
  on(event: string, listener: (argument: never) => void): unknown;
  removeListener(event: string, listener: (argument: never) => void): unknown;
  end(): Promise<void>;
  release?(broken?: boolean): void;
}

/** What is used of a `Pool` of `pg`. */
export interface PgPool {
  readonly totalCount: number;
  connect(): Promise<PgClient>;
}

const rules: HandleRules = {
  forbidden: ['release', 'end', 'connect'],
  statements: ['query'],
  inner: [],
};

export function pgDriver(db: PgPool | PgClient): Driver<PgClient> {
  const pool = 'totalCount' in db;
  return {
    dialect: postgresDialect,
    key: db,
    exclusive: !pool,
    reopens: pool,
    guard: (handle, scope) => guardHandle(handle, scope, rules),
    async open(signal) {
      if (!pool) return new PgSession(db, false);
      const late = (client: PgClient) => client.release?.();
      return new PgSession(await abortable(db.connect(), signal, 'Waiting for a connection', late), true);
    },
  };
}

export async function pgQuery(client: PgClient, { text, values }: Statement): Promise<readonly unknown[][]> {
  const { rows } = await client.query({ text, values: [...values], rowMode: 'array' });
  return rows as unknown[][];
}

class PgSession implements Session<PgClient> {
  readonly handle: PgClient;
  broken = false;
  readonly #pooled: boolean;
  #released = false;
  /** A client that is checked out and loses its connection while idle would end the process otherwise. */
  readonly #onError = () => {
    this.broken = true;
  };

  /** `pooled`: the connection is ours to give back. */
  constructor(client: PgClient, pooled: boolean) {
    this.handle = client;
    this.#pooled = pooled;
    client.on('error', this.#onError);
    client.on('end', this.#onError);
  }

  async begin({ isolation, lockTimeoutMs, idleTimeoutMs }: BeginOptions): Promise<void> {
    let nested = false;
    const onNotice = (notice: { readonly code?: string }) => {
      if (notice.code === '25001') nested = true;
    };
    this.handle.on('notice', onNotice);
    try {
      await this.handle.query(`BEGIN${isolation === undefined ? '' : ` ISOLATION LEVEL ${isolation}`}`);
    } finally {
      this.handle.removeListener('notice', onNotice);
    }
    if (nested) throw alreadyInTransaction();
    await this.handle.query(transactionSettings(lockTimeoutMs, idleTimeoutMs));
  }

  async query(statement: Statement, signal?: AbortSignal): Promise<readonly unknown[][]> {
    // Only a connection of a pool can be given up; the server rolls back as soon as it notices.
    if (!this.#pooled) signal = undefined;
    const giveUp = () => void this.release(true);
    signal?.addEventListener('abort', giveUp);
    try {
      return await pgQuery(this.handle, statement);
    } catch (error) {
      if (signal?.aborted) throw ConclaveError.aborted('Waiting for the fence', signal);
      throw error;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  async commit(): Promise<void> {
    await this.handle.query('COMMIT');
  }

  async rollback(): Promise<void> {
    if (this.broken) throw new ConclaveError('unavailable', 'The connection is broken.');
    await this.handle.query('ROLLBACK');
  }

  async release(broken: boolean): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    if (broken) this.broken = true;
    // The listener for errors stays on what is thrown away.
    if (!broken) {
      this.handle.removeListener('error', this.#onError);
      this.handle.removeListener('end', this.#onError);
    }
    if (this.#pooled) this.handle.release?.(broken);
    else if (broken) void this.handle.end().catch(() => {});
  }
}

export function alreadyInTransaction(): ConclaveError {
  return new ConclaveError(
    'failed-precondition',
    'The connection is in a transaction already, which fenced() must not end: hand it a pool, or use takeFence() in that transaction.',
  );
}

/** For this transaction only. */
export function transactionSettings(lockTimeoutMs: number, idleTimeoutMs: number): string {
  return `SET LOCAL lock_timeout = ${lockTimeoutMs}; SET LOCAL idle_in_transaction_session_timeout = ${idleTimeoutMs}`;
}
