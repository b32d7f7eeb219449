/**
 * Sessions that are bound to a connection of their holder's, on PostgreSQL: an advisory lock that the server keeps as long
 * as the connection lives, numbered by the session.
 *
 * Guarantees: the end of a lock is taken for the end of its holder only where the server says so. It drops locks, too,
 * when it ends a connection itself (pg_terminate_backend, idle_session_timeout, a shutdown), but counts those apart, in
 * `sessions_killed` and `sessions_fatal` of pg_stat_database, before the process of that connection is gone; if one of them
 * rose meanwhile, whosever session that was, nobody can tell. Who watches does so on one connection of its own from
 * before to after: a server that was started anew, or another one, has told it nothing.
 *
 * Must not: grant anything by the lock. It is a hint; what follows is the same conditional write as when a time is over.
 */
import { ConclaveError } from '../../errors/index.ts';
import { pause } from '../../runtime/pause.ts';
import type { Runtime } from '../../runtime/types.ts';
import type { Bond, Bonds, CallBounds } from '../documents/index.ts';
import type { Row, SqlPool, SqlValue } from './connections.ts';

/** A connection of the store's own, besides those of its pool. */
export interface OwnConnection {
  /** Told by the server when it was made; a pooler tells another one. */
  readonly processId: number | undefined;
  /** Aborts when it is gone. */
  readonly ended: AbortSignal;
  query(text: string, values?: readonly SqlValue[]): Promise<readonly Row[]>;
  /** Idempotent, never rejects. What it waits for is given up. */
  end(): Promise<void>;
}

export interface OwnConnections {
  /** Absent: the driver does not tell the process's number. */
  own?(): Promise<OwnConnection>;
}

export interface PostgresBondsOptions {
  readonly description: string;
  readonly runtime: Runtime;
  readonly pool: () => Promise<SqlPool & OwnConnections>;
  /** What the server or the driver refuses, in words that name the remedy. */
  readonly explained?: ((error: unknown) => unknown) | undefined;
  /** Of one statement that waits. Default 5000. */
  readonly waitMs?: number | undefined;
  /** What takes so much longer comes from a connection that died without a word. Default 5000. */
  readonly answerMs?: number | undefined;
}

/** The first to tell who ended a session, and to have told it before its process is gone. */
const leastVersion = 150_000;
/** The server's system gives up what nobody acknowledges after so long; its holder's lease must be over by then. */
const unacknowledgedMs = 900_000;
const mostTtlMs = 600_000;
const noProbesForS = 32_767;
/** A statement that waits keeps VACUUM from cleaning up what came after its beginning, so none waits for long. */
const usualWaitMs = 5000;
const usualAnswerMs = 5000;
const looks = 50;
const betweenLooksMs = 2;

/** None of our statements ends by itself but where we say so. Nothing is set on what belongs to a pooler. */
const begin = `SELECT pg_backend_pid()::text, CASE WHEN pg_backend_pid()::text = $1 THEN
set_config('statement_timeout', '0', false) || set_config('lock_timeout', $2, false) END`;
/**
 * The server must not end an idle connection by itself, nor give up before its holder does, which renews over it. Without a
 * time of its own a system gives up after some repetitions, which administrators bring down to a few seconds.
 */
const keepOpen = `SELECT set_config('idle_session_timeout', '0', false),
set_config('tcp_user_timeout', '${unacknowledgedMs}', false), set_config('tcp_keepalives_idle', '${noProbesForS}', false)`;
/** The server tells what its system took. Without an address it is no connection of a network. */
const isKeptOpen = `SELECT 1 WHERE inet_client_addr() IS NULL OR (current_setting('tcp_user_timeout') = '${unacknowledgedMs}'
AND current_setting('tcp_keepalives_idle') = '${noProbesForS}')`;
const counters = `SELECT sessions_killed || ' ' || sessions_fatal || ' ' || coalesce(stats_reset::text, 'never')
FROM pg_stat_database WHERE datname = current_database()`;
/** The lock is that one's, and not somebody else's of the same number; and it shows here when that one goes. */
const isHeld = `SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = $2::text::int AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (classid::bigint << 32) | objid::bigint = $1::text::bigint`;
const hasWaited = `SELECT current_setting('conclave.waited')`;
const isThere = 'SELECT 1 FROM pg_stat_activity WHERE pid = $1::text::int';

export class PostgresBonds implements Bonds {
  readonly #options: PostgresBondsOptions;

  constructor(options: PostgresBondsOptions) {
    this.#options = options;
  }

  async bind(session: string, ttlMs: number, bounds: CallBounds): Promise<Bond> {
    try {
      return await this.#bind(session, ttlMs, bounds);
    } catch (error) {
      throw this.#options.explained?.(error) ?? error;
    }
  }

