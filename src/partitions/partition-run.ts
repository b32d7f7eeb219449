/** One partition in this process: campaigns while it is assigned here, runs the job, drains and resigns afterwards. */
import { publish } from '../election/events.ts';
import { Candidate, type Leadership, type LossCause, type Session } from '../election/index.ts';
import { backoffMs, callBounded, sleep } from '../election/waiting.ts';
import { ConclaveError } from '../errors/index.ts';
import { type PartitionsEvent, publishPartitions, type RevocationReason } from './events.ts';
import type { StateFeed } from './feed.ts';
import { type PartitionsSettings, partitionElection } from './options.ts';
import type { SharedStore } from './shared-store.ts';
import type { Slots } from './slots.ts';

export interface RunParts {
  readonly name: string;
  readonly partition: string;
  readonly store: SharedStore;
  readonly session: Session;
  readonly feed: StateFeed;
  readonly settings: PartitionsSettings;
  /** Campaigns that have not heard yet whether they must wait, and releases. */
  readonly slots: Slots;
  readonly graceMs: number | undefined;
  readonly acceptAdvisory: string | undefined;
  /** Of this process, by partition: the run keeps its own in it while its job may run. */
  readonly leaderships: Map<string, Leadership>;
  /** Why everything is given up, if it is. */
  readonly closing: () => boolean;
}

export type RunPhase = 'campaigning' | 'leading' | 'draining';

export class PartitionRun {
  readonly partition: string;
  /** Resolves when there is nothing left of it here. Never rejects. */
  readonly ended: Promise<void>;
  phase: RunPhase = 'campaigning';
  readonly #parts: RunParts;
  readonly #wakes = new Set<() => void>();
  #target: string | undefined;
  #restarting = false;
  #giveSlotBack: () => void = () => {};

  /** Assigned to us. */
  constructor(parts: RunParts) {
    this.partition = parts.partition;
    this.#parts = parts;
    this.#target = parts.session.holder;
    this.ended = this.#run();
  }

  /** Who it is assigned to now; undefined: nobody. */
  retarget(holder: string | undefined): void {
    if (this.#target === holder) return;
    this.#target = holder;
    this.#wake();
  }

  /** Other keys belong to it from now on: this run ends, and another may begin. */
  restart(): void {
    this.#restarting = true;
    this.#wake();
  }

  get #isWanted(): boolean {
    return !this.#restarting && this.#target === this.#parts.session.holder;
  }

  async #run(): Promise<void> {
    const { name, partition, store, session, settings, graceMs, acceptAdvisory } = this.#parts;
    const { runtime, ttlMs } = session.settings;
    const { metadata } = settings;
    const options = { session, metadata, graceMs, acceptAdvisory };
    const use = { jobManaged: true, onWaiting: () => this.#giveSlotBack() };
    const candidate = new Candidate(store, partitionElection(name, partition), options, use);
    for (let failures = 0; this.#isWanted; ) {
      this.phase = 'campaigning';
      const startMs = runtime.clock.monotonicMs();
      const failed = await this.#attempt(candidate);
      if (!failed || runtime.clock.monotonicMs() - startMs >= ttlMs) failures = 0;
      if (!failed) continue;
      const delayMs = backoffMs(runtime.random, failures, 50, ttlMs);
      failures += 1;
      await this.#until(() => !this.#isWanted, delayMs);
    }
    await candidate[Symbol.asyncDispose]();
  }

