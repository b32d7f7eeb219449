import { toThrown } from '../../errors/thrown.ts';
import { RecentDelays } from '../../member/recent-delays.ts';
import { listenSockets, type SocketInfo } from '../../runtime/sockets.ts';
import { type OwnThread, sharedMonotonicMs } from '../../runtime/threads.ts';
import { TlsIdentity } from '../../runtime/tls.ts';
import type { Address, CloseCause, Listener, Runtime } from '../../runtime/types.ts';
import { ClientServer, clientProtocols } from '../client-server.ts';
import { refusalLog } from '../refusal-log.ts';
import type { Logger } from '../types.ts';
import { BatchReader, BatchWriter } from './batch.ts';
import { CoreCalls, type FrontEndConnection } from './core-calls.ts';
import { type HandedMethods, handedMethods } from './handed-methods.ts';
import {
  type Ask,
  type AskMessage,
  type Figures,
  type FrontEndMessage,
  type FrontEndSettings,
  placeOf,
} from './messages.ts';

/** Bytes of batches that the core has not taken yet, above which this thread waits for it, and reads nothing meanwhile. */
const mostUntakenBytes = 8 * 1024 * 1024;
/** How long it waits before it looks itself. */
const lookEveryMs = 1000;

/** A front end, within its thread. */
export class FrontEndThread {
  readonly #thread: OwnThread;
  readonly #settings: FrontEndSettings;
  readonly #core: CoreCalls;
  readonly #writer: BatchWriter;
  readonly #methods: HandedMethods;
  readonly #server: ClientServer;
  readonly #logRefusal: (remote: string, reason: string) => void;
  /** By their places; also those that begin to listen just now. */
  readonly #listeners = new Map<string, Promise<Listener>>();
  readonly #delays = new RecentDelays();
  readonly #taken: Int32Array<SharedArrayBuffer>;
  #tls: Promise<TlsIdentity> | undefined;
  #sentBytes = 0;
  #refused = 0;
  #lastConnection = 0;

  constructor(thread: OwnThread, { clock, timers }: Runtime) {
    const settings = thread.data as FrontEndSettings;
    this.#thread = thread;
    this.#settings = settings;
    this.#taken = new Int32Array(settings.taken);
    this.#writer = new BatchWriter({
      send: (batch) => this.#send(batch),
      // After all sockets that have something were read: one batch for each turn of the loop.
      later: (flush) => timers.nextTurn(flush),
      nowMs: sharedMonotonicMs,
    });
    this.#core = new CoreCalls(this.#writer);
    this.#methods = handedMethods(this.#core, settings);
    const { registry, pages, grpc: methods } = this.#methods;
    const logger = logTo((message) => thread.post(message));
    this.#logRefusal = refusalLog(logger, clock);
    const { limits, http2, corsOrigins } = settings;
    this.#server = new ClientServer({
      ...{ methods, registry, pages, clock, timers, logger, limits, http2, corsOrigins },
    });
    thread.onMessage((message) => {
      if (message instanceof ArrayBuffer) this.#take(message);
      else void this.#answer(message as AskMessage);
    });
  }

  #take(batch: ArrayBuffer): void {
    const reader = new BatchReader(batch);
    this.#delays.record(sharedMonotonicMs() - reader.sentAtMs);
    this.#core.take(reader);
  }

  #send(batch: ArrayBuffer): void {
    this.#sentBytes = (this.#sentBytes + batch.byteLength) | 0;
    this.#thread.post(batch, [batch]);
    for (;;) {
      const taken = Atomics.load(this.#taken, 0);
      if (((this.#sentBytes - taken) | 0) <= mostUntakenBytes) return;
      Atomics.wait(this.#taken, 0, taken, lookEveryMs);
    }
  }

  /** Never rejects. */
  async #answer({ request, ask }: AskMessage): Promise<void> {
    try {
      await this.#do(ask);
      this.#tell({ kind: 'answer', request, figures: this.#figures() });
    } catch (error) {
      this.#tell({ kind: 'failed', request, error: toThrown(error) });
    }
  }

  async #do(ask: Ask): Promise<void> {
    if (ask.kind === 'listen') {
      await this.#listenOnce(ask.address, ask.maxConnections);
    } else if (ask.kind === 'unlisten') {
      await this.#unlisten(placeOf(ask.address));
    } else if (ask.kind === 'close') {
      await Promise.all([...this.#listeners.keys()].map((place) => this.#unlisten(place)));
      await this.#server.close(ask.graceMs);
      this.#writer.flush();
      (await this.#tls)?.[Symbol.dispose]();
    }
  }

  /** Whoever asks twice, as for a front end that is started again while all begin to listen, has one listener. */
  async #listenOnce(address: Address, maxConnections: number): Promise<void> {
    const place = placeOf(address);
    let listener = this.#listeners.get(place);
    if (listener === undefined) {
      listener = this.#listen(address, maxConnections);
      this.#listeners.set(place, listener);
    }
    try {
      await listener;
    } catch (error) {
      if (this.#listeners.get(place) === listener) this.#listeners.delete(place);
      throw error;
    }
  }

  /** Also one that only begins to listen. */
  async #unlisten(place: string): Promise<void> {
    const listener = this.#listeners.get(place);
    this.#listeners.delete(place);
    await (await listener?.catch(() => undefined))?.close();
  }

  async #listen(address: Address, maxConnections: number): Promise<Listener> {
    const tls = await this.#identity();
    return listenSockets(address, (socket, info) => this.#server.accept(socket, this.#connected(info)), {
      ...{ maxConnections, tls, protocols: clientProtocols, shared: true },
      onRefused: (remote, reason) => {
        this.#refused += 1;
        this.#logRefusal(remote, reason);
      },
    });
  }

  #identity(): Promise<TlsIdentity> | undefined {
    const { tls } = this.#settings;
    if (tls === undefined) return undefined;
    this.#tls ??= TlsIdentity.load(tls).catch((error: unknown) => {
      this.#tls = undefined;
      throw error;
    });
    return this.#tls;
  }

  #connected(info: SocketInfo): HeldConnection {
    this.#lastConnection += 1;
    const connection = new HeldConnection(this.#lastConnection, info);
    void info.ended.then((cause) => this.#core.connectionEnded(connection, cause));
    return connection;
  }

  #figures(): Figures {
    return {
      connections: this.#server.connections,
      refused: this.#refused,
      calls: this.#methods.calls.map(({ started, byCode }) => ({ started, byCode })),
      delay: this.#delays.distribution,
    };
  }

  #tell(message: FrontEndMessage): void {
    this.#thread.post(message);
  }
}

/** A connection of this thread. */
class HeldConnection implements FrontEndConnection, SocketInfo {
  readonly id: number;
  readonly remote: string;
  readonly protocol: string | undefined;
  readonly commonName: string | undefined;
  told = false;
  readonly #info: SocketInfo;

  constructor(id: number, info: SocketInfo) {
    this.id = id;
    this.remote = info.remote;
    this.protocol = info.protocol;
    this.commonName = info.commonName;
    this.#info = info;
  }

  get ended(): Promise<CloseCause> {
    return this.#info.ended;
  }

  get endedBy(): CloseCause | undefined {
    return this.#info.endedBy;
  }
}

function logTo(tell: (message: FrontEndMessage) => void): Logger {
  const log =
    (level: keyof Logger) =>
    (fields: object, message: string): void =>
      tell({ kind: 'log', level, fields, message });
  return { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
}
