/** One leadership, from winning to its end. */
import { ConclaveError } from '../errors/index.ts';
import { type LossCause, publish } from './events.ts';
import type { LiveSession } from './live-session.ts';
import { checkHolder, checkMetadata, type SessionSettings } from './options.ts';
import { encodeGraceRecord } from './record.ts';
import { retryOnSession } from './retry.ts';
import type { LeaseStore } from './store.ts';
import { guardToken } from './token-guard.ts';
import { sleep } from './waiting.ts';

export interface LeadershipParts {
  readonly store: LeaseStore;
  readonly live: LiveSession;
  readonly settings: SessionSettings;
  readonly name: string;
  readonly token: number;
  /** The grace in the unclean record written on winning; undefined where none was written. */
  readonly recordedGraceMs: number | undefined;
  /** The job holds this object and may await `resign()` in it: then that must not await the job. */
  readonly jobManaged: boolean;
}

/**
 * Made by `campaign()`; given to the job by `elect()`.
 *
 * Check `assertHeld()` right before each effect, stop when `signal` aborts, and send `token` with every write to
 * something that compares tokens: only the last of these is safe against a machine frozen with its clocks.
 */
export class Leadership implements AsyncDisposable {
  /** Of the election. */
  readonly name: string;
  /** Higher for every later leadership of this election, whoever holds it. */
  readonly token: number;
  /** Who we are. */
  readonly holder: string;
  /** As the store declares it. Where false, tokens may begin anew, and the guards of `conclave/fencing` refuse. */
  readonly tokenSurvivesDeletion: boolean;
  /** Resolves with the cause when it has ended (after a resignation: when the store confirmed it). Never rejects. */
  readonly ended: Promise<LossCause>;
  readonly #parts: LeadershipParts;
  readonly #controller = new AbortController();
  readonly #guard = new AbortController();
  readonly #jobs = new Set<Promise<unknown>>();
  #finish: (cause: LossCause) => void = () => {};
  #cause: LossCause | undefined;
  #leaving: Promise<void> | undefined;
  #lastProclaim: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(parts: LeadershipParts) {
    const { live, name, token, settings } = parts;
    this.#parts = parts;
    this.name = name;
    this.token = token;
    this.holder = settings.holder;
    this.tokenSurvivesDeletion = parts.store.capabilities.tokenSurvivesDeletion;
    this.ended = new Promise((resolve) => {
      this.#finish = resolve;
    });
    const onLost = () => this.#lose(live.cause ?? 'closed');
    live.lost.addEventListener('abort', onLost);
    void this.ended.then(() => live.lost.removeEventListener('abort', onLost));
    if (live.lost.aborted) onLost();
    void guardToken({ ...parts, signal: this.#guard.signal, onReplaced: () => this.#lose('replaced') });
  }

  /** Aborts when it ends or is about to be given up: on a loop that turns, before another process could lead. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Until when another process cannot lead, in milliseconds of `runtime.clock.monotonicMs()` (`performance.now()` on
   * Node). Rises with each renewal; computed anew on each reading, and lower after the host slept.
   */
  get validUntil(): number {
    return this.#parts.settings.runtime.clock.monotonicMs() + this.remainingMs();
  }

  /** Milliseconds until `validUntil`; 0 once lost. Still counts while resigning, as time to clean up in. */
  remainingMs(): number {
    return this.#cause === undefined ? Math.max(0, this.#parts.live.remainingMs()) : 0;
  }

  /**
   * Reads the clocks now, so it also holds in a loop that was blocked and on a host that slept.
   * @throws 'not-leading' when lost, run out, or being given up.
   */
  assertHeld(): void {
    if (this.#cause === undefined) this.#parts.live.check();
    if (this.signal.aborted) throw this.signal.reason;
  }

  /** Replaces the metadata that observers see. At most 65536 bytes. @throws 'not-leading', 'invalid-argument'. */
  proclaim(metadata: string): Promise<void> {
    const proclaimed = this.#lastProclaim.then(() => this.#proclaim(metadata));
    this.#lastProclaim = proclaimed.catch(() => {});
    return proclaimed;
  }

  /**
   * Holds the release at a resignation back until this has settled, so that the next leader starts after our work
   * ended; the lease is renewed meanwhile. After a loss nothing can be held back. `elect` does this for its job.
   */
  settle(work: Promise<unknown>): void {
    this.#jobs.add(work);
    this.#parts.live.holdOpen(work);
    const done = () => this.#jobs.delete(work);
    work.then(done, done);
  }

  /**
   * Gives the leadership up: aborts the signal, waits for what was given to `settle`, then releases it at the store
   * in one step. Resolves when that is done, or when the lease has run out; never rejects. Idempotent. Under
   * `elect`, where the job itself may await this, it resolves as soon as the signal is aborted; see `ended`.
   */
  resign(): Promise<void> {
    return this.#startLeaving(undefined);
  }

  /**
   * Like `resign`, but a waiting holder leads next, with no gap and a higher token. If it vanished meanwhile, this
   * is a resignation; `ended` tells which.
   * @throws 'target-not-waiting' (nothing changed, the leadership goes on), 'unsupported', 'not-leading', and what
   * reading the store throws.
   */
  async handOff(toHolder: string): Promise<void> {
    const { store, live, name } = this.#parts;
    checkHolder('The holder to hand off to', toHolder);
    if (!store.capabilities.handOff) {
      throw new ConclaveError(
        'unsupported',
        `${store.description} cannot hand a leadership to a waiting holder.`,
      );
    }
    this.assertHeld();
    const { waiting } = await live.call('Reading who waits', this.signal, (options) =>
      store.read(name, options),
    );
    this.assertHeld();
    if (!waiting.some(({ holder }) => holder === toHolder)) {
      throw new ConclaveError(
        'target-not-waiting',
        `${JSON.stringify(toHolder)} is not waiting for election ${JSON.stringify(name)}; the leadership goes on.`,
        { details: { name, toHolder } },
      );
    }
    await this.#startLeaving(toHolder);
  }

  /** The same as `resign()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.resign();
  }

  async #proclaim(metadata: string): Promise<void> {
    checkMetadata(metadata);
    this.assertHeld();
    const { live, name, token } = this.#parts;
    const what = 'Proclaiming metadata';
    const current = await retryOnSession(
      this.#parts,
      { what, signal: this.signal, maxMs: Number.POSITIVE_INFINITY },
      (options) => live.stored.proclaim(name, token, metadata, options),
    );
    if (current?.value === false) this.#lose('replaced');
    if (current?.value !== true) throw this.signal.reason ?? this.#notLeading('its session was lost');
  }

  #startLeaving(toHolder: string | undefined): Promise<void> {
    if (this.#cause !== undefined) return Promise.resolve();
    if (this.#leaving === undefined) {
      this.#abort(
        toHolder === undefined ? 'it was resigned' : `it is being handed to ${JSON.stringify(toHolder)}`,
      );
      this.#leaving = this.#leave(toHolder);
    }
    return this.#parts.jobManaged ? Promise.resolve() : this.#leaving;
  }

  async #leave(toHolder: string | undefined): Promise<void> {
    while (this.#jobs.size > 0 && this.#cause === undefined) {
      await Promise.race([Promise.allSettled([...this.#jobs]), this.ended]);
    }
    if (this.#cause !== undefined) return;
    const transferring = toHolder === undefined ? undefined : this.#transfer(toHolder);
    const releasing = toHolder === undefined ? this.#release() : undefined;
    // Not before: from its watch the store may know who waits. Not later: our own going is no news to it.
    this.#guard.abort();
    const handedTo = (await transferring) ? toHolder : undefined;
    if (handedTo === undefined && !(await (releasing ?? this.#release()))) {
      // Whether the store let go is unknown: without renewals the lease runs out, and we never lead with it again.
      this.#parts.live.lose('closed');
    }
    if (this.#cause !== undefined) return;
    this.#end(handedTo === undefined ? 'resigned' : 'handed-off');
    const { name, token, holder } = this;
    publish(
      { type: 'resigned', name, holder, token, ...(handedTo && { handedTo }) },
      this.#parts.settings.onEvent,
    );
  }

  /** False: the session was lost, or the store could not be reached for a whole TTL. */
  async #release(): Promise<boolean> {
    const { live, name, token } = this.#parts;
    const maxMs = this.#giveUpAfterMs();
    try {
      const released = await retryOnSession(this.#parts, { what: 'Resigning', maxMs }, (options) =>
        live.stored.release(name, token, { ...options, ...this.#cleanRecord() }),
      );
      return released !== undefined;
    } catch {
      // The store refuses for good: closing the session is what is left.
      return false;
    }
  }

  /** False: resign instead. */
  async #transfer(toHolder: string): Promise<boolean> {
    const { store, live, name, token } = this.#parts;
    const maxMs = this.#giveUpAfterMs();
    try {
      const transferred = await retryOnSession(this.#parts, { what: 'Handing off', maxMs }, (options) =>
        live.stored.transfer(name, token, toHolder, { ...options, ...this.#cleanRecord() }),
      );
      if (transferred === undefined || transferred.value) return transferred?.value ?? false;
      // An earlier try may have been carried out without our seeing the answer.
      if (!transferred.ambiguous) return false;
      const now = await live.call('Reading who leads', undefined, (options) => store.read(name, options));
      return now.leader?.holder === toHolder;
    } catch {
      // 'target-not-waiting': it vanished. Anything else: releasing is the safe end, and is guarded by the token.
      return false;
    }
  }

  #giveUpAfterMs(): number {
    return Math.min(this.#parts.live.stored.ttlMs, 10_000);
  }

  #cleanRecord(): { record?: Uint8Array } {
    const graceMs = this.#parts.recordedGraceMs;
    if (graceMs === undefined) return {};
    return { record: encodeGraceRecord({ token: this.token, graceMs, clean: true }) };
  }

  #lose(cause: Exclude<LossCause, 'resigned' | 'handed-off'>): void {
    if (this.#cause !== undefined) return;
    this.#end(cause);
    this.#abort(`it was lost (${cause})`);
    const { name, token, holder } = this;
    publish({ type: 'lost', name, holder, token, cause }, this.#parts.settings.onEvent);
  }

  #end(cause: LossCause): void {
    this.#cause = cause;
    this.#guard.abort();
    this.#finish(cause);
  }

  #abort(why: string): void {
    if (this.signal.aborted) return;
    this.#controller.abort(this.#notLeading(why));
    void this.#reportOverrun();
  }

  #notLeading(why: string): ConclaveError {
    const { name, token, holder } = this;
    const message = `${holder} does not lead election ${JSON.stringify(name)} with token ${token}: ${why}.`;
    return new ConclaveError('not-leading', message, { details: { name, token, holder } });
  }

  /** Says so again and again, at growing distances, while a job ignores the signal. */
  async #reportOverrun(): Promise<void> {
    const { runtime, onEvent, ttlMs } = this.#parts.settings;
    const startMs = runtime.clock.monotonicMs();
    const settled = new AbortController();
    const all = Promise.allSettled([...this.#jobs]).then(() => settled.abort());
    for (let delayMs = Math.min(ttlMs, 5000); this.#jobs.size > 0; delayMs *= 2) {
      await sleep(runtime, delayMs, settled.signal);
      if (settled.signal.aborted || this.#jobs.size === 0) break;
      const elapsedMs = runtime.clock.monotonicMs() - startMs;
      const { name, token, holder } = this;
      publish({ type: 'job-overran', name, holder, token, elapsedMs }, onEvent);
    }
    await all;
  }
}