  /** True: it went wrong, so the next attempt should wait. */
  async #attempt(candidate: Candidate): Promise<boolean> {
    const { store, session, slots } = this.#parts;
    const unwanted = new AbortController();
    const watching = this.#until(() => !this.#isWanted || unwanted.signal.aborted).then(() =>
      unwanted.abort(),
    );
    try {
      this.#giveSlotBack = await slots.take(unwanted.signal);
      // A store in memory answers without a turn of the event loop: thousands in a row would starve the renewals.
      await new Promise<void>((resolve) => session.settings.runtime.timers.nextTurn(resolve));
      const leadership = await candidate.campaign({ signal: unwanted.signal });
      this.#giveSlotBack();
      this.#parts.leaderships.set(this.partition, leadership);
      return await this.#lead(leadership);
    } catch (error) {
      if (unwanted.signal.aborted) return false;
      const { holder, onEvent, ttlMs } = session.settings;
      const what = `The campaign for election ${JSON.stringify(candidate.name)}`;
      const trouble = { holder, store: store.description, what, error, attempt: 1, retryInMs: ttlMs };
      publish({ type: 'trouble', ...trouble }, onEvent);
      return true;
    } finally {
      this.#giveSlotBack();
      this.#parts.leaderships.delete(this.partition);
      unwanted.abort();
      this.#wake();
      await watching;
    }
  }

  /** Resolves when the leadership has ended, and the job, too. True: the job threw. */
  async #lead(leadership: Leadership): Promise<boolean> {
    const { runtime } = this.#parts.session.settings;
    if (!this.#isWanted) {
      void leadership.resign();
      await leadership.ended;
      return false;
    }
    this.phase = 'leading';
    this.#publish(leadership, { type: 'partition-led' });
    let failed = false;
    const job = this.#call(leadership, this.#parts.settings.onAssigned, () => {
      failed = true;
      void leadership.resign();
    });
    let revokedAtMs = 0;
    const revoked = whenAborted(leadership.signal).then(async () => {
      revokedAtMs = runtime.clock.monotonicMs();
      this.phase = 'draining';
      const reason = this.#reason(failed, leadership);
      this.#publish(leadership, { type: 'partition-revoked', reason, to: this.#target });
      const { onRevoked } = this.#parts.settings;
      if (onRevoked === undefined) return;
      await this.#call(
        leadership,
        (given, partition) => onRevoked(given, partition, reason),
        () => {
          failed = true;
        },
      );
    });
    const work = Promise.all([job, revoked]);
    const ended = new AbortController();
    const releasing = work.then(() => this.#parts.slots.take(ended.signal));
    leadership.settle(releasing);
    void this.#reportOverrun(leadership, work);
    await this.#untilGivenUp(leadership);
    void leadership.resign();
    const cause: LossCause = await leadership.ended;
    ended.abort();
    (await releasing)();
    const drainedInMs = runtime.clock.monotonicMs() - revokedAtMs;
    this.#publish(leadership, { type: 'partition-released', cause, drainedInMs });
    return failed;
  }

  /** Never rejects. `onFailed`: it threw, and not just since its leadership ended. */
  async #call(
    leadership: Leadership,
    call: (given: Leadership, partition: string) => unknown,
    onFailed: () => void,
  ): Promise<void> {
    try {
      await call(leadership, this.partition);
    } catch (error) {
      if (leadership.signal.aborted && isConsequence(error, leadership)) return;
      this.#publish(leadership, { type: 'partition-job-failed', error });
      onFailed();
      try {
        await this.#parts.settings.onJobError?.(error, leadership, this.partition);
      } catch {
        // A handler that throws has heard it all the same.
      }
    }
  }

  #reason(failed: boolean, leadership: Leadership): RevocationReason {
    if (leadership.remainingMs() <= 0) return 'lost';
    if (failed) return 'job-failed';
    if (this.#parts.closing()) return 'closing';
    return this.#restarting ? 'layout-changed' : 'moved';
  }

  /**
   * Until the signal aborts, or it is time to resign: at once where nobody is to follow, else when the one who is to
   * lead waits for it already, so that it is without a leader for as short as can be. One that does not come to wait,
   * for example since its job of an earlier leadership still runs, takes nothing from us; unless we close. Also at once
   * where the store does not show who waits.
   */
  async #untilGivenUp({ signal, name }: Leadership): Promise<void> {
    const { feed, session, closing, store } = this.#parts;
    const { runtime, ttlMs } = session.settings;
    const { orderedWaiters } = store.capabilities;
    await this.#until(() => !this.#isWanted, undefined, signal);
    const unfollow = feed.follow(name);
    const off = feed.on(name, () => this.#wake());
    let startMs = runtime.clock.monotonicMs();
    while (!signal.aborted && !this.#restarting && this.#target !== undefined) {
      const target = this.#target;
      if (this.#isWanted) {
        await this.#until(() => !this.#isWanted, undefined, signal);
        continue;
      }
      const waits = () => feed.get(name)?.state.waiting.some(({ holder }) => holder === target) ?? false;
      const leftMs = startMs + ttlMs - runtime.clock.monotonicMs();
      if (!orderedWaiters || waits()) break;
      if (leftMs <= 0) {
        if (closing()) break;
        if ((await this.#isWaiting(target, name, signal)) && this.#target === target) break;
        startMs = runtime.clock.monotonicMs();
        continue;
      }
      await this.#until(() => this.#restarting || this.#target !== target || waits(), leftMs, signal);
    }
    off();
    unfollow();
  }

  /** By the store, since the watch may be down. */
  async #isWaiting(holder: string, name: string, signal: AbortSignal): Promise<boolean> {
    const { runtime, renewEveryMs } = this.#parts.session.settings;
    const bounds = { what: 'Reading who waits', timeoutMs: renewEveryMs, signal };
    try {
      const { waiting } = await callBounded(runtime, bounds, (call) => this.#parts.store.read(name, call));
      return waiting.some((one) => one.holder === holder);
    } catch {
      return false;
    }
  }

  async #reportOverrun(leadership: Leadership, work: Promise<unknown>): Promise<void> {
    const { runtime } = this.#parts.session.settings;
    const { drainMs } = this.#parts.settings;
    await whenAborted(leadership.signal);
    const settled = new AbortController();
    void work.then(() => settled.abort());
    await sleep(runtime, drainMs, settled.signal);
    // With a drainMs of 0 the job must still get the chance to settle at once.
    await new Promise<void>((resolve) => runtime.timers.nextTurn(resolve));
    if (!settled.signal.aborted) this.#publish(leadership, { type: 'drain-overran', elapsedMs: drainMs });
  }

  /** Resolves when it is so, or the signal aborts, or the time is over. */
  async #until(isSo: () => boolean, timeoutMs = 86_400_000, signal?: AbortSignal): Promise<void> {
    const { runtime } = this.#parts.session.settings;
    const endMs = runtime.clock.monotonicMs() + timeoutMs;
    while (!isSo() && !signal?.aborted && runtime.clock.monotonicMs() < endMs) {
      const wake = new AbortController();
      const awake = () => wake.abort();
      this.#wakes.add(awake);
      await sleep(runtime, endMs - runtime.clock.monotonicMs(), wake.signal, ...(signal ? [signal] : []));
      this.#wakes.delete(awake);
    }
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) wake();
  }

  #publish(leadership: Leadership, event: EventOfLeadership): void {
    const { name, partition, session, settings } = this.#parts;
    const about = { name, partition, holder: session.holder, token: leadership.token };
    publishPartitions({ ...about, ...event }, settings.onEvent);
  }
}

type EventOfLeadership = PartitionsEvent extends infer Each
  ? Each extends { readonly token: number }
    ? Omit<Each, 'name' | 'partition' | 'holder' | 'token'>
    : never
  : never;

/** What a well-behaved job throws because its leadership ended. */
function isConsequence(error: unknown, leadership: Leadership): boolean {
  if (error === leadership.signal.reason) return true;
  if (ConclaveError.is(error)) {
    return ['not-leading', 'aborted', 'stale-token', 'lease-lost'].includes(error.code);
  }
  return error instanceof Error && error.name === 'AbortError';
}

function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
