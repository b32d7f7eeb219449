/**
 * A user's own etcd as a lease store, over etcd's v3 API: sessions are leases, leaderships and places in the queue are
 * keys under them.
 *
 * Guarantees: at most one leadership key for each election, created in the transaction that wins or is given it; its
 * create revision is the token, so tokens rise; an answer that got lost is asked for again, and a request that comes
 * late changes nothing; waiters lead by priority, then in the order in which they came.
 *
 * Must not: judge time or validity, which is the election loop's; use what only Conclave's own members offer.
 */
import {
  checkDuration,
  GrpcTransport,
  parseEndpoints,
  type TlsOptions,
  type TransportFactory,
} from '../client/index.ts';
import type {
  ElectionState,
  LeaseStore,
  SessionOptions,
  StoreCallOptions,
  StoreCapabilities,
  StoreSession,
} from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { checkNames, shown } from '../errors/option-names.ts';
import { nodeRuntime, type Runtime } from '../runtime/index.ts';
import { checkSession, sharingTime } from './conclave/calls.ts';
import { checkNamespace, recordPlace } from './conclave/keys.ts';
import { ElectionWatching } from './conclave/watching.ts';
import { Authentication } from './etcd/authentication.ts';
import { EtcdClient } from './etcd/client.ts';
import { ElectionReader } from './etcd/keys.ts';
import { EtcdSession } from './etcd/session.ts';
import { GivenUpSessions } from './given-up-sessions.ts';

export interface EtcdStoreOptions {
  /** `host:port`, `http://host:port` or `https://host:port`; several in an array, or separated by commas. */
  readonly endpoints: string | readonly string[];
  /** Keys of elections begin with it. Default 'conclave/election'. */
  readonly namespace?: string | undefined;
  /** To log in with, where etcd's authentication is on. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly tls?: TlsOptions | undefined;
  /** For a call with all its retries. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /**
   * The smallest TTL that etcd grants: one and a half of its election timeouts, rounded up to seconds. A smaller one
   * is raised by etcd all the same. Default 2000, for etcd's default election timeout of 1000.
   */
  readonly minTtlMs?: number | undefined;
  /** Shown in messages. Default "etcd at" and the endpoints. */
  readonly description?: string | undefined;
  /** Default: this machine. */
  readonly runtime?: Runtime | undefined;
  /** Default: gRPC. Then what `user`, `password` and `tls` ask for is the transport's to do. */
  readonly transport?: TransportFactory | undefined;
}

