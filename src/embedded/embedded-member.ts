import { MessageChannel, Worker } from 'node:worker_threads';
import type { TlsFileOptions } from '../api/index.ts';
import {
  type ConclaveClient,
  type ConnectOptions,
  connectClient,
  PortTransport,
  ThreadPort,
} from '../client/index.ts';
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { fromThrown } from '../errors/thrown.ts';
import type { Logger, MemberOptions, MemberStatus } from '../member/index.ts';
import { nodeRuntime } from '../runtime/index.ts';
import type { Address } from '../runtime/types.ts';
import { conclaveStore } from '../stores/conclave.ts';
import type { AppMessage, WorkerMessage, WorkerOptions } from './messages.ts';

export interface EmbeddedMemberOptions extends Omit<MemberOptions, 'logger' | 'runtime'> {
  /** Where clients outside of this process connect. Default: nowhere; the members talk over their peer URLs. */
  readonly listenClients?: readonly Address[];
  /** For addresses of `listenClients` that are `secure`. */
  readonly tls?: TlsFileOptions;
  /** For peer URLs that begin with https://. */
  readonly peerTls?: TlsFileOptions;
  /** Gets the member's log, in the app's thread. Default: none. */
  readonly logger?: Logger;
}

export type EmbeddedClientOptions = Pick<ConnectOptions, 'name' | 'timeoutMs' | 'username' | 'password'>;
export type EmbeddedStoreOptions = EmbeddedClientOptions & { readonly namespace?: string };

type Started = Extract<WorkerMessage, { kind: 'started' }>;

/**
 * Starts a member of a cluster inside this process, in a thread of its own, so that a busy app does not cost the
 * cluster its leader. Resolves when it takes part in the cluster; a leader may not be known yet.
 *
 * @throws ConclaveError 'invalid-argument', 'data-locked', 'data-incompatible', 'data-damaged', 'disk-failed',
 * 'disk-full', 'address-in-use'.
 */
export async function startEmbeddedMember(options: EmbeddedMemberOptions): Promise<EmbeddedMember> {
  const { listenClients = [], logger, tls, peerTls, ...member } = options;
  const secured = { ...(tls && { tls }), ...(peerTls && { peerTls }) };
  const workerOptions: WorkerOptions = { member, listenClients, ...secured, logs: logger !== undefined };
  // From sources the thread runs the source too; both stand beside this file under the same name.
  const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
  const worker = new Worker(new URL(file, import.meta.url), {
    workerData: workerOptions,
    name: `conclave ${options.name}`,
  });
  const embedded = new EmbeddedMember(worker, options.name, logger);
  await embedded.started;
  return embedded;
}

/** A member that runs in a thread of this process. */
export class EmbeddedMember implements AsyncDisposable {
  readonly name: string;
  /** Resolves when the member has stopped; rejects with the reason when it stopped by a failure. */
  readonly stopped: Promise<void>;
  /** @internal */
  readonly started: Promise<void>;
  readonly #worker: Worker;
  readonly #logger: Logger | undefined;
  readonly #listeners = new Set<(status: MemberStatus) => void>();
  readonly #asked = new Map<number, { resolve(status: MemberStatus): void; reject(error: unknown): void }>();
  #about: Started | undefined;
  #nextRequest = 1;
  #over = false;
  #failure: ConclaveError | undefined;

