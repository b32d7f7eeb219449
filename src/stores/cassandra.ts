/**
 * A table of a user's own Cassandra or ScyllaDB as a lease store: one row for each election and each session, changed
 * by lightweight transactions alone.
 *
 * Guarantees: every write is conditional (`IF version = …`) and carries a version that nobody had before, so a write
 * that the cluster carried out and refused when it came again is known to have been carried out; reads are SERIAL, which
 * finishes what a timed-out write had begun before it shows the row; no clock of the cluster decides who leads.
 *
 * Must not: write a row without a condition, since the two kinds of writes are ordered by different clocks; give
 * elections or the counter a TTL, which would take the tokens back (sessions have one, far beyond their time); let the
 * driver send a write again by itself.
 */
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import { nodeRuntime, type Runtime } from '../runtime/index.ts';
import { connectCassandra, type OwnClient } from './cassandra/connection.ts';
import { cassandraError, hasTimedOut } from './cassandra/failures.ts';
import {
  type CassandraClient,
  type CassandraTableOptions,
  cassandraOptionNames,
  cassandraSchema,
  tableName,
} from './cassandra/table.ts';
import { Turns } from './cassandra/turns.ts';
import type {
  CallBounds,
  DocumentDriver,
  DocumentKey,
  DocumentWrite,
  StoredDocument,
} from './documents/driver.ts';
import { documentStore } from './documents/index.ts';

export {
  type CassandraClient,
  type CassandraTableOptions,
  cassandraSchema,
  createCassandraTable,
} from './cassandra/table.ts';

export interface CassandraStoreOptions extends CassandraTableOptions {
  /** Your own, configured as you like; it stays open. Default: one of the store's, made of what is next. */
  readonly client?: CassandraClient | undefined;
  /** `host` or `host:port` of some nodes. */
  readonly contactPoints?: readonly string[] | undefined;
  /** The driver asks nodes of this datacenter only. */
  readonly localDataCenter?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /**
   * 'SERIAL' (default) agrees among all datacenters. 'LOCAL_SERIAL' within the one that is asked, faster and exclusive
   * only there: all candidates must then use the same datacenter.
   */
  readonly serialConsistency?: 'SERIAL' | 'LOCAL_SERIAL' | undefined;
  /** For a call with all its retries. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** How often who waits looks. Default 1000. */
  readonly pollMs?: number | undefined;
  /** Default: this machine. */
  readonly runtime?: Runtime | undefined;
}

/** Numbers of Cassandra's protocol: to agree among replicas, and to store what was agreed. */
const consistencies = {
  SERIAL: { serial: 8, commit: 4 },
  LOCAL_SERIAL: { serial: 9, commit: 6 },
} as const;
/** Cassandra asks for far less in one write (max_mutation_size); a paxos round carries it three times. */
const mostBytes = 1_000_000;
/** A session's row goes by the clocks of the nodes: none is this wrong. */
const clockErrorMs = 86_400_000;

/** @throws ConclaveError 'invalid-argument' for unusable names, half a login, neither client nor contact points. */
export function cassandraStore(options: CassandraStoreOptions): LeaseStore {
  checkNames('The options of cassandraStore', options, cassandraOptionNames);
  const { timeoutMs = 5000, pollMs = 1000, runtime = nodeRuntime() } = options;
  return documentStore(cassandraDriver({ ...options, runtime }), { timeoutMs, pollMs, runtime });
}

/** For the tests of what is below the store. */
export function cassandraDriver(options: CassandraStoreOptions): DocumentDriver {
  return new CassandraDriver(options);
}

class CassandraDriver implements DocumentDriver {
  readonly description: string;
  readonly traits: DocumentDriver['traits'];
  readonly #options: CassandraStoreOptions;
  readonly #runtime: Runtime;
  readonly #table: string;
  readonly #consistency: (typeof consistencies)['SERIAL' | 'LOCAL_SERIAL'];
  /** What stands in the row after a turn. */
  readonly #turns = new Turns<{ readonly stands: string | undefined; readonly isOurs: boolean }>();
  #connecting: Promise<CassandraClient> | undefined;
  #own: OwnClient | undefined;
  #isClosed = false;

