/**
 * A user's own Redis or Valkey as a lease store: each document is one hash, changed by a script, under one hash tag.
 *
 * Guarantees: on one server that keeps its data, all that the contract asks: scripts run one at a time, times to live
 * are judged by the server's clock alone, and a command that a client sends twice counts once.
 *
 * Must not: promise more than Redis does. It answers before its replicas have heard, so a failover can lose leaders and
 * tokens: it declares itself advisory, and `elect` wants to be told that this was understood.
 */
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime, type Runtime } from '../runtime/index.ts';
import {
  checkOptions,
  type DocumentChange,
  type DocumentDriver,
  type DocumentKey,
  type DocumentStoreOptions,
  type DocumentTraits,
  type DocumentWrite,
  documentStore,
  documentStoreOptionNames,
  type FoundDocument,
  type Renewal,
  type StoredDocument,
} from './documents/index.ts';
import {
  checkUrl,
  connectRedis,
  type OwnConnection,
  type RedisClient,
  type RedisConnection,
  redisConnection,
} from './redis/connection.ts';
import { checkLogin, ended, explained, foreign, isLogin, silentTls } from './redis/failures.ts';
import {
  listElections,
  readDocuments,
  removeDocument,
  renewDocuments,
  type Script,
  tryEverything,
  writeDocument,
  writeIdLength,
} from './redis/scripts.ts';

export type { IoredisClient, NodeRedisClient, RedisClient } from './redis/connection.ts';

export interface RedisStoreOptions extends DocumentStoreOptions {
  /** `Redis` or `Cluster` of ioredis; `createClient` or `createCluster` of redis, connected. It stays open. */
  readonly client?: RedisClient | undefined;
  /** In place of a client: redis:// or rediss://, with user, password and database. Needs the package ioredis or redis. */
  readonly url?: string | undefined;
  /** All keys and the channel begin with it, in braces: '{conclave}:'. Default 'conclave'. */
  readonly prefix?: string | undefined;
}

/** @throws ConclaveError 'invalid-argument' for both or neither of client and url, and for an unusable prefix. */
export function redisStore(options: RedisStoreOptions): LeaseStore {
  const known = [...documentStoreOptionNames, 'client', 'url', 'prefix'];
  checkOptions('The options of redisStore', options, known);
  const { timeoutMs, pollMs, runtime } = options;
  return documentStore(redisDriver(options), { timeoutMs, pollMs, runtime });
}

/** @internal for tests */
export function redisDriver(options: RedisStoreOptions): DocumentDriver {
  return new RedisDocuments(options);
}

class RedisDocuments implements DocumentDriver {
  readonly description: string;
  readonly traits: DocumentTraits = {
    consistency: 'advisory',
    note: 'one server that keeps its data on disk (appendfsync always); a failover to a replica can lose the last leaders and tokens',
    // A renewal takes a millisecond or two; what is below is too little for a pause of either process.
    minTtlMs: 500,
    ownsClock: true,
    forgets: true,
  };
  readonly #runtime: Runtime;
  readonly #prefix: string;
  readonly #closed = new AbortController();
  readonly #connect: () => Promise<OwnConnection>;
  #connected: Promise<OwnConnection> | undefined;
  #opened: RedisConnection | undefined;
  #isTls: boolean | undefined;
  #tried = false;

