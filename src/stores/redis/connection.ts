/** The two packages that speak to Redis, told apart and made one: scripts are sent, and one channel is listened to. */
import { ConclaveError } from '../../errors/index.ts';
import type { Runtime, Timer } from '../../runtime/types.ts';
import type { Script } from './scripts.ts';

/** `Redis` or `Cluster` of ioredis. */
export interface IoredisClient {
  evalsha(sha1: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
  eval(source: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
  duplicate(...overrides: never[]): unknown;
}

/** What createClient or createCluster of the package `redis` gives. */
export interface NodeRedisClient {
  evalSha(sha1: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  eval(source: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  duplicate(...overrides: never[]): unknown;
}

export type RedisClient = IoredisClient | NodeRedisClient;

export interface RedisConnection {
  /** Sends the script by its hash, and whole where the server does not know it. Throws as the client does. */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>;
  /**
   * Resolves when nothing that is published from then on can be missed, until `onGone` is called, once. Over a
   * connection of its own, which the signal closes.
   */
  listen(channel: string, listener: Listener, signal: AbortSignal): Promise<void>;
  /** The user ended it: no command will ever be answered. */
  isEnded(): boolean;
  /** Which each script selects; '': none needs to. */
  readonly database: string;
  /** Where there is no connection just now: what was heard last of that. Not of a client of the user's. */
  readonly whyNone?: () => string | undefined;
}

export interface Listener {
  onMessage(message: string): void;
  onGone(): void;
}

/** What is used of a connection that listens. */
interface Subscriber {
  readonly options?: { readonly socket?: object; readonly db?: unknown };
  on(event: string, listener: (...values: unknown[]) => void): unknown;
  connect(): Promise<unknown>;
  subscribe(channel: string, listener?: (message: unknown) => void): Promise<unknown>;
  ping(): Promise<unknown>;
  duplicate(overrides: object): Subscriber;
  disconnect(): unknown;
  destroy?(): unknown;
}

/** A connection that hears nothing may be dead, which only an answer disproves. */
const pingEveryMs = 10_000;

/** @throws 'invalid-argument' */
export function redisConnection(client: RedisClient, runtime: Runtime): RedisConnection {
  const known = client as Partial<IoredisClient & NodeRedisClient> | undefined | null;
  const complete = typeof known?.eval === 'function' && typeof known.duplicate === 'function';
  if (complete && typeof known.evalSha === 'function') return nodeRedis(client as NodeRedisClient, runtime);
  if (complete && typeof known.evalsha === 'function') return ioredis(client as IoredisClient, runtime);
  const message = 'client must be a client of the package ioredis or redis, or give a url instead.';
  throw new ConclaveError('invalid-argument', message);
}

function ioredis(client: IoredisClient, runtime: Runtime): RedisConnection {
  const own = client as unknown as Subscriber & {
    readonly status: string;
    readonly condition?: { readonly select?: unknown } | null;
    nodes?(role: 'master'): readonly Subscriber[];
  };
  return {
    run: (script, keys, args) =>
      orWhole(
        () => client.evalsha(script.sha1, keys.length, ...keys, ...args),
        () => client.eval(script.source, keys.length, ...keys, ...args),
      ),
    async listen(channel, listener, signal) {
      // What one node of a cluster is told, all tell their subscribers.
      const [node] = own.nodes?.('master') ?? [own];
      if (node === undefined) throw new Error('The cluster is not connected.');
      const alone = { retryStrategy: null, lazyConnect: true, autoResubscribe: false, keyPrefix: '' };
      const subscriber = node.duplicate({ ...alone, maxRetriesPerRequest: 0 });
      subscriber.on('message', (_channel, message) => listener.onMessage(String(message)));
      await attend(subscriber, () => subscriber.subscribe(channel), listener, signal, runtime);
    },
    isEnded: () => own.status === 'end',
    // The client only logs that it could not select it, and goes on in 0.
    database: own.nodes === undefined ? databaseOf(own.condition?.select ?? own.options?.db) : '',
  };
}

function nodeRedis(client: NodeRedisClient, runtime: Runtime): RedisConnection {
  const own = client as unknown as Subscriber & {
    readonly isOpen: boolean;
    readonly masters?: readonly unknown[];
    nodeClient?(master: unknown): Promise<Subscriber>;
  };
  return {
    run: (script, keys, args) => {
      const options = { keys: [...keys], arguments: [...args] };
      return orWhole(
        () => client.evalSha(script.sha1, options),
        () => client.eval(script.source, options),
      );
    },
    async listen(channel, listener, signal) {
      const node = (await own.nodeClient?.(own.masters?.[0])) ?? own;
      const subscriber = node.duplicate({ socket: { ...node.options?.socket, reconnectStrategy: false } });
      const subscribe = () => subscriber.subscribe(channel, (message) => listener.onMessage(String(message)));
      await attend(subscriber, subscribe, listener, signal, runtime);
    },
    isEnded: () => !own.isOpen,
    // The client connects to no other than the one that it was told.
    database: '',
  };
}

/** A new connection is in 0. */
function databaseOf(number: unknown): string {
  return Number(number ?? 0) === 0 ? '' : String(number);
}

async function orWhole(byHash: () => Promise<unknown>, whole: () => Promise<unknown>): Promise<unknown> {
  try {
    return await byHash();
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return await whole();
  }
}

async function attend(
  subscriber: Subscriber,
  subscribe: () => Promise<unknown>,
  { onGone }: Listener,
  signal: AbortSignal,
  runtime: Runtime,
): Promise<void> {
  let gone = false;
  let next: Timer | undefined;
  const end = () => {
    if (gone) return;
    gone = true;
    next?.cancel();
    signal.removeEventListener('abort', end);
    try {
      if (subscriber.destroy === undefined) subscriber.disconnect();
      else subscriber.destroy();
    } catch {
      // It was closed already.
    }
    onGone();
  };
  const ping = () => {
    const unanswered = runtime.timers.after(pingEveryMs, end, { background: true });
    next = unanswered;
    subscriber.ping().then(() => {
      unanswered.cancel();
      if (!gone) next = runtime.timers.after(pingEveryMs, ping, { background: true });
    }, end);
  };
  for (const event of ['error', 'end', 'close']) subscriber.on(event, end);
  signal.addEventListener('abort', end);
  try {
    if (signal.aborted) throw ConclaveError.aborted('Listening to changes', signal);
    await subscriber.connect();
    await subscribe();
    if (!gone) next = runtime.timers.after(pingEveryMs, ping, { background: true });
  } catch (error) {
    end();
    throw error;
  }
}

export interface OwnConnection {
  readonly connection: RedisConnection;
  close(): Promise<void>;
}

/** By ioredis, or by redis where that is not installed. @throws 'unsupported' where neither is. */
export async function connectRedis(
  { href, database }: RedisUrl,
  timeoutMs: number,
  runtime: Runtime,
): Promise<OwnConnection> {
  // Two attempts and more fit into the time of a call, so that it hears why they failed.
  const connectTimeout = Math.ceil(timeoutMs * 0.4);
  const byIoredis = await installed(() => import('ioredis'));
  if (byIoredis !== undefined) {
    const client = new byIoredis.Redis(href, {
      // What may have been carried out is not sent again: the store reads first.
      autoResendUnfulfilledCommands: false,
      connectTimeout,
      maxRetriesPerRequest: 1,
      // It would ask by INFO, and print that it may not. A server that is loading its data says so to each command.
      enableReadyCheck: false,
      // After a failover the address leads to another server than the connection.
      reconnectOnError: ({ message }) => message.includes('READONLY'),
    });
    const trouble = new Trouble(client);
    const connection = redisConnection(client as IoredisClient, runtime);
    const telling = trouble.toldBy(connection, 'MaxRetriesPerRequestError', () => client.status === 'ready');
    return { connection: { ...telling, database }, close: async () => client.disconnect() };
  }
  const byRedis = await installed(() => import('redis'));
  if (byRedis !== undefined) {
    // A command that waits for a connection would wait for ever.
    const client = byRedis.createClient({ url: href, disableOfflineQueue: true, socket: { connectTimeout } });
    const trouble = new Trouble(client);
    // The client would try again for ever, and tell nobody.
    const failed = new Promise<never>((_resolve, reject) => client.on('error', reject));
    try {
      await Promise.race([client.connect(), failed]);
    } catch (error) {
      client.destroy();
      throw isSocketError(error) ? noConnection(error) : error;
    }
    failed.catch(() => {});
    const connection = redisConnection(client as unknown as NodeRedisClient, runtime);
    const telling = trouble.toldBy(connection, 'ClientOfflineError', () => client.isReady);
    return { connection: { ...telling, database }, close: async () => client.destroy() };
  }
  const message = 'redisStore with a url needs a client: npm install ioredis (or redis).';
  throw new ConclaveError('unsupported', message);
}

/** What a client heard last of its connection. Its commands say at most that there is none. */
class Trouble {
  #last: unknown;

  constructor(client: { on(event: string, listener: (error?: unknown) => void): unknown }) {
    client.on('error', (error) => {
      this.#last = error;
    });
    client.on('ready', () => {
      this.#last = undefined;
    });
  }

  /** `vague`: the name of what says only that there is no connection. */
  toldBy(connection: RedisConnection, vague: string, isReady: () => boolean): RedisConnection {
    const { run } = connection;
    return {
      ...connection,
      whyNone: () => (isReady() || this.#last === undefined ? undefined : saidBy(this.#last)),
      run: (script, keys, args) =>
        run(script, keys, args).catch((error: unknown) => {
          const isVague =
            error instanceof Error && (error.name === vague || error.constructor.name === vague);
          throw isVague ? noConnection(this.#last ?? new Error('the server closed it'), error) : error;
        }),
    };
  }
}

function isSocketError(error: unknown): boolean {
  return typeof (error as { code?: unknown } | undefined)?.code === 'string';
}

function noConnection(why: unknown, cause = why): Error {
  return new Error(`no connection (${saidBy(why)})`, { cause });
}

/** undefined: there is no such package. */
async function installed<Package>(load: () => Promise<Package>): Promise<Package | undefined> {
  try {
    return await load();
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** An AggregateError of several addresses says nothing itself. */
export function saidBy(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message || first.name : String(first);
}

export interface RedisUrl {
  /** Without the database. */
  readonly href: string;
  readonly host: string;
  readonly isTls: boolean;
  /** As of a `RedisConnection`. */
  readonly database: string;
}

/** @throws 'invalid-argument', without the text: it may hold a password. */
export function checkUrl(url: unknown): RedisUrl {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^rediss?:$/.test(parsed.protocol) || parsed.host === '') {
    const message = 'url must be a text like redis://user:password@host:6379/0, or rediss:// for TLS.';
    throw new ConclaveError('invalid-argument', message);
  }
  const { host, pathname, searchParams } = parsed;
  // One of the two packages would read `db`, the other would not.
  if (!/^\/?(0|[1-9]\d{0,8})?$/.test(pathname) || searchParams.has('db')) {
    const message =
      'What follows the host in a URL of Redis is the number of a database, as in redis://host:6379/2, or nothing.';
    throw new ConclaveError('invalid-argument', message);
  }
  // Neither package would know ours, and redis knows none at all.
  const [parameter] = searchParams.keys();
  if (parameter !== undefined) {
    const message = `The url of redisStore has the parameter ${JSON.stringify(parameter)}, and takes none: prefix is an option of redisStore, and what is meant for ioredis or redis goes to a client of yours.`;
    throw new ConclaveError('invalid-argument', message);
  }
  parsed.pathname = '';
  const isTls = parsed.protocol === 'rediss:';
  return { href: parsed.href, host, isTls, database: databaseOf(pathname.slice(1) || 0) };
}
