/** What a case of the suite works with: fresh names and sessions, waiting with patience, cleaning up. */
import assert from 'node:assert/strict';
import type {
  AcquireOptions,
  AcquireOutcome,
  LeaseStore,
  SessionOptions,
  StoreCapabilities,
  StoreSession,
} from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import { Host } from './host.ts';
import type { ConformanceTarget } from './target.ts';

export type Waiting = AcquireOutcome & { readonly status: 'waiting' };

export interface ConformanceCase {
  readonly name: string;
  /** Why it does not apply; undefined: it does. */
  readonly skip?: (capabilities: StoreCapabilities, target: ConformanceTarget) => string | undefined;
  run(stage: Stage): Promise<void>;
}

/** Steps failed that took longer than the session they need lives: the case is to be begun anew. */
export class Disturbed {
  readonly reason: unknown;

  constructor(reason: unknown) {
    this.reason = reason;
  }
}

export class Stage implements AsyncDisposable {
  readonly target: ConformanceTarget;
  readonly store: LeaseStore;
  /** A name that nobody used before. */
  readonly name: string;
  /** For sessions that are to run out. */
  readonly shortTtlMs: number;
  readonly #runtime: Runtime;
  /** How long this suite waits for what must happen, so that a slow machine is not taken for a broken store. */
  readonly patienceMs: number;
  readonly #unique: string;
  readonly #sessions: StoreSession[] = [];
  readonly #controllers: AbortController[] = [];
  readonly #hosts: Host[] = [];
  readonly #hosted: LeaseStore[] = [];
  #isServiceDown = false;
  /** A promise, since sessions may be opened many at a time. */
  #second: Promise<LeaseStore> | undefined;

  /** `attempt`: the first is 1; sessions that are to run out live twice as long in each further one. */
  constructor(
    target: ConformanceTarget,
    runtime: Runtime,
    { ttlMs, patienceMs, attempt }: { ttlMs: number; patienceMs: number; attempt: number },
  ) {
    this.target = target;
    this.store = target.store;
    this.#runtime = runtime;
    this.#unique = Array.from(runtime.random.bytes(6), (byte) => byte.toString(16).padStart(2, '0')).join('');
    this.name = `conformance-${this.#unique}`;
    const { minTtlMs, maxTtlMs } = target.store.capabilities;
    this.shortTtlMs = Math.min(maxTtlMs, Math.max(ttlMs, minTtlMs) * 2 ** (attempt - 1));
    this.patienceMs = patienceMs + 2 * this.shortTtlMs;
  }

  get capabilities(): StoreCapabilities {
    return this.store.capabilities;
  }

  /** Stopped by this case, and not started again: what the service answers then says nothing of other attempts. */
  get isServiceDown(): boolean {
    return this.#isServiceDown;
  }

  async stopService(): Promise<void> {
    this.#isServiceDown = true;
    await this.target.stopService?.();
  }

  async startService(): Promise<void> {
    await this.target.startService?.();
    this.#isServiceDown = false;
  }

