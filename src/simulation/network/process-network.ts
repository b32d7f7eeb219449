import { ConclaveError } from '../../errors/index.ts';
import type { Address, Connection, Listener, Network } from '../../runtime/types.ts';
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import { type Acceptor, Dial } from './dial.ts';
import type { End } from './end.ts';
import type { Fabric } from './fabric.ts';
import type { Link } from './link.ts';

/** What a process's view needs of the whole. */
export interface Wiring {
  readonly fabric: Fabric;
  readonly peerPort: number;
  isDown(host: Host): boolean;
  link(from: Host, to: Host): Link;
  /** By address or name. */
  hostAt(name: string): Host | undefined;
  freePort(): number;
  /** Who listens there; undefined: nobody. */
  acceptors: Map<string, Acceptor>;
  opened(near: End, far: End): void;
}

const everywhere = new Set(['0.0.0.0', '::', '']);
const loopback = new Set(['127.0.0.1', 'localhost', '::1']);

/** The network as one process sees it. Its sockets close when it dies. */
export class ProcessNetwork implements Network {
  readonly #wiring: Wiring;
  readonly #process: Process;
  readonly #listening = new Set<SimulatedListener>();
  readonly #ends = new Set<End>();

  constructor(wiring: Wiring, process: Process) {
    this.#wiring = wiring;
    this.#process = process;
    process.onDeath.push(() => this.#died());
  }

  async listen(address: Address, onConnection: (connection: Connection) => void): Promise<Listener> {
    const { host } = this.#process;
    const own = everywhere.has(address.host) || loopback.has(address.host);
    const where = `${address.host}:${address.port}`;
    if (!own && this.#wiring.hostAt(address.host) !== host) {
      throw new ConclaveError(
        'invalid-argument',
        `Cannot listen on ${where}: this host has no such address (EADDRNOTAVAIL).`,
      );
    }
    const port = address.port === 0 ? this.#wiring.freePort() : address.port;
    // An address of the host and all of its addresses share the ports here.
    const key = keyOf(host, port);
    const { acceptors } = this.#wiring;
    if (acceptors.has(key)) {
      throw new ConclaveError(
        'address-in-use',
        `Cannot listen on ${where}: another process does. Stop it, or choose another address.`,
        { retryable: true, details: { host: address.host, port } },
      );
    }
    const listener = new SimulatedListener(
      { host: address.host, port },
      this.#process,
      onConnection,
      (closed) => {
        this.#listening.delete(closed);
        acceptors.delete(key);
      },
    );
    this.#listening.add(listener);
    acceptors.set(key, listener);
    return listener;
  }

  connect(address: Address, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Connection> {
    const { fabric, acceptors, peerPort } = this.#wiring;
    const here = this.#process.host;
    const host = loopback.has(address.host) ? here : this.#wiring.hostAt(address.host);
    const there = host ?? here;
    const dial = new Dial({
      ...{ fabric, process: this.#process, address, host },
      there: this.#wiring.link(here, there),
      back: this.#wiring.link(there, here),
      framed: address.port === peerPort,
      timeoutMs: options.timeoutMs,
      signal: options.signal,
      acceptor: () => acceptors.get(keyOf(there, address.port)),
      localPort: () => this.#wiring.freePort(),
      opened: (near, far) => this.#wiring.opened(near, far),
    });
    return dial.promise;
  }

  /** For the network: this end is of our process. */
  own(end: End): void {
    this.#ends.add(end);
  }

  disown(end: End): void {
    this.#ends.delete(end);
  }

  #died(): void {
    for (const listener of [...this.#listening]) listener.stop();
    const down = this.#wiring.isDown(this.#process.host);
    for (const end of [...this.#ends]) end.processDied(down);
  }
}

class SimulatedListener implements Listener, Acceptor {
  readonly address: Address;
  readonly process: Process;
  readonly onConnection: (connection: Connection) => void;
  readonly #onClosed: (listener: SimulatedListener) => void;
  #open = true;

  constructor(
    address: Address,
    process: Process,
    onConnection: (connection: Connection) => void,
    onClosed: (listener: SimulatedListener) => void,
  ) {
    this.address = address;
    this.process = process;
    this.onConnection = onConnection;
    this.#onClosed = onClosed;
  }

  get open(): boolean {
    return this.#open;
  }

  stop(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#onClosed(this);
  }

  async close(): Promise<void> {
    this.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function keyOf(host: Host, port: number): string {
  return `${host.address}:${port}`;
}