  constructor(options: CassandraStoreOptions) {
    const { client, contactPoints, localDataCenter, user, password, serialConsistency = 'SERIAL' } = options;
    if (
      client === undefined ? !contactPoints?.length || !localDataCenter : typeof client.execute !== 'function'
    ) {
      const message = 'Give a client of cassandra-driver, or both contactPoints and localDataCenter.';
      throw new ConclaveError('invalid-argument', message);
    }
    if ((user === undefined) !== (password === undefined)) {
      throw new ConclaveError('invalid-argument', 'To log in to Cassandra give both a user and a password.');
    }
    if (!Object.hasOwn(consistencies, serialConsistency)) {
      throw new ConclaveError('invalid-argument', "serialConsistency must be 'SERIAL' or 'LOCAL_SERIAL'.");
    }
    this.#options = options;
    this.#runtime = options.runtime ?? nodeRuntime();
    this.#table = tableName(options);
    this.#consistency = consistencies[serialConsistency];
    this.description = contactPoints === undefined ? 'Cassandra' : `Cassandra at ${contactPoints.join(', ')}`;
    const where =
      serialConsistency === 'SERIAL' ? 'among all datacenters' : 'within one datacenter, the same for all';
    this.traits = {
      consistency: 'linearizable',
      note: `${where}, while a majority of the replicas keep what they acknowledged (commitlog_sync: batch or group, or never a majority down at once); a restored backup takes tokens back`,
      // A contended transaction fails after cas_contention_timeout, 1 s (1.8 s in Cassandra 4.1), and is tried again.
      minTtlMs: 2000,
      ownsClock: false,
      // A TTL must not be given to elections (above).
      forgets: false,
    };
  }

  async open(bounds: CallBounds): Promise<void> {
    const { keyspace = 'conclave', table = 'documents' } = this.#options;
    const query =
      'SELECT default_time_to_live FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?';
    const [found] = await this.#execute(query, [keyspace, table], bounds, { consistency: 1 });
    if (Number(found?.default_time_to_live ?? 0) > 0) {
      throw new ConclaveError(
        'failed-precondition',
        `Table ${this.#table} in ${this.description} has a default TTL, after which Cassandra would erase elections and their tokens: ALTER TABLE ${this.#table} WITH default_time_to_live = 0, or use another table.`,
      );
    }
    await this.read({ kind: 'counter', name: '' }, bounds);
  }

  async read({ kind, name }: DocumentKey, bounds: CallBounds): Promise<StoredDocument | undefined> {
    const query = `SELECT version, content FROM ${this.#table} WHERE kind = ? AND name = ?`;
    const consistency = this.#consistency.serial;
    const [row] = await this.#execute(query, [kind, name], bounds, { consistency });
    if (row === undefined || (row.version === null && row.content === null)) return undefined;
    if (typeof row.version === 'string' && typeof row.content === 'string') {
      return { text: row.content, version: row.version };
    }
    throw new ConclaveError(
      'data-incompatible',
      `The row of ${kind} ${JSON.stringify(name)} in table ${this.#table} of ${this.description} was not written by Conclave, and is left as it is: use another table.`,
    );
  }