  /** A machine of its own, for sessions opened with `host`. */
  host(): Host {
    const host = new Host(this.#runtime);
    this.#hosts.push(host);
    return host;
  }

  /** A session through the first client ('one') or the second ('two'); it outlasts the case unless `ttlMs` says less. */
  async open(
    holder: string,
    options: Partial<SessionOptions> & { client?: 'one' | 'two'; host?: Host } = {},
  ): Promise<StoreSession> {
    const { client = 'one', host, ...rest } = options;
    if (client === 'two') this.#second ??= this.target.another?.() ?? Promise.resolve(this.store);
    const own = host && (await this.target.anotherOn?.(host.runtime));
    if (own !== undefined) this.#hosted.push(own);
    const store = own ?? (client === 'two' ? ((await this.#second) ?? this.store) : this.store);
    const { minTtlMs, maxTtlMs } = this.capabilities;
    const ttlMs = Math.min(maxTtlMs, Math.max(minTtlMs, 600_000));
    const session = await this.within(
      store.openSession({ ttlMs, holder: this.holder(holder), ...rest }),
      'opening a session',
    );
    this.#sessions.push(session);
    return session;
  }

  /**
   * Steps from the opening of a session of `shortTtlMs` on, which its lease must outlast, or others in a time that is
   * short. Where they fail, and took longer than that, this machine stalled: @throws Disturbed.
   */
  async inShortLife<T>(steps: () => Promise<T>, shortMs = this.shortTtlMs): Promise<T> {
    const startMs = this.nowMs();
    try {
      return await steps();
    } catch (error) {
      throw this.nowMs() - startMs < shortMs ? error : new Disturbed(error);
    }
  }

  holder(name: string): string {
    return `${name}-${this.#unique}`;
  }

  acquire(
    session: StoreSession,
    options: Partial<AcquireOptions> & { name?: string } = {},
  ): Promise<AcquireOutcome> {
    const { name = this.name, ...rest } = options;
    return this.within(session.acquire(name, { metadata: '', priority: 0, ...rest }), 'acquiring');
  }

  /** The token; fails where it has to wait. */
  async win(
    session: StoreSession,
    options: Partial<AcquireOptions> & { name?: string } = {},
  ): Promise<number> {
    const outcome = await this.acquire(session, options);
    assert.equal(outcome.status, 'acquired', `${session.holder} must lead, since nobody else does`);
    assert(outcome.status === 'acquired');
    assert(
      Number.isSafeInteger(outcome.token) && outcome.token >= 0,
      `token ${outcome.token} is no whole number`,
    );
    return outcome.token;
  }

  /** Fails where it leads at once. */
  async queue(
    session: StoreSession,
    options: Partial<AcquireOptions> & { name?: string } = {},
  ): Promise<Waiting> {
    const outcome = await this.acquire(session, options);
    assert.equal(outcome.status, 'waiting', `${session.holder} must wait, since another leads`);
    assert(outcome.status === 'waiting');
    return outcome;
  }

  /** Waits as the election loop does, without looking on its own; the token. */
  winInTurn(session: StoreSession, outcome: Waiting): Promise<number> {
    const turn = this.#turnOf(session, outcome);
    // A case that fails before it looks at this one is not to end the process.
    turn.catch(() => {});
    return turn;
  }

  async #turnOf(session: StoreSession, outcome: Waiting): Promise<number> {
    let last: AcquireOutcome = outcome;
    const signal = this.signal();
    const won = (async () => {
      while (last.status === 'waiting') {
        await session.waitForTurn(this.name, last, { signal });
        // A store that wakes in vain for ever must not keep this process from its patience's end.
        await this.pass(0);
        last = await session.acquire(this.name, { metadata: '', priority: 0, signal });
      }
      return last.token;
    })();
    return await this.within(won, `${session.holder} waiting for its turn`);
  }

  async leader(name = this.name): Promise<{ holder: string; token: number; metadata: string } | undefined> {
    return (await this.within(this.store.read(name), 'reading who leads')).leader;
  }

  /** Aborted when the case ends. */
  signal(): AbortSignal {
    const controller = new AbortController();
    this.#controllers.push(controller);
    return controller.signal;
  }

  nowMs(): number {
    return this.#runtime.clock.monotonicMs();
  }

  pass(ms: number): Promise<void> {
    if (this.target.passTime) return this.target.passTime(ms);
    return new Promise((resolve) => {
      this.#runtime.timers.after(ms, resolve);
    });
  }

  /** Lets others go on, without time passing. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#runtime.timers.nextTurn(resolve);
    });
  }

  /** Fails when it is not settled in good time. */
  async within<T>(
    promise: Promise<T>,
    what: string,
    { times = 1 }: { readonly times?: number } = {},
  ): Promise<T> {
    const patienceMs = this.patienceMs * times;
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += 20) {
      await Promise.race([promise.then(done, done), this.pass(waitedMs === 0 ? 0 : 20)]);
      if (settled) return await promise;
    }
    assert.fail(`${what}: nothing came within ${patienceMs} ms`);
  }

  async eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    for (let waitedMs = 0; waitedMs < this.patienceMs; waitedMs += 20) {
      if (await holds()) return;
      await this.pass(20);
    }
    assert.fail(`${what}: not so within ${this.patienceMs} ms`);
  }

  /** For calls with a token that is not current, or on a session that is over: both answers are right. */
  async assertRefused(call: Promise<boolean>, what: string): Promise<void> {
    try {
      assert.equal(await this.within(call, what), false, `${what} must be refused`);
    } catch (error) {
      if (!ConclaveError.is(error, 'lease-lost')) throw error;
    }
  }

  async assertRejects(call: Promise<unknown>, code: string, what: string): Promise<void> {
    try {
      await this.within(call, what);
    } catch (error) {
      assert(ConclaveError.is(error), `${what} must throw a ConclaveError, not ${String(error)}`);
      return assert.equal(error.code, code, `${what}: ${error.message}`);
    }
    assert.fail(`${what} must throw '${code}'`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) host.goOn();
    for (const controller of this.#controllers) controller.abort();
    const closing = this.#sessions.map(async (session) => session[Symbol.asyncDispose]());
    await this.within(Promise.allSettled(closing), 'closing the sessions').catch(() => {});
    const second = await this.#second?.catch(() => undefined);
    if (second !== undefined && second !== this.store) await second[Symbol.asyncDispose]();
    for (const one of this.#hosted) await one[Symbol.asyncDispose]();
  }
}
