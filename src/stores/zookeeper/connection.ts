/**
 * One connection to one ZooKeeper server, with a session of its own: requests are answered in the order in which they
 * were sent. It does not connect again: the session keeps nothing that must outlive it, since the store has no
 * ephemeral nodes.
 *
 * A server that says nothing for two thirds of the session's time is given up, also one that accepts and never answers.
 */
import { ConclaveError } from '../../errors/index.ts';
import type { Address, Connection, Runtime, Timer } from '../../runtime/types.ts';
import { type Fill, failures, operations, Reader, unasked, Writer } from './wire.ts';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface ConnectOptions {
  readonly runtime: Runtime;
  readonly address: Address;
  readonly sessionMs: number;
  readonly timeoutMs: number;
  readonly credentials: Credentials | undefined;
  /** The latest transaction that this process has seen: a server that is behind refuses to serve it. */
  readonly seen: bigint;
}

export interface Answer {
  /** One of `failures`; 0 where there is none. */
  readonly code: number;
  readonly reader: Reader;
}

interface Pending {
  readonly number: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: ConclaveError) => void;
}

/** A server sends what a client asked for; none of ours is so large, a list of names may be. */
const mostBytes = 64 * 2 ** 20;

export class ServerConnection {
  readonly #runtime: Runtime;
  readonly #socket: Connection;
  readonly #where: string;
  readonly #pending: Pending[] = [];
  readonly #listeners = new Set<(path: string) => void>();
  readonly #broken = new AbortController();
  #received: Buffer = Buffer.alloc(0);
  #onHandshake: ((reader: Reader) => void) | undefined;
  #sessionMs: number;
  #number = 0;
  #heardAtMs = 0;
  #silence: Timer | undefined;
  #ping: Timer | undefined;
  /** The latest transaction that the server told of. */
  seen: bigint;

  private constructor(socket: Connection, { runtime, address, sessionMs, seen }: ConnectOptions) {
    this.#runtime = runtime;
    this.#socket = socket;
    this.#where = placeOf(address);
    this.#sessionMs = sessionMs;
    this.seen = seen;
    socket.onData = (chunk) => this.#onData(chunk);
    socket.onClose = () => {
      const wasLetIn = this.#onHandshake === undefined;
      this.#break(wasLetIn ? this.#failure('closed the connection') : notLetIn(this.#where, this.seen));
    };
  }

  /** @throws ConclaveError 'unavailable', outcome 'not-applied' */
  static async open(options: ConnectOptions): Promise<ServerConnection> {
    const { runtime, address, timeoutMs, credentials, seen } = options;
    const socket = await runtime.network.connect(address, { timeoutMs }).catch((error: unknown) => {
      // It took the connection, and closed it before this side knew.
      throw /EPIPE|ECONNRESET/.test(String(error)) ? notLetIn(placeOf(address), seen) : error;
    });
    const connection = new ServerConnection(socket, options);
    const timer = runtime.timers.after(timeoutMs, () =>
      connection.#break(connection.#failure(`does not answer within ${timeoutMs} ms`)),
    );
    try {
      await connection.#greet();
      if (credentials !== undefined) connection.#authenticate(credentials);
      connection.#keepAlive();
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    } finally {
      timer.cancel();
    }
  }

  /** Aborts when nothing comes any more; its reason says why. */
  get broken(): AbortSignal {
    return this.#broken.signal;
  }

