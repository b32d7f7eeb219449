import { ConclaveError } from '../../errors/index.ts';
import type { Address, CloseCause, Connection, Listener, Network } from '../types.ts';
import type { ManualClock } from './clock.ts';
import type { SeededRandom } from './random.ts';
import type { Turns } from './turns.ts';

/** Connections in memory. Bytes arrive in later turns, cut and joined at random as TCP may. */
export class MemoryNetwork implements Network {
  readonly #turns: Turns;
  readonly #clock: ManualClock;
  readonly #random: SeededRandom;
  readonly #listeners = new Map<string, (connection: Connection) => void>();
  readonly #open = new Set<MemoryConnection>();
  #nextPort = 40_000;
  #silent = false;
  #resume: (() => void)[] = [];

  constructor(turns: Turns, clock: ManualClock, random: SeededRandom) {
    this.#turns = turns;
    this.#clock = clock;
    this.#random = random;
  }

  async listen(address: Address, onConnection: (connection: Connection) => void): Promise<Listener> {
    const bound = { host: address.host, port: address.port === 0 ? this.#nextPort++ : address.port };
    const key = keyOf(bound);
    if (this.#listeners.has(key)) {
      throw new ConclaveError('address-in-use', `Cannot listen on ${key}: another process does.`);
    }
    this.#listeners.set(key, onConnection);
    const close = async (): Promise<void> => {
      if (this.#listeners.get(key) === onConnection) this.#listeners.delete(key);
    };
    return { address: bound, close, [Symbol.asyncDispose]: close };
  }

  connect(address: Address, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let settled = false;
      const settle = (): boolean => {
        if (settled) return false;
        settled = true;
        timer.cancel();
        options.signal?.removeEventListener('abort', aborted);
        return true;
      };
      const fail = (reason: string): void => {
        if (!settle()) return;
        reject(
          new ConclaveError('unavailable', `Cannot connect to ${keyOf(address)}: ${reason}.`, {
            retryable: true,
          }),
        );
      };
      const aborted = (): void => {
        if (settle()) reject(ConclaveError.aborted(`Connecting to ${keyOf(address)}`, options.signal));
      };
      const timer = this.#clock.after(options.timeoutMs, () =>
        fail(`no answer within ${options.timeoutMs} ms`),
      );
      options.signal?.addEventListener('abort', aborted, { once: true });
      if (options.signal?.aborted) aborted();
      this.later(() => {
        const wildcard = { host: '0.0.0.0', port: address.port };
        const accept = this.#listeners.get(keyOf(address)) ?? this.#listeners.get(keyOf(wildcard));
        if (accept === undefined) fail('connection refused');
        else if (settle()) {
          const near = new MemoryConnection(this, address);
          const far = new MemoryConnection(this, { host: '127.0.0.1', port: this.#nextPort++ });
          near.join(far);
          accept(far);
          resolve(near);
        }
      });
    });
  }

  /** Nothing arrives, no end is noticed and nothing is lost until `speak`. */
  silence(): void {
    this.#silent = true;
  }

  speak(): void {
    this.#silent = false;
    const resume = this.#resume;
    this.#resume = [];
    for (const callback of resume) this.#turns.next(callback);
  }

  /** Ends all connections, both sides seeing this cause. */
  breakAll(cause: CloseCause = 'broken'): void {
    for (const connection of this.#open) connection.break(cause);
  }

  /** Connections now open, counted at both ends. */
  get openEnds(): number {
    return this.#open.size;
  }

  /** For the connections: runs `callback` in a later turn, when the network is not silent. */
  later(callback: () => void): void {
    this.#turns.next(() => {
      if (this.#silent) this.#resume.push(callback);
      else callback();
    });
  }

  opened(connection: MemoryConnection): void {
    this.#open.add(connection);
  }

  closed(connection: MemoryConnection): void {
    this.#open.delete(connection);
  }

  /** Where to cut `length` bytes, so that readers meet every way of splitting a frame. */
  cut(length: number): number {
    return this.#random.unit() < 0.5 ? length : 1 + this.#random.below(length);
  }
}

class MemoryConnection implements Connection {
  readonly remote: Address;
  onData: ((chunk: Uint8Array) => void) | undefined;
  onClose: ((cause: CloseCause) => void) | undefined;
  onDrained: (() => void) | undefined;
  bufferedBytes = 0;
  readonly #network: MemoryNetwork;
  #other: MemoryConnection | undefined;
  #queue: Uint8Array[] = [];
  #delivering = false;
  #ending = false;
  #closed = false;

  constructor(network: MemoryNetwork, remote: Address) {
    this.#network = network;
    this.remote = remote;
    network.opened(this);
  }

  join(other: MemoryConnection): void {
    this.#other = other;
    other.#other = this;
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#closed || this.#ending) return;
    for (const chunk of chunks) {
      if (chunk.length === 0) continue;
      this.#queue.push(chunk.slice());
      this.bufferedBytes += chunk.length;
    }
    this.#deliver();
  }

  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.#deliver();
  }

  destroy(): void {
    if (this.#closed) return;
    const other = this.#other;
    this.break('local');
    this.#network.later(() => other?.break('peer'));
  }

  break(cause: CloseCause): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue = [];
    this.bufferedBytes = 0;
    this.#network.closed(this);
    this.#network.later(() => this.onClose?.(this.#ending ? 'local' : cause));
  }

  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    this.#network.later(() => {
      this.#delivering = false;
      if (this.#closed) return;
      this.#hand(joined(this.#queue));
    });
  }

  #hand(bytes: Uint8Array): void {
    const length = bytes.length === 0 ? 0 : this.#network.cut(bytes.length);
    this.bufferedBytes -= length;
    this.#queue = length < bytes.length ? [bytes.subarray(length)] : [];
    // The other side keeps what it is given.
    const other = this.#other;
    if (length > 0 && other !== undefined && !other.#closed) other.onData?.(bytes.slice(0, length));
    if (this.#closed) return;
    if (this.#queue.length > 0) this.#deliver();
    else if (this.#ending) {
      this.break('local');
      other?.break('peer');
    } else if (length > 0) this.onDrained?.();
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function keyOf(address: Address): string {
  return `${address.host}:${address.port}`;
}
