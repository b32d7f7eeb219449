/**
 * A user's own NATS as a lease store: each document is one key of a KV bucket, changed on condition of its revision.
 *
 * Guarantees: writes go through the stream's leader and its Raft log, reads to that leader; times to live are judged by
 * those who wait, each by a monotonic clock of its own; the bucket's history, and deletions by others, confuse nothing.
 *
 * Must not: make or change a bucket unasked; read from replicas (direct gets), or use the times to live of NATS, which
 * an update would not prolong.
 */
import type { KV, KvEntry, Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError, type ErrorOutcome } from '../errors/index.ts';
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
  type StoredDocument,
} from './documents/index.ts';
import { checkBucket, checkConfig, hasBucket, keysIn, sweep } from './nats/bucket.ts';
import { bucketChanges } from './nats/changes.ts';
import { type NatsClient, natsPlace, type OwnNats, whyNoAnswer } from './nats/connection.ts';
import { explained, isConflict } from './nats/failures.ts';
import { keyOf, nameIn } from './nats/keys.ts';
import { kvPackage } from './nats/packages.ts';

export type { NatsClient } from './nats/connection.ts';

export interface NatsStoreOptions extends DocumentStoreOptions {
  /** What `connect` or `wsconnect` gave, or a JetStream client of it (for a domain or API prefix). It stays open. */
  readonly connection?: NatsClient | undefined;
  /** In place of a connection: nats:// or tls://, with user:password@ or token@; several hosts by commas. */
  readonly url?: string | undefined;
  /** For a url without a login: the path of a file with a user's JWT and seed, as `nsc` makes it. */
  readonly credsFile?: string | undefined;
  /** For a url without a login: the path of a file with the seed of a user's key. */
  readonly nkeyFile?: string | undefined;
  /** The KV bucket, which must exist: see `createNatsBucket`. Default 'conclave'. */
  readonly bucket?: string | undefined;
}

/** @throws ConclaveError 'invalid-argument' for both or neither of connection and url, and for an unusable bucket. */
export function natsStore(options: NatsStoreOptions): LeaseStore {
  checkOptions('The options of natsStore', options, [
    ...documentStoreOptionNames,
    ...['connection', 'url', 'credsFile', 'nkeyFile', 'bucket'],
  ]);
  const { timeoutMs, pollMs, runtime } = options;
  return documentStore(natsDriver(options), { timeoutMs, pollMs, runtime });
}

/** @internal for tests */
export function natsDriver(options: NatsStoreOptions): DocumentDriver {
  return new NatsDocuments(options);
}

export interface NatsBucketOptions {
  /** Default 'conclave'. */
  readonly bucket?: string | undefined;
  /** How many servers keep it: 1, 3 or 5. Default 3, which needs a cluster of three. */
  readonly replicas?: number | undefined;
}

/**
 * Makes the bucket that `natsStore` needs; one that exists is left as it is (false).
 * @throws 'failed-precondition' where JetStream is off, the user may not, or there are fewer servers than replicas.
 */
export async function createNatsBucket(
  connection: NatsClient,
  options: NatsBucketOptions = {},
): Promise<boolean> {
  checkOptions('The options of createNatsBucket', options, ['bucket', 'replicas']);
  const bucket = checkBucket(options.bucket ?? 'conclave');
  const { Kvm } = await kvPackage();
  const limits = { history: 1, replicas: options.replicas ?? 3, storage: 'file' } as const;
  try {
    const kvm = new Kvm(connection);
    const isThere = await hasBucket(kvm, bucket);
    await kvm.create(bucket, limits as Parameters<Kvm['create']>[1]);
    return !isThere;
  } catch (error) {
    throw explained(`Making the bucket ${bucket} failed`, error, {
      bucket,
      outcome: 'unknown',
      opening: true,
    });
  }
}

interface Linked {
  readonly kv: KV;
  readonly kvm: Kvm;
  readonly connection: NatsConnection;
}

class NatsDocuments implements DocumentDriver {
  readonly description: string;
  readonly traits: DocumentTraits = {
    consistency: 'linearizable',
    note: 'a bucket on file storage of three or more replicas, while a majority keeps what it confirmed; NATS syncs to disk every two minutes unless sync_interval is "always"',
    // A renewal takes a few milliseconds of Raft; those who wait add the time that a change takes to reach them.
    minTtlMs: 500,
    ownsClock: false,
    forgets: false,
  };
  readonly #bucket: string;
  readonly #runtime: Runtime;
  readonly #connect: () => Promise<OwnNats>;
  readonly #closed = new AbortController();
  #connected: Promise<OwnNats> | undefined;
  #own: OwnNats | undefined;
  #linked: Linked | undefined;
  #last: NatsConnection | undefined;

