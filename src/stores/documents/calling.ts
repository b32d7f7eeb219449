/** Calls to a driver that always come back: within their time, or with the caller's signal. */
import type { StoreCallOptions } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import {
  type Bond,
  type CallBounds,
  type DocumentDriver,
  type DocumentKey,
  type DocumentWrite,
  type FoundDocument,
  foreignOnly,
  type Renewal,
  type StoredDocument,
} from './driver.ts';
import { DriverAnswers } from './driver-answers.ts';

/** One time for all calls of one operation. */
export interface Within {
  readonly signal: AbortSignal | undefined;
  readonly untilMs: number;
  /** As in `CallBounds`. */
  readonly asTold?: boolean | undefined;
}

const mostAtATime = 100;
/** However many documents one operation looks at. */
const requestsAtATime = 16;

export class DriverCalls {
  readonly driver: DocumentDriver;
  readonly runtime: Runtime;
  /** For one call with all its retries, where its caller says nothing. */
  readonly timeoutMs: number;
  readonly #answers: DriverAnswers;
  readonly #closed = new AbortController();
  #opening: Promise<void> | undefined;
  #isOpen = false;
  /** What the last attempt to connect failed with, if it was told. */
  #trouble: unknown;

  constructor(driver: DocumentDriver, runtime: Runtime, timeoutMs: number) {
    this.driver = driver;
    this.#answers = new DriverAnswers(driver.description);
    this.runtime = runtime;
    this.timeoutMs = timeoutMs;
  }

  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  close(): void {
    this.#closed.abort();
  }

  nowMs(): number {
    return this.runtime.clock.monotonicMs();
  }

  /** @throws 'closed', 'aborted' */
  within(what: string, { signal, timeoutMs = this.timeoutMs }: StoreCallOptions = {}): Within {
    this.assertOpen(what);
    if (signal?.aborted) throw ConclaveError.aborted(what, signal);
    return { signal, untilMs: this.nowMs() + timeoutMs };
  }

  assertOpen(what: string): void {
    if (this.#closed.signal.aborted) throw this.#closedWhile(what, 'not-applied');
  }

  #closedWhile(what: string, outcome: 'not-applied' | 'unknown'): ConclaveError {
    const message = `${what}: the store ${this.driver.description} is closed.`;
    return new ConclaveError('closed', message, { outcome });
  }

  /** Between attempts, none of which had an effect. @throws 'timeout' */
  assertTime(what: string, { untilMs }: Within): void {
    if (this.nowMs() < untilMs) return;
    const message = `${what} in ${this.driver.description}: others were faster each time, until the time was over.`;
    throw new ConclaveError('timeout', message, { retryable: true, outcome: 'not-applied' });
  }

  async read(key: DocumentKey, within: Within): Promise<StoredDocument | undefined> {
    await this.connect(within);
    return await this.#bounded('Reading', 'not-applied', within, (bounds) => this.#readOne(key, bounds));
  }

  async readMany(keys: readonly DocumentKey[], within: Within): Promise<readonly FoundDocument[]> {
    const [only] = keys;
    if (only === undefined) return [];
    if (keys.length === 1) return [await this.read(only, within).catch(foreignOnly)];
    await this.connect(within);
    const parts: (readonly DocumentKey[])[] = [];
    for (let at = 0; at < keys.length; at += this.perRead) parts.push(keys.slice(at, at + this.perRead));
    const found: (readonly FoundDocument[])[] = [];
    let next = 0;
    const work = async () => {
      for (let at = next++; at < parts.length; at = next++)
        found[at] = await this.#readPart(parts[at], within);
    };
    await Promise.all(Array.from({ length: Math.min(requestsAtATime, parts.length) }, work));
    return found.flat();
  }

  /** So many documents are read in one request. */
  get perRead(): number {
    return this.driver.readMany === undefined ? 1 : mostAtATime;
  }

  #readPart(keys: readonly DocumentKey[] = [], within: Within): Promise<readonly FoundDocument[]> {
    const { driver } = this;
    return this.#bounded('Reading', 'not-applied', within, async (bounds) =>
      driver.readMany === undefined
        ? await Promise.all(keys.map((key) => this.#readOne(key, bounds).catch(foreignOnly)))
        : this.#answers.readMany(await driver.readMany(keys, bounds), keys.length),
    );
  }

