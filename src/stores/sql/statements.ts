/** Statements on a pool of connections, each a transaction of its own: bounded, tried again, and explained. */
import { ConclaveError } from '../../errors/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import type { Answer, SqlConnection, SqlPool, Statement } from './connections.ts';
import { explain, type SqlFailure, type SqlService } from './failures.ts';

const attemptsAtConflicts = 8;
const patienceAtEndMs = 1000;

export interface StatementSettings<Pool extends SqlPool> {
  readonly service: SqlService;
  /** Made at the first use, so that a missing package is told to whoever calls. */
  readonly pool: () => Promise<Pool>;
  /** undefined: no error of the database or its driver. */
  readonly classify: (error: unknown) => SqlFailure | undefined;
  readonly runtime: Runtime;
}

export class Statements<Pool extends SqlPool = SqlPool> implements AsyncDisposable {
  readonly service: SqlService;
  readonly #settings: StatementSettings<Pool>;
  readonly #closing = new AbortController();
  /** Connections that are at work, given up when the store is closed. */
  readonly #busy = new Set<SqlConnection>();
  readonly #background = new Set<Promise<unknown>>();
  #pool: Promise<Pool> | undefined;
  /** Once a server was found to take writes, one that takes none is the remains of a failover, which passes. */
  tookWrites = false;

  constructor(settings: StatementSettings<Pool>) {
    this.service = settings.service;
    this.#settings = settings;
  }

  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * `what`: "Writing". A statement that the database rolled back for another's sake is run again.
   * `judge`: what is wrong with the server that gave this answer, if anything; its connection is not used again.
   * @throws ConclaveError, or what is no error of the database
   */
  async run(
    what: string,
    statement: Statement,
    signal: AbortSignal,
    judge: (answer: Answer) => SqlFailure | ConclaveError | undefined = () => undefined,
  ): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(what, statement, signal, judge);
      } catch (error) {
        const failure = ConclaveError.is(error) ? undefined : this.#settings.classify(error);
        if (failure === undefined) throw error;
        if (failure !== 'conflict' || attempt === attemptsAtConflicts)
          throw this.#explained(what, failure, error);
      }
      await this.#pause(attempt);
      if (signal.aborted) throw ConclaveError.aborted(what, signal);
    }
  }

  /** Work that nobody waits for; what fails of it is nobody's loss. Awaited when the store is closed. */
  inBackground(work: Promise<unknown>): void {
    const quiet = work.catch(() => {}).finally(() => this.#background.delete(quiet));
    this.#background.add(quiet);
  }

  /** One for all who ask; made anew only where it could not be made. */
  async pool(): Promise<Pool> {
    this.#pool ??= this.#settings.pool().catch((error: unknown) => {
      this.#pool = undefined;
      throw error;
    });
    return await this.#pool;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    for (const connection of this.#busy) connection.release(true);
    await Promise.all(this.#background);
    const pool = await this.#pool?.catch(() => undefined);
    await this.#endOf(pool?.[Symbol.asyncDispose]());
  }

  /** A connection that is still being made to a server that does not answer ends by itself, in its own time. */
  #endOf(ending: PromiseLike<void> | undefined): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#settings.runtime.timers.after(patienceAtEndMs, resolve);
      const done = () => {
        timer.cancel();
        resolve();
      };
      Promise.resolve(ending).then(done, done);
    });
  }

  async #once(
    what: string,
    statement: Statement,
    signal: AbortSignal,
    judge: (answer: Answer) => SqlFailure | ConclaveError | undefined,
  ): Promise<Answer> {
    const connection = await this.#connect(what, signal);
    this.#busy.add(connection);
    let broken = true;
    try {
      const answer = await abortable(what, signal, () => connection.query(statement));
      const failure = judge(answer);
      if (failure !== undefined)
        throw typeof failure === 'string' ? this.#explained(what, failure, undefined) : failure;
      broken = false;
      return answer;
    } catch (error) {
      // A connection whose answer nobody waits for is given up: it may be dead, and would stay in the pool. So is one to
      // which something is refused: rights and settings of its user can be those of when it began.
      const failure = ConclaveError.is(error) ? 'connection' : this.#settings.classify(error);
      broken = failure !== 'conflict' && failure !== 'taken';
      throw error;
    } finally {
      this.#busy.delete(connection);
      connection.release(broken);
    }
  }

  async #connect(what: string, signal: AbortSignal): Promise<SqlConnection> {
    if (this.closed.aborted)
      throw new ConclaveError('closed', `${this.service.description}: the store is closed.`);
    const pool = await this.pool();
    const late = (connection: SqlConnection) => connection.release(false);
    try {
      return await abortable(what, signal, () => pool.connect(), late);
    } catch (error) {
      const failure = ConclaveError.is(error) ? undefined : this.#settings.classify(error);
      if (failure === undefined) throw error;
      // Nothing was sent yet.
      throw this.#explained(what, failure === 'connection' ? 'unreachable' : failure, error);
    }
  }

  /** Of what was done on a connection of another's. What is no error of the database stays as it is. */
  explained(what: string, error: unknown): unknown {
    const failure = ConclaveError.is(error) ? undefined : this.#settings.classify(error);
    return failure === undefined ? error : this.#explained(what, failure, error);
  }

  #explained(what: string, failure: SqlFailure, error: unknown): ConclaveError {
    if (failure !== 'read-only' || !this.tookWrites) return explain(this.service, what, failure, error);
    return explain(this.service, what, failure, error, {
      code: 'unavailable',
      retryable: true,
      says: () =>
        'met a server or session that takes no writes, and it took some before: as after a failover, until the primary is found, or where default_transaction_read_only or read_only was set',
    });
  }

  #pause(attempt: number): Promise<void> {
    const { random, timers } = this.#settings.runtime;
    return new Promise((resolve) => {
      timers.after(random.unit() * Math.min(100, 2 ** attempt), resolve);
    });
  }
}

/** Rejects with 'aborted' as soon as the signal does; what comes later goes to `onLate`. */
async function abortable<T>(
  what: string,
  signal: AbortSignal,
  start: () => Promise<T>,
  onLate: (value: T) => void = () => {},
): Promise<T> {
  if (signal.aborted) throw ConclaveError.aborted(what, signal);
  return await new Promise<T>((resolve, reject) => {
    let over = false;
    const abort = () => {
      over = true;
      reject(ConclaveError.aborted(what, signal));
    };
    signal.addEventListener('abort', abort, { once: true });
    start().then(
      (value) => {
        signal.removeEventListener('abort', abort);
        if (over) onLate(value);
        else resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', abort);
        reject(error);
      },
    );
  });
}

export interface TimeLimit {
  readonly runtime: Runtime;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** @throws 'timeout' */
export async function withinTime<T>(
  what: string,
  { runtime, timeoutMs, signal }: TimeLimit,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const time = new AbortController();
  const late = () => time.abort();
  const timer = runtime.timers.after(timeoutMs, late);
  try {
    return await work(signal === undefined ? time.signal : AbortSignal.any([signal, time.signal]));
  } catch (error) {
    if (!time.signal.aborted || signal?.aborted) throw error;
    throw new ConclaveError('timeout', `${what} took longer than ${timeoutMs} ms.`, {
      retryable: true,
      outcome: 'unknown',
      cause: error,
    });
  } finally {
    timer.cancel();
  }
}