  /** Use `startEmbeddedMember`. */
  constructor(worker: Worker, name: string, logger: Logger | undefined) {
    this.name = name;
    this.#worker = worker;
    this.#logger = logger;
    let onStarted = (): void => {};
    this.started = new Promise((resolve, reject) => {
      onStarted = resolve;
      worker.once('exit', () => reject(this.#failure ?? ended(name)));
    });
    this.stopped = new Promise((resolve, reject) => {
      worker.once('exit', () => {
        this.#end();
        if (this.#failure === undefined) resolve();
        else reject(this.#failure);
      });
    });
    // Whoever waits for either gets the reason; a failure that nobody waits for must not end the app.
    this.started.catch(() => {});
    this.stopped.catch(() => {});
    worker.on('message', (message: WorkerMessage) => this.#take(message, onStarted));
    worker.on('error', (error) => this.#fail(error));
    worker.on('messageerror', (error) => this.#fail(error));
  }

  get clusterId(): number {
    return this.#about?.clusterId ?? 0;
  }

  get memberId(): number {
    return this.#about?.memberId ?? 0;
  }

  /** As bound, in the order of `listenClients`. */
  get clientAddresses(): readonly Address[] {
    return this.#about?.clientAddresses ?? [];
  }

  /** @throws ConclaveError 'closed' once the member has stopped. */
  status(): Promise<MemberStatus> {
    if (this.#over) return Promise.reject(this.#failure ?? ended(this.name));
    return new Promise((resolve, reject) => {
      const request = this.#nextRequest;
      this.#nextRequest += 1;
      this.#asked.set(request, { resolve, reject });
      this.#post({ kind: 'status', request });
    });
  }

  /** Called whenever role, term, leader or peers' connections changed. Returns the function that ends it. */
  onChange(listener: (status: MemberStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * A client that talks to this member without a network. Its sessions cannot be bound to their connection: an app
   * that dies takes its member along, and the lease then lives for its TTL. Close it when done.
   */
  client(options: EmbeddedClientOptions = {}): ConclaveClient {
    return connectClient(this.#connectOptions(options));
  }

  /** This member as a store of elections, with a client of its own that is closed with it. */
  store(options: EmbeddedStoreOptions = {}): LeaseStore {
    const description = `conclave, member ${this.name} in this process`;
    return conclaveStore({ description, ...options, ...this.#connectOptions(options) });
  }

  #connectOptions(options: EmbeddedClientOptions): ConnectOptions {
    const runtime = nodeRuntime();
    return {
      ...options,
      endpoints: [`member ${this.name} in this process`],
      runtime,
      connectionBound: false,
      transport: (endpoint) => {
        const { port1, port2 } = new MessageChannel();
        const transport = new PortTransport(endpoint, new ThreadPort(port1), runtime);
        if (this.#over) transport.close(gone(this.name));
        else this.#worker.postMessage({ kind: 'connect', port: port2 } satisfies AppMessage, [port2]);
        return transport;
      },
    };
  }

  /** Graceful: hands Raft leadership over, answers what is under way, stops. Idempotent; rejects as `stopped` does. */
  stop(): Promise<void> {
    if (!this.#over) this.#post({ kind: 'stop' });
    return this.stopped;
  }

  /** As `stop`, but a failure that ended the member before is `stopped`'s to tell. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop().catch(() => {});
  }

  #post(message: AppMessage): void {
    this.#worker.postMessage(message);
  }

  #take(message: WorkerMessage, onStarted: () => void): void {
    switch (message.kind) {
      case 'started':
        this.#about = message;
        onStarted();
        return;
      case 'status':
        this.#asked.get(message.request)?.resolve(message.status);
        this.#asked.delete(message.request);
        return;
      case 'changed':
        for (const listener of [...this.#listeners]) this.#guard(() => listener(message.status));
        return;
      case 'log':
        this.#guard(() => this.#logger?.[message.level](message.fields, message.message));
        return;
      case 'stopped':
        if (message.error !== undefined) this.#failure ??= fromThrown(message.error);
        // Everything is closed; whatever still holds the thread is nothing that is worth waiting for.
        void this.#worker.terminate();
    }
  }

  /** A listener's failure is its own: the member must not suffer by it. */
  #guard(call: () => void): void {
    try {
      call();
    } catch {
      // Nothing here could do anything about it.
    }
  }

  #fail(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    const message = `The thread of member ${this.name} failed: ${text}`;
    this.#failure ??= ConclaveError.is(error)
      ? error
      : new ConclaveError('internal', message, { cause: error });
  }

  #end(): void {
    this.#over = true;
    for (const { reject } of this.#asked.values()) reject(this.#failure ?? ended(this.name));
    this.#asked.clear();
    this.#listeners.clear();
  }
}

function gone(name: string): ConclaveError {
  const message = `The member ${name} in this process has stopped.`;
  return new ConclaveError('unavailable', message, { retryable: true });
}

function ended(name: string): ConclaveError {
  return new ConclaveError('closed', `The member ${name} in this process has stopped.`);
}
