/**
 * The cluster as a lease store: sessions are leases of it, leaderships and places in the queue are keys under them.
 *
 * Guarantees: one leadership key for each election, created in the transaction that wins; its create revision is the
 * token, so tokens rise; waiters lead by priority, then in the order in which they came; a change wakes only who is
 * next.
 *
 * Must not: judge time or validity: that is the election loop's.
 */
import { type ConclaveClient, type ConnectOptions, connectClient } from '../client/index.ts';
import type {
  ElectionState,
  LeaseStore,
  SessionOptions,
  StoreCallOptions,
  StoreCapabilities,
  StoreSession,
} from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import { checkSession, sharingTime } from './conclave/calls.ts';
import { explainingClient, type StoreClient } from './conclave/explaining-client.ts';
import { checkNamespace, recordPlace } from './conclave/keys.ts';
import { ConclaveSession } from './conclave/session.ts';
import { ElectionWatching } from './conclave/watching.ts';
import { GivenUpSessions } from './given-up-sessions.ts';

export type ConclaveStoreOptions = {
  /** Keys of elections begin with it. Default 'conclave/election'. */
  readonly namespace?: string;
  /** Shown in messages. Default "conclave at" and the endpoints. */
  readonly description?: string;
} & (
  | ConnectOptions
  /** A client to share; it stays open when the store is disposed. */
  | { readonly client: ConclaveClient }
);

/** @throws ConclaveError 'invalid-argument' for malformed endpoints or an unusable namespace. */
export function conclaveStore(options: ConclaveStoreOptions): LeaseStore {
  if (typeof options !== 'object' || options === null) {
    const message = `conclaveStore takes an object, like { endpoints: ['http://127.0.0.1:2379'] }, not ${typeof options}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  const known = 'client' in options ? ['client'] : Object.keys(connectNames);
  checkNames('The options of conclaveStore', options, [...known, 'namespace', 'description']);
  return new ConclaveStore(options);
}

/** Complete: the compiler says so. */
const connectNames = {
  endpoints: true,
  name: true,
  username: true,
  password: true,
  timeoutMs: true,
  silenceMs: true,
  probeTimeoutMs: true,
  tls: true,
  connectionBound: true,
  runtime: true,
  transport: true,
} as const satisfies Record<keyof ConnectOptions, true>;

class ConclaveStore implements LeaseStore {
  readonly description: string;
  readonly capabilities: StoreCapabilities;
  readonly #client: ConclaveClient;
  /** The same, for all calls. */
  readonly #calls: StoreClient;
  readonly #ownsClient: boolean;
  readonly #namespace: string;
  readonly #sessions = new Set<ConclaveSession>();
  readonly #givenUp: GivenUpSessions;
  #hasAnswered = false;
  readonly #watching: ElectionWatching;
  #closing: Promise<void> | undefined;

  constructor(options: ConclaveStoreOptions) {
    this.#ownsClient = !('client' in options);
    this.#namespace = checkNamespace(options.namespace ?? 'conclave/election');
    this.#client = 'client' in options ? options.client : connectClient(options);
    this.#givenUp = new GivenUpSessions(this.#client.runtime);
    this.#calls = explainingClient(this.#client, this.#namespace);
    this.#watching = new ElectionWatching(this.#calls, this.#namespace);
    this.description = options.description ?? `conclave at ${this.#client.endpoints.join(', ')}`;
    this.capabilities = {
      consistency: 'linearizable',
      note: 'while a majority of the members run and keep what their disks confirmed',
      // The revision, which tokens are taken from, rises with every write and never restarts.
      tokenSurvivesDeletion: true,
      watch: 'native',
      minTtlMs: 100,
      maxTtlMs: 24 * 3600 * 1000,
      ttlResolutionMs: 1,
      // The members' leader looks at its leases many times a second, and commits what it finds.
      expiryLateMs: 500,
      orderedWaiters: true,
      connectionBound: this.#client.connectionBound,
      handOff: true,
      recordsExpire: true,
      transactions: true,
    };
  }

  async openSession(options: SessionOptions): Promise<StoreSession> {
    this.#assertOpen();
    const { ttlMs, releaseOnDisconnect, signal, timeoutMs = this.#client.timeoutMs } = options;
    checkSession(this, options);
    const within = sharingTime(this.#client.runtime.clock, signal, timeoutMs);
    // To its answer, also where nobody waits for it any more: a lease that nobody knows of must not stay.
    const grant = () => this.#calls.leaseGrant(Math.ceil(ttlMs), { timeoutMs: within().timeoutMs });
    const granted = await this.#givenUp.run('Opening a session', signal, grant, {
      answers: () => this.#hasAnswered,
      end: ({ lease }) => this.#calls.leaseRevoke(lease, { timeoutMs: 1000 }),
    });
    this.#hasAnswered = true;
    try {
      const attachment =
        releaseOnDisconnect === undefined
          ? undefined
          : await this.#calls.attach(granted.lease, {
              ...within(),
              graceMs: Math.ceil(releaseOnDisconnect.graceMs),
            });
      const session: ConclaveSession = new ConclaveSession({
        client: this.#calls,
        namespace: this.#namespace,
        options,
        lease: granted.lease,
        ttlMs: granted.ttlMs,
        attachment,
        mirrorOf: (name) => this.#watching.latest(name),
        onEnd: () => this.#sessions.delete(session),
      });
      this.#sessions.add(session);
      return session;
    } catch (error) {
      // Nothing holds by it yet; if this fails too it ends by itself.
      this.#givenUp.track(this.#calls.leaseRevoke(granted.lease, { timeoutMs: 1000 }));
      throw error;
    }
  }

  async read(name: string, options: StoreCallOptions = {}): Promise<ElectionState> {
    this.#assertOpen();
    const state = await this.#watching.read(name, options);
    this.#hasAnswered = true;
    return state;
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

  /** Revokes the sessions that are open, and closes the client if it is the store's own. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session[Symbol.asyncDispose]()));
    await this.#givenUp.settled();
    if (this.#ownsClient) await this.#client.close();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined)
      throw new ConclaveError('closed', `${this.description}: the store is closed.`);
  }
}