  async write(
    { kind, name }: DocumentKey,
    text: string,
    { replaces, keepMs }: DocumentWrite,
    bounds: CallBounds,
  ): Promise<string | undefined> {
    if (Buffer.byteLength(text) > mostBytes) {
      throw new ConclaveError(
        'too-large',
        `The ${kind} ${JSON.stringify(name)} in ${this.description} would have more than ${mostBytes} bytes: keep records and metadata small, and the waiters of one election few.`,
      );
    }
    const version = Buffer.from(this.#runtime.random.bytes(12)).toString('hex');
    // Written by UPDATE also where there is none: INSERT would leave a row of nothing behind when a TTL is over.
    const keep =
      kind === 'session' && keepMs !== undefined ? [Math.ceil((keepMs + clockErrorMs) / 1000)] : [];
    const using = keep.length > 0 ? ' USING TTL ?' : '';
    const query = `UPDATE ${this.#table}${using} SET version = ?, content = ? WHERE kind = ? AND name = ? IF version = ?`;
    const parameters = [...keep, version, text, kind, name, replaces ?? null];
    const { stands, isOurs } = await this.#turns.take(`${kind} ${name}`, async (before) => {
      // Another stands there since this one was read: it need not be asked for.
      if (before !== undefined && before.stands !== replaces) return { ...before, isOurs: false };
      for (;;) {
        const done = await this.#attempt(query, parameters, { kind, name }, bounds);
        // A write that came twice was refused the second time because of the first.
        if (done === 'applied' || done === version) return { stands: version, isOurs: true };
        if (done !== replaces) return { stands: done, isOurs: false };
      }
    });
    return isOurs ? stands : undefined;
  }

  /**
   * 'applied', or the version that stands there. Where the transaction timed out, a serial read finishes what it had
   * begun: what that does not show was not carried out and never will be.
   */
  async #attempt(
    query: string,
    parameters: readonly unknown[],
    key: DocumentKey,
    bounds: CallBounds,
  ): Promise<string | undefined> {
    if (bounds.signal.aborted) throw ConclaveError.aborted(`Writing in ${this.description}`, bounds.signal);
    try {
      const [row] = await this.#change(query, parameters, bounds);
      if (row?.['[applied]'] === true) return 'applied';
      return typeof row?.version === 'string' ? row.version : undefined;
    } catch (error) {
      if (!hasTimedOut(error) || bounds.signal.aborted) throw error;
      const found = await this.read(key, bounds).catch(() => {
        throw error;
      });
      return found?.version;
    }
  }

  async remove({ kind, name }: DocumentKey, version: string, bounds: CallBounds): Promise<boolean> {
    const query = `DELETE FROM ${this.#table} WHERE kind = ? AND name = ? IF version = ?`;
    const [row] = await this.#change(query, [kind, name, version], bounds);
    return row?.['[applied]'] === true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    // One that is still being made is shut down when it is: who says nothing is given up only in the driver's own time.
    await this.#own?.shutdown();
  }

  async #change(query: string, parameters: readonly unknown[], bounds: CallBounds) {
    const { serial, commit } = this.#consistency;
    const options = { consistency: commit, serialConsistency: serial };
    return await this.#execute(query, parameters, bounds, options, true);
  }

  async #execute(
    query: string,
    parameters: readonly unknown[],
    { timeoutMs }: CallBounds,
    options: Readonly<Record<string, unknown>>,
    changes = false,
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    // Not idempotent: the driver neither repeats it nor sends it to a second node to be faster.
    const more = { prepare: true, isIdempotent: false, readTimeout: Math.ceil(timeoutMs), ...options };
    try {
      const client = await this.#client().catch((error: unknown) => {
        throw cassandraError(error, this.#failed(false));
      });
      return (await client.execute(query, parameters, more)).rows ?? [];
    } catch (error) {
      throw cassandraError(error, this.#failed(changes));
    }
  }

  #failed(changes: boolean) {
    const { description } = this;
    const { keyspace, table } = this.#options;
    const noConnection = this.#own?.noConnection;
    return {
      description,
      table: this.#table,
      schema: cassandraSchema({ keyspace, table }),
      changes,
      noConnection,
    };
  }

  async #client(): Promise<CassandraClient> {
    if (this.#options.client !== undefined) return this.#options.client;
    this.#connecting ??= this.#connect().catch((error: unknown) => {
      this.#connecting = undefined;
      throw error;
    });
    return await this.#connecting;
  }

  async #connect(): Promise<CassandraClient> {
    const client = await connectCassandra(this.#options);
    if (this.#isClosed) {
      await client.shutdown().catch(() => {});
      throw new ConclaveError('closed', `The store ${this.description} is closed.`);
    }
    this.#own = client;
    return client;
  }
}
