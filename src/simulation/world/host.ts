import type { Clock } from '../../runtime/types.ts';
import type { Scheduler } from './scheduler.ts';

export interface HostOptions {
  readonly name: string;
  /** Unique in the world: the host's address on the simulated network. */
  readonly address: string;
  /** How fast its clocks run: 1.005 gains 5 ms in each second. Stays the same for the host's life. */
  readonly clockRate: number;
  /** What its monotonic clock shows at the beginning, ms. */
  readonly startMs: number;
  /** What its wall clock shows at the beginning, ms since the epoch. */
  readonly startWallMs: number;
}

/** A machine: its clocks go on while its processes come and go. Disk and network are attached by the world. */
export class Host implements Clock {
  readonly name: string;
  readonly address: string;
  readonly clockRate: number;
  readonly #scheduler: Scheduler;
  readonly #startMs: number;
  #wallAheadMs: number;
  #sleptUs = 0;
  #asleepSinceUs: number | undefined;

  constructor(scheduler: Scheduler, options: HostOptions) {
    this.#scheduler = scheduler;
    this.name = options.name;
    this.address = options.address;
    this.clockRate = options.clockRate;
    this.#startMs = options.startMs;
    this.#wallAheadMs = options.startWallMs - options.startMs;
  }

  monotonicMs(): number {
    return this.#startMs + (this.#awakeUs() / 1000) * this.clockRate;
  }

  wallMs(): number {
    return this.monotonicMs() + this.#wallAheadMs;
  }

  /** True microseconds from now until the monotonic clock shows this, if the host does not sleep. */
  usUntil(monotonicMs: number): number {
    return ((monotonicMs - this.monotonicMs()) / this.clockRate) * 1000;
  }

  jumpWall(ms: number): void {
    this.#wallAheadMs += ms;
  }

  get asleep(): boolean {
    return this.#asleepSinceUs !== undefined;
  }

  /** The monotonic clock stands still until `wake`; the wall clock makes up for it then. Pause its processes too. */
  sleep(): void {
    this.#asleepSinceUs ??= this.#scheduler.nowUs;
  }

  wake(): void {
    if (this.#asleepSinceUs === undefined) return;
    const sleptUs = this.#scheduler.nowUs - this.#asleepSinceUs;
    this.#asleepSinceUs = undefined;
    this.#sleptUs += sleptUs;
    this.#wallAheadMs += (sleptUs / 1000) * this.clockRate;
  }

  #awakeUs(): number {
    return (this.#asleepSinceUs ?? this.#scheduler.nowUs) - this.#sleptUs;
  }
}