  /** Rejects with outcome 'unknown' where the connection breaks before the answer. */
  request(operation: number, body: Fill): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.broken.aborted) return reject(this.broken.reason);
      this.#number = (this.#number + 1) % 2 ** 31;
      this.#pending.push({ number: this.#number, resolve, reject });
      this.#send(this.#number, operation, body);
    });
  }

  /** Paths that the server says have changed. Returns what ends it. */
  listen(listener: (path: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether anybody listens. */
  get listening(): boolean {
    return this.#listeners.size > 0;
  }

  /** The server forgets the session at once. */
  close(): void {
    if (this.broken.aborted) return;
    this.#send(0, operations.closeSession);
    this.#socket.end();
    this.#break(this.#failure('was closed by this process'));
  }

  async #greet(): Promise<void> {
    const answered = new Promise<Reader>((resolve, reject) => {
      this.#onHandshake = resolve;
      this.broken.addEventListener('abort', () => reject(this.broken.reason));
    });
    const noPassword = new Uint8Array(16);
    const greeting = Writer.frame((writer) =>
      writer.int(0).long(this.seen).int(this.#sessionMs).long(0n).bytes(noPassword).flag(false),
    );
    this.#socket.write([greeting]);
    const reader = await answered;
    reader.int();
    const grantedMs = reader.int();
    if (grantedMs <= 0) throw this.#failure('grants no session');
    this.#sessionMs = grantedMs;
  }

  #authenticate({ user, password }: Credentials): void {
    const login = Buffer.from(`${user}:${password}`);
    this.#send(unasked.authentication, operations.authenticate, (writer) =>
      writer.int(0).text('digest').bytes(login),
    );
  }

  #keepAlive(): void {
    const { clock, timers } = this.#runtime;
    const ping = () => {
      this.#send(unasked.ping, operations.ping);
      this.#ping = timers.after(this.#sessionMs / 3, ping, { background: true });
    };
    this.#ping = timers.after(this.#sessionMs / 3, ping, { background: true });
    this.#heardAtMs = clock.monotonicMs();
    this.#awaitSilence((this.#sessionMs * 2) / 3);
  }

  /** Not one timer anew for each frame: what it tells may be awaited. */
  #awaitSilence(delayMs: number): void {
    const { clock, timers } = this.#runtime;
    const look = () => {
      const leftMs = this.#heardAtMs + (this.#sessionMs * 2) / 3 - clock.monotonicMs();
      if (leftMs > 0) this.#awaitSilence(leftMs);
      else this.#break(this.#failure('has gone silent'));
    };
    this.#silence = timers.after(delayMs, look, { background: true });
  }

  #send(number: number, operation: number, body: Fill = (writer) => writer): void {
    this.#socket.write([Writer.frame((writer) => body(writer.int(number).int(operation)))]);
  }

  #onData(chunk: Uint8Array): void {
    if (this.broken.aborted) return;
    this.#received =
      this.#received.length === 0
        ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
        : Buffer.concat([this.#received, chunk]);
    try {
      while (this.#received.length >= 4 && !this.broken.aborted) {
        const length = this.#received.readInt32BE(0);
        if (length < 0 || length > mostBytes) throw new RangeError(`a frame of ${length} bytes`);
        if (this.#received.length < 4 + length) return;
        const frame = this.#received.subarray(4, 4 + length);
        this.#received = this.#received.subarray(4 + length);
        this.#onFrame(new Reader(frame));
      }
    } catch (cause) {
      this.#break(this.#failure('sent what is not ZooKeeper’s protocol', cause));
    }
  }

  #onFrame(reader: Reader): void {
    if (this.#onHandshake !== undefined) {
      const onHandshake = this.#onHandshake;
      this.#onHandshake = undefined;
      return onHandshake(reader);
    }
    this.#heardAtMs = this.#runtime.clock.monotonicMs();
    const number = reader.int();
    const transaction = reader.long();
    const code = reader.int();
    if (transaction > this.seen) this.seen = transaction;
    if (number === unasked.ping) return;
    if (number === unasked.authentication) return this.#onAuthentication(code);
    if (number === unasked.event) return this.#onEvent(reader);
    const next = this.#pending.shift();
    if (next?.number !== number) throw new RangeError(`an answer to request ${number}`);
    next.resolve({ code, reader });
    // The request that hears of it was not carried out; nothing else on this session will be.
    if (code === failures.sessionExpired || code === failures.sessionMoved) {
      this.#break(this.#failure('ended the session'));
    }
  }

  #onAuthentication(code: number): void {
    if (code === failures.none) return;
    this.#break(
      new ConclaveError(
        'failed-precondition',
        `${this.#where} refuses the login by digest (error ${code}): let it have that way of authentication, and look at user and password.`,
      ),
    );
  }

  #onEvent(reader: Reader): void {
    const type = reader.int();
    reader.int();
    const path = reader.text();
    // Without a type it is about the session.
    if (type <= 0) return;
    for (const listener of this.#listeners) listener(path);
  }

  #break(reason: ConclaveError): void {
    if (this.broken.aborted) return;
    this.#ping?.cancel();
    this.#silence?.cancel();
    this.#broken.abort(reason);
    const { code, message, retryable, cause } = reason;
    for (const { reject } of this.#pending.splice(0)) {
      reject(new ConclaveError(code, message, { retryable, outcome: 'unknown', cause }));
    }
    this.#socket.onData = undefined;
    this.#socket.end();
    this.#runtime.timers.after(1000, () => this.#socket.destroy(), { background: true });
  }

  #failure(what: string, cause?: unknown): ConclaveError {
    return new ConclaveError('unavailable', `${this.#where} ${what}.`, { retryable: true, cause });
  }
}

function placeOf({ host, port }: Address): string {
  return `ZooKeeper at ${host}:${port}`;
}

/** The server says nothing of why it closes the connection instead of greeting. */
function notLetIn(where: string, seen: bigint): ConclaveError {
  const behind = seen === 0n ? '' : ', or it knows less than this process has seen (data restored or lost)';
  const message = `${where} does not let this process in: it is in no majority, or has as many connections from here as its maxClientCnxns allows${behind}.`;
  return new ConclaveError('unavailable', message, { retryable: true, details: { letIn: false } });
}
