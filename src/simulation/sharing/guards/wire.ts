import type { FaultPreset } from '../../faults/options.ts';
import type { Process } from '../../world/process.ts';
import type { Draw } from '../../world/random.ts';
import { eventKinds } from '../../world/scheduler.ts';
import type { World } from '../../world/world.ts';
import type { SharingReports } from '../reports.ts';

export interface WireOptions {
  readonly world: World;
  readonly random: Draw;
  /** Which faults this life has. */
  readonly faults: FaultPreset;
  /** When all is healed nothing goes wrong any more, but what is late already. */
  readonly reports: SharingReports;
  /** A request comes at most so late, ms. Default 6000. */
  readonly latestMs?: number;
  /** Whether a request may reach the server twice. Default true. */
  readonly repeats?: boolean;
  /** Whether it may be a proxy that sends it twice, so that only the second answer is heard. Default false. */
  readonly relays?: boolean;
}

/** A server was asked for what it does not know: a fault of the simulator, which no program may take for an answer. */
export class NotSimulated extends Error {}

/** No answer came. */
export class NoAnswer extends Error {
  readonly how: 'reset' | 'timeout' | 'refused';

  constructor(how: NoAnswer['how']) {
    super(how === 'timeout' ? 'The request timed out' : `The connection was ${how}`);
    this.how = how;
  }
}

export interface CallOptions {
  /** Whether this request may reach the server twice, where any may. Default true. */
  readonly repeats?: boolean;
}

interface Fate {
  /** When each copy of the request arrives; none: it is lost. */
  readonly arrivesUs: readonly number[];
  readonly answered: boolean;
  /** Of the copies, the client hears the answer to this one and to later ones: a proxy gives on what it got last. */
  readonly heardFrom: number;
  /** The client is told so late that its connection broke; undefined: it waits for its timeout. */
  readonly brokenUs: number | undefined;
}

const usualUs = { least: 150, mean: 900 };
/** An answer that takes longer is given up. */
const patienceMs = 2000;

/**
 * What lies between the processes of a life and a server that is not part of it: requests and answers that get lost,
 * come late, or come twice, and a server that is down for a while. What a request does is one step at the server.
 */
export class Wire {
  down = false;
  /** The server's program is gone, with whatever it had in memory. */
  onDown: (() => void) | undefined;
  readonly #options: WireOptions;
  readonly #rates: { readonly loss: number; readonly slow: number; readonly repeat: number };

  constructor(options: WireOptions) {
    this.#options = options;
    const { random, faults, repeats = true } = options;
    const lossy = faults === 'all' || faults === 'network';
    const drawn = {
      loss: random.pick([0, 0.02, 0.06, 0.12]),
      slow: random.pick([0, 0.02, 0.06, 0.12]),
      repeat: random.pick([0, 0.02, 0.06]),
    };
    this.#rates = lossy ? { ...drawn, repeat: repeats ? drawn.repeat : 0 } : { loss: 0, slow: 0, repeat: 0 };
    if (faults === 'all' || faults === 'process') this.#failLater();
  }

  /** Settles as `handle` does at the server, or rejects with `NoAnswer`; never, where the process ends before. */
  call<T>(
    process: Process,
    what: string,
    handle: () => T | Promise<T>,
    { repeats = true }: CallOptions = {},
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (!process.alive) return promise;
    const { scheduler } = this.#options.world;
    const fate = this.#fate(process, what, repeats);
    let over = false;
    const end = (settle: () => void): void => {
      if (over) return;
      over = true;
      scheduler.cancel(timer);
      settle();
    };
    const fail = (how: NoAnswer['how']) => () => end(() => reject(new NoAnswer(how)));
    const timer = process.after(patienceMs * 1000, eventKinds.timer, fail('timeout'));
    if (fate.brokenUs !== undefined) process.after(fate.brokenUs, eventKinds.network, fail('reset'));
    const answer = (copy: number, settle: () => void): void => {
      if (fate.answered && copy >= fate.heardFrom)
        process.after(this.#latencyUs(), eventKinds.network, () => end(settle));
    };
    for (const [copy, atUs] of fate.arrivesUs.entries()) {
      scheduler.after(atUs, eventKinds.network, undefined, () => {
        if (this.down) answer(copy, () => reject(new NoAnswer('refused')));
        else
          (async () => await handle())().then(
            (value) => answer(copy, () => resolve(value)),
            (error: unknown) => {
              if (error instanceof NotSimulated) this.#options.reports.elections.fail(error);
              answer(copy, () => reject(error));
            },
          );
      });
    }
    return promise;
  }

  /** Whether something that befalls one of so many requests befalls this one. */
  chance(rate: number): boolean {
    const { random, reports } = this.#options;
    return this.#rates.loss > 0 && !reports.healed && random.chance(rate);
  }

  #fate(process: Process, what: string, repeats: boolean): Fate {
    const { random, reports, world, latestMs = 6000, relays = false } = this.#options;
    const usual = this.#latencyUs();
    if (reports.healed) return { arrivesUs: [usual], answered: true, heardFrom: 0, brokenUs: undefined };
    const { loss, slow, repeat } = this.#rates;
    const lost = random.chance(loss);
    const unanswered = lost || random.chance(loss);
    const late = random.chance(slow) ? random.between(20, latestMs) * 1000 : 0;
    const againMs = random.chance(repeat) ? random.between(0, latestMs) : undefined;
    const again = repeats && !lost && againMs !== undefined ? againMs * 1000 : undefined;
    const relayed = relays && again !== undefined && random.chance(0.5);
    const brokenUs = unanswered && random.chance(0.7) ? random.between(1, 400) * 1000 : undefined;
    if (lost) world.note(process.name, () => `its ${what} is lost`);
    else if (unanswered) world.note(process.name, () => `the answer to its ${what} is lost`);
    if (late > 0) world.note(process.name, () => `its ${what} is ${late / 1000} ms late`);
    if (again !== undefined) world.note(process.name, () => `its ${what} comes again ${againMs} ms later`);
    if (relayed) world.note(process.name, () => `of its ${what} only the second answer comes back`);
    const first = usual + late;
    const arrivesUs = lost ? [] : again === undefined ? [first] : [first, first + again];
    return { arrivesUs, answered: !unanswered, heardFrom: relayed ? 1 : 0, brokenUs };
  }

  #latencyUs(): number {
    return this.#options.random.tailed(usualUs.least, usualUs.mean);
  }

  #failLater(): void {
    const { world, random, reports } = this.#options;
    const inUs = random.between(2000, 15_000) * 1000;
    world.scheduler.after(inUs, eventKinds.fault, undefined, () => {
      if (reports.healed) return;
      const downMs = random.between(50, 1500);
      world.note('server', () => `is started anew, down for ${downMs} ms`);
      this.down = true;
      this.onDown?.();
      world.scheduler.after(downMs * 1000, eventKinds.fault, undefined, () => {
        this.down = false;
        this.#failLater();
      });
    });
  }
}