/** @throws ConclaveError 'invalid-argument' for malformed endpoints, an unusable namespace, half a login. */
export function etcdStore(options: EtcdStoreOptions): LeaseStore {
  if (typeof options !== 'object' || options === null) {
    const message = `etcdStore takes an object, like { endpoints: ['http://127.0.0.1:2379'] }, not ${typeof options}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  checkNames('The options of etcdStore', options, Object.keys(optionNames));
  return new EtcdStore(options);
}

/** Complete: the compiler says so. */
const optionNames = {
  endpoints: true,
  namespace: true,
  user: true,
  password: true,
  tls: true,
  timeoutMs: true,
  minTtlMs: true,
  description: true,
  runtime: true,
  transport: true,
} as const satisfies Record<keyof EtcdStoreOptions, true>;

class EtcdStore implements LeaseStore {
  readonly description: string;
  readonly capabilities: StoreCapabilities;
  readonly #client: EtcdClient;
  readonly #reader: ElectionReader;
  readonly #watching: ElectionWatching;
  readonly #namespace: string;
  readonly #sessions = new Set<EtcdSession>();
  readonly #givenUp: GivenUpSessions;
  #closing: Promise<void> | undefined;

  constructor(options: EtcdStoreOptions) {
    this.#namespace = checkNamespace(options.namespace ?? 'conclave/election');
    const minTtlMs = checkMinTtl(options.minTtlMs ?? 2000);
    this.#client = connect(options, this.#namespace);
    this.#givenUp = new GivenUpSessions(this.#client.runtime);
    this.#reader = new ElectionReader(this.#client, this.#namespace);
    this.#watching = new ElectionWatching(this.#reader, this.#namespace);
    this.description = options.description ?? `etcd at ${this.#client.endpoints.join(', ')}`;
    this.capabilities = {
      consistency: 'linearizable',
      note: 'while a majority of the members run and keep what their disks confirmed; a restored backup takes tokens back',
      // The revision, which tokens are taken from, rises with every write and never restarts.
      tokenSurvivesDeletion: true,
      watch: 'native',
      minTtlMs,
      maxTtlMs: 24 * 3600 * 1000,
      ttlResolutionMs: 1000,
      // etcd looks twice a second, revokes so many at once, and a new etcd leader gives every lease its whole TTL again.
      expiryLateMs: 1500,
      orderedWaiters: true,
      connectionBound: false,
      handOff: true,
      recordsExpire: true,
      transactions: true,
    };
  }

  async openSession(options: SessionOptions): Promise<StoreSession> {
    this.#assertOpen();
    checkSession(this, options);
    const { ttlMs, holder, signal, timeoutMs = this.#client.timeoutMs } = options;
    const within = sharingTime(this.#client.runtime.clock, signal, timeoutMs);
    await this.#client.checkVersion(within());
    // To its answer, also where nobody waits for it any more: a lease that nobody knows of must not stay.
    const grant = () => this.#client.leaseGrant(ttlMs, { timeoutMs: within().timeoutMs });
    const granted = await this.#givenUp.run('Opening a session', signal, grant, {
      answers: () => true,
      end: ({ lease }) => this.#client.leaseRevoke(lease, { timeoutMs: 1000 }),
    });
    const session: EtcdSession = new EtcdSession({
      client: this.#client,
      reader: this.#reader,
      namespace: this.#namespace,
      holder,
      ...granted,
      mirrorOf: (name) => this.#watching.latest(name),
      onEnd: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    return session;
  }

  async read(name: string, options: StoreCallOptions = {}): Promise<ElectionState> {
    this.#assertOpen();
    return await this.#watching.read(name, options);
  }

  async *watch(
    name: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<ElectionState, void, undefined> {
    this.#assertOpen();
    yield* this.#watching.watch(name, signal);
  }

  async *watchAll(
    prefix: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<ReadonlyMap<string, ElectionState>, void, undefined> {
    this.#assertOpen();
    yield* this.#watching.watchAll(prefix, signal);
  }

  recordPlace(name: string): string {
    return recordPlace(this.#namespace, name);
  }

  /** Revokes the sessions that are open, and closes the connections. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session[Symbol.asyncDispose]()));
    await this.#givenUp.settled();
    this.#client.close();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined)
      throw new ConclaveError('closed', `${this.description}: the store is closed.`);
  }
}

function connect(options: EtcdStoreOptions, namespace: string): EtcdClient {
  const { user, password, tls, transport } = options;
  if ((user === undefined) !== (password === undefined) || user === '') {
    throw new ConclaveError('invalid-argument', 'To log in to etcd give both a user and a password.');
  }
  const runtime = options.runtime ?? nodeRuntime();
  const credentials = user === undefined || password === undefined ? undefined : { user, password };
  const authentication = new Authentication(credentials);
  const { headers } = authentication;
  const grpc = tls === undefined ? { runtime, headers } : { runtime, headers, tls };
  return new EtcdClient({
    endpoints: parseEndpoints(options.endpoints, transport === undefined),
    transport: transport ?? ((endpoint) => new GrpcTransport(endpoint, grpc)),
    runtime,
    timeoutMs: checkDuration('timeoutMs', options.timeoutMs ?? 5000),
    silence: { silenceMs: 300, probeTimeoutMs: 300 },
    authentication,
    credentials,
    namespace,
  });
}

function checkMinTtl(minTtlMs: number): number {
  const isWhole = typeof minTtlMs === 'number' && minTtlMs % 1000 === 0;
  if (isWhole && minTtlMs >= 1000 && minTtlMs <= 3_600_000) return minTtlMs;
  const message = `minTtlMs ${shown(minTtlMs)} is no floor of etcd's: give whole seconds in milliseconds, at least 1000.`;
  throw new ConclaveError('invalid-argument', message);
}
