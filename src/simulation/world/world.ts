import { Host } from './host.ts';
import { Process } from './process.ts';
import { Draw } from './random.ts';
import { Scheduler } from './scheduler.ts';
import { Trace } from './trace.ts';

export interface WorldOptions {
  readonly seed: number;
  /** Bound of each clock's rate against true time: hosts draw theirs from within it. Default 0: all run true. */
  readonly clockDriftRate?: number;
  /** Keeps a line for each event, for people. Default false. */
  readonly keepTrace?: boolean;
}

/** 2025-01-01. */
const epochMs = 1_735_689_600_000;

/** Time, chance, hosts and processes of one simulated life. */
export class World {
  readonly seed: number;
  readonly trace: Trace;
  readonly scheduler: Scheduler;
  readonly hosts: Host[] = [];
  readonly #random: Draw;
  readonly #hostRandom: Draw;
  readonly #clockDriftRate: number;
  #processes = 0;

  constructor(options: WorldOptions) {
    this.seed = options.seed;
    this.trace = new Trace({ keepLines: options.keepTrace ?? false });
    this.scheduler = new Scheduler(this.trace);
    this.#random = new Draw(options.seed);
    this.#hostRandom = this.#random.fork('hosts');
    this.#clockDriftRate = options.clockDriftRate ?? 0;
  }

  get nowUs(): number {
    return this.scheduler.nowUs;
  }

  /** Randomness for one part of the world. Call it in a fixed order: at the beginning of the life. */
  random(label: string): Draw {
    return this.#random.fork(label);
  }

  addHost(name: string): Host {
    const random = this.#hostRandom;
    // Clocks at the ends of what is allowed show most.
    const share = random.chance(0.4) ? random.pick([-0.999, 0.999]) : random.unit() * 2 - 1;
    const drift = share * this.#clockDriftRate;
    const host = new Host(this.scheduler, {
      name,
      address: `10.0.0.${this.hosts.length + 1}`,
      clockRate: 1 + drift,
      startMs: this.#hostRandom.between(1000, 1_000_000),
      startWallMs: epochMs + this.#hostRandom.between(-5000, 5000),
    });
    this.hosts.push(host);
    return host;
  }

  /** A process without disk and network: attach them before its program starts. */
  startProcess(name: string, host: Host): Process {
    const id = ++this.#processes;
    return new Process({
      id,
      name,
      host,
      scheduler: this.scheduler,
      random: this.#random.fork(`${name} ${id}`),
    });
  }

  /** Lets time pass until the promise is settled. Rejects when it is not within so much simulated time. */
  async until<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let settled = false;
    const watched = promise.finally(() => {
      settled = true;
    });
    watched.catch(() => {});
    await this.scheduler.run(this.nowUs + withinMs * 1000, () => settled);
    if (!settled) throw new Error(`Nothing came of it within ${withinMs} simulated ms.`);
    return watched;
  }

  note(who: string, text: () => string): void {
    this.trace.note(this.scheduler.nowUs, who, text);
  }
}
