import { connectClient, type TransportFactory } from '../../client/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import type { World } from '../world/world.ts';
import { ClientLife } from './client-life.ts';
import type { History } from './history.ts';
import { OperationSource, SharedNumbers } from './operation-source.ts';
import { readingOnly, usualRates, type WorkloadRates } from './rates.ts';

export interface ClientWorkloadOptions {
  readonly world: World;
  readonly history: History;
  /** Addresses of the members, as their clients know them. */
  readonly endpoints: readonly string[];
  /** Calls over the simulated network, for the process that has this runtime. */
  readonly transport: (runtime: Runtime) => TransportFactory;
  /** Who a client's process is, and what it calls through; absent: nobody is asked. */
  readonly login?: ((name: string, plain: TransportFactory) => Login) | undefined;
  /** Gives a new process its disk and network. */
  readonly equip: (process: Process) => void;
  /** Default 8. */
  readonly clients?: number;
  /** Default `usualRates`. */
  readonly rates?: WorkloadRates;
}

/** As `connectClient` takes it. */
export interface Login {
  readonly transport: TransportFactory;
  readonly username: string;
  readonly password: string;
}

interface Seat {
  readonly name: string;
  readonly host: Host;
  readonly watches: boolean;
  readonly rates: WorkloadRates;
  lives: number;
  life: ClientLife | undefined;
}

/**
 * Clients with random operations on few keys, so that they get into each other's way; all that they ask and hear
 * goes into the history. Each is a process on a host of its own, which may be paused, killed and started again.
 */
export class ClientWorkload {
  readonly #options: ClientWorkloadOptions;
  readonly #draw: Draw;
  readonly #shared = new SharedNumbers();
  readonly #seats: readonly Seat[];
  #stopped = false;

  constructor(options: ClientWorkloadOptions) {
    const { world, clients = 8, rates = usualRates } = options;
    this.#options = options;
    this.#draw = world.random('workload');
    this.#seats = Array.from({ length: clients }, (_, at) => {
      const name = `client-${at + 1}`;
      const watches = this.#draw.chance(rates.watchers);
      const ownRates = this.#draw.chance(rates.readers) ? readingOnly(rates) : rates;
      return { name, host: world.addHost(name), watches, rates: ownRates, lives: 0, life: undefined };
    });
  }

  get size(): number {
    return this.#seats.length;
  }

  /** Operations of living processes that have no outcome yet. */
  get pending(): number {
    let pending = 0;
    for (const { life } of this.#seats) if (life?.process.alive) pending += life.pending;
    return pending;
  }

  start(): void {
    for (let at = 0; at < this.size; at++) this.restart(at);
  }

  /** No operation begins any more; wait for `pending` to be 0. Watches stay open, and must get everything. */
  stop(): void {
    this.#stopped = true;
    for (const { life } of this.#seats) life?.stop();
  }

  /** undefined where its process was killed. */
  processOf(client: number): Process | undefined {
    const process = this.#seats[client]?.life?.process;
    return process?.alive ? process : undefined;
  }

  hostOf(client: number): Host {
    return this.#seat(client).host;
  }

  /** What it has under way stays open for ever. */
  kill(client: number): void {
    this.#seat(client).life?.process.die();
  }

  /** A new process, if none lives, that knows nothing of the one before. */
  restart(client: number): void {
    const seat = this.#seat(client);
    if (seat.life?.process.alive) return;
    const { world, history, endpoints, transport, equip } = this.#options;
    seat.lives += 1;
    const name = `${seat.name}.${seat.lives}`;
    const process = world.startProcess(name, seat.host);
    equip(process);
    const { runtime } = process;
    seat.life = new ClientLife({
      world,
      process,
      client: connectClient({ endpoints, runtime, name, ...this.#loggedIn(name, transport(runtime)) }),
      history,
      source: new OperationSource(name, seat.rates, this.#draw.fork(`${name} operations`), this.#shared),
      rates: seat.rates,
      draw: this.#draw.fork(`${name} times`),
      watches: seat.watches,
    });
    if (this.#stopped) seat.life.stop();
  }

  #loggedIn(name: string, plain: TransportFactory): Login | { readonly transport: TransportFactory } {
    const { login } = this.#options;
    return login === undefined ? { transport: plain } : login(name, plain);
  }

  #seat(client: number): Seat {
    const seat = this.#seats[client];
    if (seat === undefined) throw new RangeError(`There is no client ${client}.`);
    return seat;
  }
}