  constructor(options: NatsStoreOptions) {
    const { connection, url, credsFile, nkeyFile } = options;
    this.#bucket = checkBucket(options.bucket ?? 'conclave');
    this.#runtime = options.runtime ?? nodeRuntime();
    if ((connection === undefined) === (url === undefined)) {
      throw new ConclaveError('invalid-argument', 'natsStore takes either a connection or a url.');
    }
    if (url === undefined) {
      if (credsFile !== undefined || nkeyFile !== undefined) {
        const message = 'credsFile and nkeyFile go with a url: a connection is logged in already.';
        throw new ConclaveError('invalid-argument', message);
      }
      if (typeof connection !== 'object' || connection === null) {
        throw new ConclaveError(
          'invalid-argument',
          'connection must be what connect of @nats-io/transport-node gives.',
        );
      }
      this.description = `the bucket ${this.#bucket} of NATS`;
      this.#connect = async () => ({ connection, close: async () => {} });
    } else {
      const { hosts, connect } = natsPlace({ url, credsFile, nkeyFile });
      this.description = `the bucket ${this.#bucket} of NATS at ${hosts.join(', ')}`;
      this.#connect = () => connect(this.#runtime.disk);
    }
  }

  async open({ timeoutMs }: CallBounds): Promise<void> {
    try {
      const { connection } = await this.#connection();
      const { Kvm } = await kvPackage();
      const kvm = new Kvm(connection);
      this.#last = kvm.js.nc as NatsConnection;
      // Without `allow_direct`, so that the stream's leader answers.
      const kv = await kvm.open(this.#bucket, { allow_direct: false, timeout: timeoutMs });
      const { streamInfo } = await kv.status();
      checkConfig(this.description, streamInfo.config, kvm.js.nc.info?.version ?? '');
      this.#linked = { kv, kvm, connection: this.#last };
      // Not waited for: it is in nobody's way.
      void sweep(kv, kvm, this.#bucket, this.#runtime.random, this.#closed.signal).catch(() => {});
    } catch (error) {
      throw this.#explained('Connecting', error, 'not-applied', true);
    }
  }

  async read(key: DocumentKey): Promise<StoredDocument | undefined> {
    const entry = await this.#entry(key, 'Reading');
    if (entry === null || entry.operation !== 'PUT') return undefined;
    return { text: entry.string(), version: String(entry.revision) };
  }

  async write(
    key: DocumentKey,
    text: string,
    { replaces }: DocumentWrite,
    { timeoutMs }: CallBounds,
  ): Promise<string | undefined> {
    const put = (previousSeq: number) => this.#put(key, text, previousSeq, timeoutMs);
    if (replaces !== undefined) return await put(Number(replaces));
    const created = await put(0);
    if (created !== undefined) return created;
    // What marks a deletion has a revision too, and is replaced like any other.
    const entry = await this.#entry(key, 'Writing');
    return entry === null || entry.operation === 'PUT' ? undefined : await put(entry.revision);
  }

  async remove(key: DocumentKey, version: string): Promise<boolean> {
    try {
      // No purge: with that, older servers let consumers jump over what else they were about to tell (nats-server#3838).
      await this.#link.kv.delete(keyOf(key), { previousSeq: Number(version) });
      return true;
    } catch (error) {
      if (isConflict(error)) return false;
      throw this.#explained('Removing', error, 'unknown');
    }
  }

  async list(prefix: string): Promise<readonly string[]> {
    try {
      const keys = await keysIn(this.#link.kvm, this.#bucket, 'election.*');
      return keys.flatMap((key) => nameIn(key) ?? []).filter((name) => name.startsWith(prefix));
    } catch (error) {
      throw this.#explained('Listing', error, 'not-applied');
    }
  }

  async *changes(given: AbortSignal): AsyncGenerator<DocumentChange, void, undefined> {
    const { kvm, connection } = this.#link;
    yield* bucketChanges({
      manager: await kvm.js.jetstreamManager(false),
      signal: AbortSignal.any([given, this.#closed.signal]),
      ...{ connection, bucket: this.#bucket, runtime: this.#runtime },
    });
  }

  whyNoAnswer(): string | undefined {
    return whyNoAnswer(this.#last, this.#own);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#own?.close();
  }

  get #link(): Linked {
    if (this.#linked !== undefined) return this.#linked;
    throw new ConclaveError('unavailable', `${this.description} is not connected yet.`, { retryable: true });
  }

  #connection(): Promise<OwnNats> {
    this.#connected ??= this.#connect().then(
      async (own) => {
        this.#own = own;
        // Closing did not wait for it: a server that says nothing is given up only in the driver's own time.
        if (this.#closed.signal.aborted) await own.close();
        return own;
      },
      (error: unknown) => {
        this.#connected = undefined;
        throw error;
      },
    );
    return this.#connected;
  }

  async #entry(key: DocumentKey, what: string): Promise<KvEntry | null> {
    try {
      return await this.#link.kv.get(keyOf(key));
    } catch (error) {
      throw this.#explained(what, error, 'not-applied');
    }
  }

  /** undefined: another revision stands there, and nothing was written. */
  async #put(
    key: DocumentKey,
    text: string,
    previousSeq: number,
    timeout: number,
  ): Promise<string | undefined> {
    try {
      return String(await this.#link.kv.put(keyOf(key), text, { previousSeq, timeout }));
    } catch (error) {
      if (isConflict(error)) return undefined;
      throw this.#explained('Writing', error, 'unknown');
    }
  }

  #explained(what: string, error: unknown, outcome: ErrorOutcome, opening = false): ConclaveError {
    return explained(`${what} failed in ${this.description}`, error, {
      bucket: this.#bucket,
      outcome,
      opening,
      whyNoAnswer: this.whyNoAnswer(),
    });
  }
}
