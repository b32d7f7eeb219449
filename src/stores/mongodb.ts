/**
 * A user's own MongoDB as a lease store: each document is one document, replaced on condition of its version.
 *
 * Guarantees: a write counts once a majority has it on disk, and a read of a replica set is linearizable. Times to live
 * are judged by those who wait, each by a monotonic clock of its own: after a failover another server's clock would
 * judge what the first one's had set. The index with a time to live only clears away what nobody can miss.
 *
 * Must not: read from a secondary, take the expiry of an index for the end of a lease, or touch documents of others.
 */
import type { Collection, Db, MongoClient } from 'mongodb';
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError, type ErrorOutcome } from '../errors/index.ts';
import { nodeRuntime, type Runtime } from '../runtime/index.ts';
import { pause } from '../runtime/pause.ts';
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
  type Renewal,
  type StoredDocument,
} from './documents/index.ts';
import { type Kept, lookAtServer, prepareCollection } from './mongodb/collection.ts';
import { type Connected, checkName, connect, hostsOf } from './mongodb/connection.ts';
import { explained, isTaken } from './mongodb/failures.ts';

export interface MongodbStoreOptions extends DocumentStoreOptions {
  /** Of the package mongodb. It stays open. */
  readonly client?: MongoClient | undefined;
  /** In place of a client: mongodb:// or mongodb+srv://, with user and password. Needs the package mongodb. */
  readonly url?: string | undefined;
  /** Default: the one that the URL names. */
  readonly database?: string | undefined;
  /** Used by nothing else. Made where it is missing. Default 'conclave'. */
  readonly collection?: string | undefined;
}

const ownNames = ['client', 'url', 'database', 'collection'] as const;

/** @throws ConclaveError 'invalid-argument' for both or neither of client and url, and for unusable names. */
export function mongodbStore(options: MongodbStoreOptions): LeaseStore {
  checkOptions('The options of mongodbStore', options, [...documentStoreOptionNames, ...ownNames]);
  const { timeoutMs, pollMs, runtime } = options;
  return documentStore(mongodbDriver(options), { timeoutMs, pollMs, runtime });
}

interface Opened {
  readonly collection: Collection<Kept>;
  readonly isReplicated: boolean;
}

/** @internal for tests */
export function mongodbDriver(options: MongodbStoreOptions): DocumentDriver {
  return new MongodbDocuments(options);
}

class MongodbDocuments implements DocumentDriver {
  readonly description: string;
  readonly traits: DocumentTraits = {
    consistency: 'linearizable',
    note: 'a replica set or sharded cluster, while a majority keeps what it confirmed; a standalone server, while its disk does',
    // A renewal waits for the disks of a majority, and those who wait hear of it by a change stream.
    minTtlMs: 1000,
    ownsClock: false,
    forgets: true,
  };
  readonly #runtime: Runtime;
  readonly #pollMs: number;
  readonly #database: string | undefined;
  readonly #name: string;
  readonly #closed = new AbortController();
  readonly #connect: () => Promise<Connected>;
  #connected: Promise<Connected> | undefined;
  #whyNone: Connected['whyNone'];
  #opened: Promise<Opened> | undefined;

  constructor(options: MongodbStoreOptions) {
    const { client, url, database, collection = 'conclave', runtime, pollMs } = options;
    if ((client === undefined) === (url === undefined)) {
      throw new ConclaveError('invalid-argument', 'mongodbStore takes either a client or a url.');
    }
    this.#database = checkName('database', database);
    this.#name = checkName('collection', collection) ?? '';
    this.#runtime = runtime ?? nodeRuntime();
    this.#pollMs = pollMs ?? 1000;
    const place = `the collection ${this.#name}`;
    if (client !== undefined) {
      if (typeof client.db !== 'function') {
        throw new ConclaveError('invalid-argument', 'client must be a MongoClient of the package mongodb.');
      }
      this.description = `${place} of MongoDB`;
      this.#connect = async () => ({ client, close: async () => {} });
    } else {
      this.description = `${place} of MongoDB at ${hostsOf(url)}`;
      this.#connect = () => connect(url ?? '');
    }
  }

  async open(): Promise<void> {
    // Looked at anew: the server may be another since.
    this.#opened = undefined;
    await this.#open();
  }

  whyNoAnswer(): string | undefined {
    return this.#whyNone?.();
  }