  constructor(options: RedisStoreOptions) {
    const { client, url, prefix = 'conclave' } = options;
    if ((client === undefined) === (url === undefined)) {
      throw new ConclaveError(
        'invalid-argument',
        `redisStore takes either a client or a url${url === undefined ? '; url is undefined: is the variable that it comes from set?' : ', not both.'}`,
      );
    }
    if (typeof prefix !== 'string' || !/^[^{}]+$/.test(prefix) || !prefix.isWellFormed()) {
      throw new ConclaveError('invalid-argument', 'prefix must be a text that is not empty, without braces.');
    }
    this.#runtime = options.runtime ?? nodeRuntime();
    this.#prefix = `{${prefix}}:`;
    if (client !== undefined) {
      const connection = redisConnection(client, this.#runtime);
      this.#connect = async () => ({ connection, close: async () => {} });
      this.description = 'Redis';
    } else {
      const place = checkUrl(url);
      this.#isTls = place.isTls;
      this.#connect = () => connectRedis(place, options.timeoutMs ?? 5000, this.#runtime);
      this.description = `Redis at ${place.host}`;
    }
  }

  async open(): Promise<void> {
    const probe = this.#keyOf('probe', this.#newId());
    this.#tried = false;
    const [maxMemory, policy = ''] = await this.#run(tryEverything, [probe], [this.#channel], 'Connecting');
    this.#tried = true;
    if (Number(maxMemory) === 0 || !policy.startsWith('allkeys')) return;
    const message = `${this.description} forgets any key when its memory is full (maxmemory-policy ${policy}), elections and their tokens too: use another server, or set maxmemory-policy to noeviction or to one of the volatile ones.`;
    throw new ConclaveError('failed-precondition', message);
  }

  /** Within a short time nothing else is heard. */
  whyNoAnswer(): string | undefined {
    const why = this.#opened?.whyNone?.();
    if (why !== undefined) return `no connection (${why})${isLogin(why) ? `. ${checkLogin}` : ''}`;
    return this.#isTls === true && !this.#tried ? silentTls : undefined;
  }

  async read(key: DocumentKey): Promise<StoredDocument | undefined> {
    const [document] = await this.readMany([key]);
    if (ConclaveError.is(document)) throw document;
    return document;
  }

  async readMany(keys: readonly DocumentKey[]): Promise<readonly FoundDocument[]> {
    const names = keys.map(({ kind, name }) => this.#keyOf(kind, name));
    const answer = await this.#run(readDocuments, names, [], 'Reading');
    return names.map((name, at) => {
      const [version = '', text = '', left = ''] = answer.slice(3 * at);
      if (version === '') return undefined;
      if (version === 'foreign') return foreign(this.description, text, name);
      return { text, version, ...(left !== '' && { leftMs: Number(left) }) };
    });
  }

  async write(
    key: DocumentKey,
    text: string,
    { replaces = '', ttlMs, keepMs }: DocumentWrite,
  ): Promise<string | undefined> {
    const id = this.#newId();
    const times = [ttlMs, keepMs].map((ms) => (ms === undefined ? '' : String(Math.ceil(ms))));
    const args = [replaces, id, text, ...times, ...this.#news(key)];
    return (await this.#change(writeDocument, key, args, 'Writing')) ? id : undefined;
  }

  /** All keys of a store are in one slot of a cluster. */
  async renewMany(renewals: readonly Renewal[]): Promise<readonly (string | undefined)[]> {
    const ids = renewals.map(() => this.#newId());
    const keys = renewals.map(({ key: { kind, name } }) => this.#keyOf(kind, name));
    const args = renewals.flatMap(({ replaces, text, ttlMs = 0, keepMs = ttlMs }, at) => [
      ...[replaces, ids[at] ?? '', text],
      ...[ttlMs, keepMs].map((ms) => String(Math.ceil(ms))),
    ]);
    const answer = await this.#run(renewDocuments, keys, args, 'Writing');
    return ids.map((id, at) => (answer[at] === 'done' ? id : undefined));
  }

  async remove(key: DocumentKey, version: string): Promise<boolean> {
    return await this.#change(removeDocument, key, [version, ...this.#news(key)], 'Removing');
  }

  async list(prefix: string): Promise<readonly string[]> {
    return await this.#run(listElections, [`${this.#prefix}elections`], [prefix], 'Listing');
  }

  async *changes(given: AbortSignal): AsyncGenerator<DocumentChange, void, undefined> {
    const signal = AbortSignal.any([given, this.#closed.signal]);
    const { connection } = await this.#connection();
    const news = new Set<string>();
    let gone = false;
    let wake = () => {};
    const listener = {
      onMessage(message: string) {
        news.add(message);
        wake();
      },
      onGone() {
        gone = true;
        wake();
      },
    };
    const ended = new AbortController();
    try {
      const until = AbortSignal.any([signal, ended.signal]);
      await connection.listen(this.#channel, listener, until);
      yield 'all';
      while (!gone) {
        const messages = [...news];
        news.clear();
        for (const message of messages) {
          const [, kind = '', name = ''] = /^(election|session|counter):(.*)$/s.exec(message) ?? [];
          if (kind !== '') yield { kind: kind as DocumentKey['kind'], name };
        }
        if (news.size > 0 || gone) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      ended.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    // One that never came about needs no closing.
    await (await this.#connected?.catch(() => undefined))?.close();
  }

  #connection(): Promise<OwnConnection> {
    this.#connected ??= this.#connect().catch((error: unknown) => {
      this.#connected = undefined;
      throw error;
    });
    return this.#connected;
  }

  async #change(
    script: Script,
    key: DocumentKey,
    args: readonly string[],
    what: 'Writing' | 'Removing',
  ): Promise<boolean> {
    const answer = await this.#run(script, this.#keys(key), args, what);
    return answer[0] !== 'other';
  }

  /** What the script gave behind 'done'; nothing where there was no document. */
  async #run(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    what: 'Connecting' | 'Reading' | 'Writing' | 'Removing' | 'Listing',
  ): Promise<readonly string[]> {
    let connection: RedisConnection | undefined;
    let raw: unknown;
    try {
      ({ connection } = await this.#connection());
      this.#opened = connection;
      raw = await connection.run(script, keys, [...args, connection.database]);
    } catch (error) {
      const changes = what === 'Writing' || what === 'Removing';
      const outcome = changes ? 'unknown' : 'not-applied';
      const { description } = this;
      if (connection?.isEnded()) throw ended(`${what} failed: the client of ${description}`, error, outcome);
      const { database = '' } = connection ?? {};
      const where = {
        ...{ description, prefix: this.#prefix, channel: this.#channel, database },
        ...{ isTls: this.#isTls, tried: this.#tried },
      };
      const isOpening = what === 'Connecting';
      const failed = isOpening ? `Cannot connect to ${description}` : `${what} failed in ${description}`;
      throw explained(failed, error, outcome, where);
    }
    const answer = Array.isArray(raw) ? raw.map(String) : [];
    const [status = '', ...rest] = answer;
    if (status === 'done') return rest;
    if (status === 'other') return answer;
    if (status === 'foreign') throw foreign(this.description, rest[0] ?? '', keys[0] ?? '');
    const message = `${this.description} answered something else than the script returns: does the client transform replies?`;
    throw new ConclaveError('failed-precondition', message, { outcome: 'unknown' });
  }

  #keys(key: DocumentKey): readonly string[] {
    return [this.#keyOf(key.kind, key.name), `${this.#prefix}elections`];
  }

  #keyOf(kind: string, name: string): string {
    return `${this.#prefix}${kind}:${name}`;
  }

  /**
   * Where it is told, what, and under which name it is listed. Nobody waits for a session or the counter: while the
   * server's clock runs, their changes only put ends off.
   */
  #news({ kind, name }: DocumentKey): readonly string[] {
    const told = kind === 'election';
    return [this.#channel, told ? `election:${name}` : '', told ? name : ''];
  }

  get #channel(): string {
    return `${this.#prefix}changes`;
  }

  #newId(): string {
    return Buffer.from(this.#runtime.random.bytes(writeIdLength / 2)).toString('hex');
  }
}
