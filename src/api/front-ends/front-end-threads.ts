import { sharePort } from '../../runtime/shared-port.ts';
import type { Address, Listener, Timer } from '../../runtime/types.ts';
import type { ClientCarrier, ClientServing, FrontEndFigures } from '../client-carrier.ts';
import type { PageAnswer, Pages } from '../http/pages.ts';
import { defaultLimits } from '../http2/index.ts';
import { FrontEndSums } from './front-end-sums.ts';
import type { RunningOptions } from './running-front-end.ts';
import { RunningFrontEnd } from './running-front-end.ts';
import type { CoreMethod } from './served-calls.ts';

/** What a scrape waits for a front end that is busy; then what it last told has to do. */
const figuresWithinMs = 1000;
/** Beyond the grace that calls have, for a front end to say that it is done. */
const closeWithinMs = 2000;
/** One that fails starts again after so long, then after twice as long, up to the longest. */
const restart = { firstMs: 100, longestMs: 10_000, forgottenAfterMs: 60_000 };

interface Place {
  readonly number: number;
  running: RunningFrontEnd;
  startedMs: number;
  restarts: number;
  delayMs: number;
}

/** Front ends in threads, which are started again when they fail. */
export class FrontEndThreads implements ClientCarrier {
  readonly #serving: ClientServing;
  readonly #options: Omit<RunningOptions, 'name'>;
  readonly #places: Place[];
  readonly #sums: FrontEndSums;
  readonly #maxConnections: number;
  readonly #addresses = new Set<Address>();
  readonly #timers = new Set<Timer>();
  #closing = false;

  /** `script`: for tests, one that fails. */
  constructor(count: number, serving: ClientServing, script: URL = ownScript()) {
    const { registry, pages, logger, limits, http2, corsOrigins, tls, clock } = serving;
    this.#serving = serving;
    const methods = [...registry].map(([path, { descriptor: _, calls: __, ...method }]) => ({
      ...method,
      path,
    }));
    this.#sums = new FrontEndSums([...registry.values()].map(({ calls }) => calls));
    this.#maxConnections = Math.ceil(serving.maxConnections / count);
    const partialBytes = http2.maxPartialBytesOfAll ?? defaultLimits.maxPartialBytesOfAll;
    this.#options = {
      ...{ script, logger, nowMs: () => clock.monotonicMs() },
      methods: [...methods, ...pageMethods(pages)] as CoreMethod[],
      settings: {
        ...{
          limits,
          corsOrigins,
          methods: [...registry.keys()],
          pages: [...pages.keys()],
          tls: tls?.options,
        },
        http2: {
          ...http2,
          // Its part; but a request must have room in it.
          maxPartialBytesOfAll: Math.max(Math.floor(partialBytes / count), 2 * limits.receivedBytes),
          maxRunningBytesOfAll: Math.floor(defaultLimits.maxRunningBytesOfAll / count),
        },
      },
    };
    this.#places = Array.from({ length: count }, (_, at) => {
      const running = this.#start(at + 1);
      const startedMs = clock.monotonicMs();
      return { number: at + 1, running, startedMs, restarts: 0, delayMs: restart.firstMs };
    });
    for (const place of this.#places) this.#watch(place);
  }

  get connections(): ClientCarrier['connections'] {
    return this.#sums.connections(this.#figures());
  }

  get frontEnds(): readonly FrontEndFigures[] {
    return this.#places.map(({ number, running, restarts }) => ({
      ...{ number, restarts, utilization: running.utilization() },
      delay: this.#sums.delay(number, running.figures),
    }));
  }

  async listen(address: Address): Promise<Listener> {
    const listening = await sharePort(address, async (shared) => {
      // Before any listens: one that is started again meanwhile has to listen here too.
      this.#addresses.add(shared);
      try {
        for (const place of this.#places) await this.#listenBy(place.running, shared);
      } catch (error) {
        this.#addresses.delete(shared);
        await this.#unlisten(shared);
        throw error;
      }
      return shared;
    });
    const close = async (): Promise<void> => {
      if (this.#addresses.delete(listening)) await this.#unlisten(listening);
    };
    return { address: listening, close, [Symbol.asyncDispose]: close };
  }

  async look(): Promise<void> {
    const asked = this.#places.map(({ running }) => running.ask({ kind: 'figures' }).catch(() => {}));
    await this.#within(figuresWithinMs, Promise.all(asked));
    this.#sums.countCalls(this.#figures());
  }

  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    for (const timer of this.#timers) timer.cancel();
    const closed = this.#places.map(async ({ running }) => {
      // One that has failed is closed already.
      const done = running.ask({ kind: 'close', graceMs }).catch(() => {});
      await this.#within(graceMs + closeWithinMs, done);
      await running.terminate();
    });
    await Promise.all(closed);
  }

  #figures() {
    return this.#places.map(({ running }) => running.figures);
  }

  #start(number: number): RunningFrontEnd {
    return new RunningFrontEnd({ ...this.#options, name: `conclave front end ${number}` });
  }

  #watch(place: Place): void {
    void place.running.ended.then((failure) => {
      this.#sums.retire(place.number, place.running.figures);
      place.running.figures = undefined;
      if (!this.#closing) this.#startAgain(place, failure);
    });
  }

  #startAgain(place: Place, failure: Error | undefined): void {
    const { clock, timers, logger } = this.#serving;
    if (clock.monotonicMs() - place.startedMs > restart.forgottenAfterMs) place.delayMs = restart.firstMs;
    const { number, delayMs } = place;
    const error = failure?.stack ?? 'its thread ended';
    logger.error(
      { frontEnd: number, error, delayMs },
      'A front end failed. Its connections are lost; it starts again.',
    );
    place.delayMs = Math.min(delayMs * 2, restart.longestMs);
    const timer = timers.after(delayMs, () => {
      this.#timers.delete(timer);
      place.restarts += 1;
      place.startedMs = clock.monotonicMs();
      place.running = this.#start(number);
      this.#watch(place);
      void this.#listenAgain(place.running);
    });
    this.#timers.add(timer);
  }

  /** Never rejects: a front end that cannot listen ends, and starts again later. */
  async #listenAgain(running: RunningFrontEnd): Promise<void> {
    try {
      for (const address of this.#addresses) await this.#listenBy(running, address);
    } catch (error) {
      if (this.#closing) return;
      this.#serving.logger.error(
        { error: String(error) },
        'A front end that was started again cannot listen.',
      );
      await running.terminate();
    }
  }

  async #listenBy(running: RunningFrontEnd, address: Address): Promise<void> {
    await running.ask({ kind: 'listen', address, maxConnections: this.#maxConnections });
  }

  async #unlisten(address: Address): Promise<void> {
    const asked = this.#places.map(({ running }) =>
      running.ask({ kind: 'unlisten', address }).catch(() => {}),
    );
    await Promise.all(asked);
  }

  /** Resolves with `work`, but no later. */
  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.#serving.timers.after(ms, resolve);
    await Promise.race([work, late]);
    timer.cancel();
  }
}

/** From sources the thread runs the source too; both stand beside this file under the same name. */
function ownScript(): URL {
  const file = import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js';
  return new URL(file, import.meta.url);
}

function pageMethods(pages: Pages): CoreMethod[] {
  return [...pages].map(([path, page]) => ({
    path,
    shape: 'unary',
    decode: (query) => Buffer.from(query).toString(),
    encode: (answer) => Buffer.from(JSON.stringify(answer as PageAnswer)),
    handler: (query) => page(query as string),
  }));
}