  async read(key: DocumentKey, { timeoutMs }: CallBounds): Promise<StoredDocument | undefined> {
    const { collection, isReplicated } = await this.#open();
    const level = isReplicated ? 'linearizable' : 'local';
    const found = await this.#call('Reading', 'not-applied', () =>
      collection.findOne(
        { _id: idOf(key) },
        { readConcern: { level }, readPreference: 'primary', maxTimeMS: Math.ceil(timeoutMs) },
      ),
    );
    if (found === null) return undefined;
    const { text, version } = found as Partial<Kept>;
    if (typeof text === 'string' && typeof version === 'string') return { text, version };
    const message = `The document ${idOf(key)} in ${this.description} was not written by Conclave, and is left as it is: use another collection.`;
    throw new ConclaveError('data-incompatible', message);
  }

  // No readMany: MongoDB answers linearizably for single documents only.

  async write(
    key: DocumentKey,
    text: string,
    { replaces, keepMs }: DocumentWrite,
    { timeoutMs }: CallBounds,
  ): Promise<string | undefined> {
    const { collection } = await this.#open();
    const version = this.#newVersion();
    const update = replacement(text, version, keepMs);
    // Nothing has the version '': so it is inserted, or the _id is taken.
    const filter = { _id: idOf(key), version: replaces ?? '' };
    const options = { upsert: replaces === undefined, ...durably(timeoutMs) };
    return await this.#call('Writing', 'unknown', async () => {
      try {
        const { matchedCount, upsertedCount } = await collection.updateOne(filter, update, options);
        return matchedCount + upsertedCount === 1 ? version : undefined;
      } catch (error) {
        if (replaces === undefined && isTaken(error)) return undefined;
        throw error;
      }
    });
  }

  /**
   * One command, in which each has a condition of its own. MongoDB says how many it replaced: where not all, which ones
   * is looked up. Who finds another version there than its own was ended or overtaken.
   */
  async renewMany(
    renewals: readonly Renewal[],
    { timeoutMs }: CallBounds,
  ): Promise<readonly (string | undefined)[]> {
    const { collection } = await this.#open();
    const versions = renewals.map(() => this.#newVersion());
    const operations = renewals.map(({ key, text, replaces, keepMs }, at) => ({
      updateOne: {
        filter: { _id: idOf(key), version: replaces },
        update: replacement(text, versions[at] ?? '', keepMs),
      },
    }));
    return await this.#call('Writing', 'unknown', async () => {
      const options = { ordered: false, ...durably(timeoutMs) };
      const { matchedCount } = await collection.bulkWrite(operations, options);
      if (matchedCount === versions.length) return versions;
      const written = await collection
        .find(
          { _id: { $in: renewals.map(({ key }) => idOf(key)) }, version: { $in: versions } },
          { projection: { version: 1 }, readPreference: 'primary', maxTimeMS: Math.ceil(timeoutMs) },
        )
        .toArray();
      const standing = new Set(written.map(({ version }) => version));
      return versions.map((version) => (standing.has(version) ? version : undefined));
    });
  }

  async remove(key: DocumentKey, version: string, { timeoutMs }: CallBounds): Promise<boolean> {
    const { collection } = await this.#open();
    return await this.#call('Removing', 'unknown', async () => {
      const { deletedCount } = await collection.deleteOne({ _id: idOf(key), version }, durably(timeoutMs));
      return deletedCount === 1;
    });
  }

  async list(prefix: string): Promise<readonly string[]> {
    const { collection } = await this.#open();
    const first = idOf({ kind: 'election', name: prefix });
    const found = await this.#call('Listing', 'not-applied', () =>
      collection
        .find(
          { _id: { $gte: first, $lt: `${first}\u{10FFFF}\u{10FFFF}` } },
          { projection: { _id: 1 }, readConcern: { level: 'majority' }, readPreference: 'primary' },
        )
        .toArray(),
    );
    return found.map(({ _id }) => _id.slice('election:'.length));
  }

  async *changes(given: AbortSignal): AsyncGenerator<DocumentChange, void, undefined> {
    const signal = AbortSignal.any([given, this.#closed.signal]);
    const { collection, isReplicated } = await this.#open();
    if (!isReplicated) return yield* this.#polled(signal);
    const stream = collection.watch([{ $project: { operationType: 1, documentKey: 1 } }]);
    const close = () => void stream.close().catch(() => {});
    signal.addEventListener('abort', close);
    try {
      if (signal.aborted) return;
      // Opens it; what comes from now on is told, also after the driver had to resume.
      await stream.tryNext();
      yield 'all';
      for await (const change of stream) {
        if (!('documentKey' in change)) return;
        const key = keyOf(change.documentKey?._id);
        if (key !== undefined) yield key;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      signal.removeEventListener('abort', close);
      await stream.close().catch(() => {});
    }
  }

  /** A standalone server has no change streams. */
  async *#polled(signal: AbortSignal): AsyncGenerator<DocumentChange, void, undefined> {
    while (!signal.aborted) {
      yield 'all';
      await pause(this.#runtime.timers, this.#pollMs, signal, { background: true });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    // One that never came about needs no closing.
    await (await this.#connected?.catch(() => undefined))?.close();
  }

  #open(): Promise<Opened> {
    this.#opened ??= this.#call('Connecting', 'not-applied', async () => {
      this.#connected ??= this.#connect().catch((error: unknown) => {
        this.#connected = undefined;
        throw error;
      });
      const { client, whyNone } = await this.#connected;
      this.#whyNone = whyNone;
      const db: Db = client.db(this.#database);
      const collection = db.collection<Kept>(this.#name);
      const { isReplicated } = await lookAtServer(db, this.description);
      await prepareCollection(db, collection, this.description);
      return { collection, isReplicated };
    }).catch((error: unknown) => {
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }

  #newVersion(): string {
    return Buffer.from(this.#runtime.random.bytes(12)).toString('hex');
  }

  async #call<T>(what: string, outcome: ErrorOutcome, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      throw explained(`${what} failed in ${this.description}`, error, outcome);
    }
  }
}

function replacement(text: string, version: string, keepMs: number | undefined) {
  const forgetAt = keepMs === undefined ? '$$REMOVE' : { $add: ['$$NOW', Math.ceil(keepMs)] };
  return [{ $set: { text: { $literal: text }, version, forgetAt } }];
}

function idOf({ kind, name }: DocumentKey): string {
  return `${kind}:${name}`;
}

function keyOf(id: unknown): DocumentKey | undefined {
  const [, kind = '', name = ''] = /^(election|session|counter):(.*)$/s.exec(String(id)) ?? [];
  return kind === '' ? undefined : { kind: kind as DocumentKey['kind'], name };
}

function durably(timeoutMs: number) {
  return { writeConcern: { w: 'majority', journal: true, wtimeoutMS: Math.ceil(timeoutMs) } } as const;
}