  async #bind(session: string, ttlMs: number, { signal }: CallBounds): Promise<Bond> {
    if (ttlMs > mostTtlMs) {
      const message = `ttlMs ${ttlMs} is more than a connection can be trusted for: with releaseOnDisconnect use at most ${mostTtlMs}.`;
      throw new ConclaveError('invalid-argument', message);
    }
    const connection = await this.#connect(signal);
    const leave = () => void connection.end();
    signal.addEventListener('abort', leave);
    try {
      const version = Number(
        (await connection.query(`SELECT current_setting('server_version_num')`))[0]?.[0],
      );
      if (version < leastVersion) throw this.#unsupported('needs PostgreSQL 15 or later');
      await connection.query(keepOpen);
      if ((await connection.query(isKeptOpen)).length === 0)
        throw this.#unsupported('needs a server whose system has TCP_USER_TIMEOUT, as Linux has');
      const [row] = await connection.query('SELECT pg_try_advisory_lock($1::text::bigint)::text', [
        lockOf(session),
      ]);
      if (row?.[0] !== 'true') {
        const message = `Somebody in ${this.#options.description} holds the advisory lock of session ${session}: open another.`;
        throw new ConclaveError('already-exists', message, { retryable: true });
      }
    } catch (error) {
      await connection.end();
      throw error;
    } finally {
      signal.removeEventListener('abort', leave);
    }
    return {
      mark: String(connection.processId),
      broken: connection.ended,
      confirm: async () => {
        await connection.query('SELECT 1');
      },
      end: () => connection.end(),
    };
  }

  async endedByHolder(session: string, mark: string, signal: AbortSignal): Promise<boolean> {
    const { waitMs = usualWaitMs } = this.#options;
    const connection = await this.#connect(signal, waitMs);
    const leave = () => {
      void this.#cancel(connection).catch(() => connection.end());
      void this.#endUnlessEnded(connection, 0);
    };
    signal.addEventListener('abort', leave);
    try {
      let before: string | undefined;
      for (let over = false; !over; ) {
        if (signal.aborted) throw ConclaveError.aborted('Waiting', signal);
        // In this order: what is counted after the lock was seen must show.
        const counted = await this.#counters(connection);
        const held = (await this.#ask(connection, isHeld, [lockOf(session), mark])).length > 0;
        if (held) before = counted;
        if (before === undefined) return false;
        over = !held || (await this.#answered(connection, waitMs, waited(connection, session)));
      }
      // And in this: it is counted before it is gone.
      return (await this.#isGone(connection, mark, signal)) && (await this.#counters(connection)) === before;
    } finally {
      signal.removeEventListener('abort', leave);
      // Which gives the lock to whoever waits for it next.
      void connection.end();
    }
  }

  #ask(connection: OwnConnection, text: string, values?: readonly SqlValue[]): Promise<readonly Row[]> {
    return this.#answered(connection, 0, connection.query(text, values));
  }

  /** A connection that died without a word is ended here, too, and so what was asked of it. */
  async #answered<T>(connection: OwnConnection, withinMs: number, answer: Promise<T>): Promise<T> {
    const answered = new AbortController();
    void this.#endUnlessEnded(connection, withinMs, answered.signal);
    return await answer.finally(() => answered.abort());
  }

  async #endUnlessEnded(connection: OwnConnection, waitMs: number, not?: AbortSignal): Promise<void> {
    const signals = not === undefined ? [connection.ended] : [connection.ended, not];
    const { answerMs = usualAnswerMs, runtime } = this.#options;
    await pause(runtime.timers, waitMs + answerMs, AbortSignal.any(signals), { background: true });
    if (!not?.aborted) await connection.end();
  }

  /** A connection that is closed while its statement waits would count as one that the server ended. */
  async #cancel({ processId }: OwnConnection): Promise<void> {
    const other = await (await this.#options.pool()).connect();
    try {
      const values = [String(processId)];
      await other.query({ text: 'SELECT pg_cancel_backend($1::text::int)', values });
    } finally {
      other.release(false);
    }
  }

  /** undefined: they are hidden from us. */
  async #counters(connection: OwnConnection): Promise<string | undefined> {
    const counted = (await this.#ask(connection, counters))[0]?.[0];
    return typeof counted === 'string' ? counted : undefined;
  }

  async #isGone(connection: OwnConnection, mark: string, signal: AbortSignal): Promise<boolean> {
    for (let look = 0; look < looks; look++) {
      if ((await this.#ask(connection, isThere, [mark])).length === 0) return true;
      await pause(this.#options.runtime.timers, betweenLooksMs, signal);
    }
    return false;
  }

  /** One that leads straight to a process of the server, which a lock of it then lives and dies with. */
  async #connect(signal: AbortSignal, lockMs = 0): Promise<OwnConnection> {
    const pool = await this.#options.pool();
    if (pool.own === undefined) throw this.#unsupported('needs the driver pg');
    const connection = await pool.own();
    try {
      if (signal.aborted) throw ConclaveError.aborted('Connecting', signal);
      const values = [String(connection.processId), `${lockMs}ms`];
      const [row] = await this.#ask(connection, begin, values);
      if (row?.[0] === String(connection.processId)) return connection;
      throw this.#unsupported('needs connections that lead straight to the server, and met a pooler');
    } catch (error) {
      await connection.end();
      throw error;
    }
  }

  #unsupported(why: string): ConclaveError {
    const message = `releaseOnDisconnect ${why}, in ${this.#options.description}: leave it out.`;
    return new ConclaveError('unsupported', message);
  }
}

/** False: it has waited long enough. */
async function waited(connection: OwnConnection, session: string): Promise<boolean> {
  await connection.query(waiting(lockOf(session)));
  return (await connection.query(hasWaited))[0]?.[0] === 'true';
}

/** The time over is no error here: the server would log one every few seconds, for as long as somebody waits. */
function waiting(lock: string): string {
  return `DO $$ BEGIN
    PERFORM pg_advisory_lock(${lock}), set_config('conclave.waited', 'true', false);
  EXCEPTION WHEN lock_not_available THEN PERFORM set_config('conclave.waited', 'false', false);
  END $$`;
}

/** The first 64 of its 128 bits, as a signed number. */
function lockOf(session: string): string {
  return BigInt.asIntN(64, BigInt(`0x${session.slice(0, 16)}`)).toString();
}