  async #readOne(key: DocumentKey, bounds: CallBounds): Promise<StoredDocument | undefined> {
    return this.#answers.read(await this.driver.read(key, bounds));
  }

  async write(
    key: DocumentKey,
    text: string,
    write: DocumentWrite,
    within: Within,
  ): Promise<string | undefined> {
    return await this.prepare(key, text, write)(within);
  }

  /** As `write`, later. What can be done before it is sent is done now, where the driver knows how. */
  prepare(
    key: DocumentKey,
    text: string,
    write: DocumentWrite,
  ): (within: Within) => Promise<string | undefined> {
    const { driver } = this;
    const send =
      driver.prepare?.(key, text, write) ?? ((bounds: CallBounds) => driver.write(key, text, write, bounds));
    return async (within) => {
      if (!this.#isOpen) await this.connect(within);
      return await this.#bounded('Writing', 'unknown', within, async (bounds) =>
        this.#answers.write(await send(bounds)),
      );
    };
  }

  async renewMany(renewals: readonly Renewal[], within: Within): Promise<readonly (string | undefined)[]> {
    await this.connect(within);
    return this.#bounded('Writing', 'unknown', within, async (bounds) =>
      this.#answers.renewMany(await this.driver.renewMany?.(renewals, bounds), renewals.length),
    );
  }

  /** What goes on for others, for as long as this one has time for it. */
  share<T>(work: Promise<T>, within: Within): Promise<T> {
    // Who does not wait for it after all leaves nobody to hear that it failed.
    work.catch(() => {});
    return this.#bounded('Writing', 'unknown', within, () => work);
  }

  async remove(key: DocumentKey, version: string, within: Within): Promise<boolean> {
    await this.connect(within);
    return this.#bounded('Removing', 'unknown', within, async (bounds) =>
      this.#answers.remove(await this.driver.remove(key, version, bounds)),
    );
  }

  /** @throws 'unsupported' */
  async bind(session: string, ttlMs: number, within: Within): Promise<Bond> {
    await this.connect(within);
    return await this.#bounded('Connecting', 'not-applied', within, async (bounds) => {
      const bond = await this.driver.bonds?.bind(session, ttlMs, bounds);
      if (bond === undefined) {
        const message = `${this.driver.description} cannot bind a session to its connection.`;
        throw new ConclaveError('unsupported', message);
      }
      if (bounds.signal.aborted) void bond.end();
      return bond;
    });
  }

  async list(prefix: string, within: Within): Promise<readonly string[]> {
    await this.connect(within);
    return this.#bounded('Listing', 'not-applied', within, async (bounds) =>
      this.#answers.list((await this.driver.list?.(prefix, bounds)) ?? []),
    );
  }

  /** One opening for all who ask at once; one that failed is tried again by the next. */
  async connect(within: Within): Promise<void> {
    if (this.#isOpen || this.driver.open === undefined) return;
    this.#opening ??= this.#bounded(
      'Connecting',
      'not-applied',
      { signal: this.#closed.signal, untilMs: this.nowMs() + this.timeoutMs },
      async (bounds) => this.driver.open?.(bounds),
    ).then(
      () => {
        this.#trouble = undefined;
        this.#isOpen = true;
      },
      (error: unknown) => {
        this.#opening = undefined;
        if (!ConclaveError.is(error, 'timeout')) this.#trouble = error;
        throw error;
      },
    );
    const opening = this.#opening;
    opening.catch(() => {});
    await this.#bounded('Connecting', 'not-applied', within, () => opening).catch((error: unknown) => {
      throw this.#withTrouble(error);
    });
  }

  /** That nothing was heard tells less than what was heard before. */
  #withTrouble(error: unknown): unknown {
    const trouble = this.#trouble;
    if (trouble === undefined || trouble === error || !ConclaveError.is(error, 'timeout')) return error;
    const said = trouble instanceof Error ? trouble.message : String(trouble);
    const message = `${error.message} The attempt before failed: ${said}`;
    return new ConclaveError('timeout', message, {
      ...{ retryable: error.retryable, outcome: error.outcome, cause: trouble },
    });
  }

  #bounded<T>(
    what: string,
    outcome: 'not-applied' | 'unknown',
    { signal, untilMs, asTold }: Within,
    call: (bounds: CallBounds) => Promise<T>,
  ): Promise<T> {
    const { description } = this.driver;
    const timeoutMs = Math.max(1, untilMs - this.nowMs());
    const gone = new AbortController();
    const aborted = () =>
      signal === this.#closed.signal
        ? this.#closedWhile(what, outcome)
        : new ConclaveError('aborted', `${what} in ${description} was aborted by its signal.`, {
            outcome,
            cause: signal?.reason,
          });
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) return reject(aborted());
      // Before all else: others may wait for what it does.
      const calling = started(call, { signal: gone.signal, timeoutMs, asTold });
      const close = () => {
        timer.cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const giveUp = (error: ConclaveError) => {
        close();
        reject(error);
        gone.abort(error);
      };
      const onAbort = () => giveUp(aborted());
      const timer = this.runtime.timers.after(timeoutMs, () => {
        const why = this.driver.whyNoAnswer?.();
        const message = `${what}: ${description} gave no answer within ${Math.round(timeoutMs)} ms${why === undefined ? '' : `: ${why}`}.`;
        giveUp(new ConclaveError('timeout', message, { retryable: true, outcome }));
      });
      signal?.addEventListener('abort', onAbort);
      calling.then(
        (value) => {
          close();
          resolve(value);
        },
        (error: unknown) => {
          close();
          reject(this.#explained(what, outcome, error));
        },
      );
    });
  }

  /** What a driver did not explain is no bug of its user's: it may be tried again. */
  #explained(what: string, outcome: 'not-applied' | 'unknown', error: unknown): ConclaveError {
    if (ConclaveError.is(error)) return error;
    const reason = error instanceof Error ? error.message : String(error);
    const message = `${what} failed in ${this.driver.description}: ${reason}`;
    return new ConclaveError('unavailable', message, { cause: error, retryable: true, outcome });
  }
}

/** A driver that throws instead of rejecting is taken as rejecting. */
async function started<T>(call: (bounds: CallBounds) => Promise<T>, bounds: CallBounds): Promise<T> {
  return await call(bounds);
}
