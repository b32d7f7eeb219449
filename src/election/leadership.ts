/** One leadership, from winning to its end. */
import { ConclaveError } from '../errors/index.ts';
import { checkNames, shown } from '../errors/option-names.ts';
import { type LossCause, publish } from './events.ts';
import { checkTransactionFor, type TransactionOptions, transactGuarded } from './guarded-transaction.ts';
import { Jobs } from './jobs.ts';
import { type Leaving, releaseAtStore, transferAtStore } from './leaving.ts';
import { checkHolder, checkMetadata, checkRefusal, checkSignal } from './options.ts';
import { retryOnSession } from './retry.ts';
import type { ElectionState, StoreTransaction, StoreTransactionResult } from './store.ts';
import { guardToken } from './token-guard.ts';
import { PriorityYield } from './yielding.ts';

export interface ResignOptions {
  /**
   * How long the candidate of this leadership does not campaign again, from when it ended: `campaign()` and `elect()`
   * wait for that long first. 0 to 86400000; default 0.
   */
  readonly refuseForMs?: number | undefined;
}

export interface LeadershipParts extends Leaving {
  /** The election's, as it was when this leadership was won. */
  readonly record: Uint8Array | undefined;
  /** Hand off to waiters above this priority; undefined: to nobody. */
  readonly yieldAbove: number | undefined;
  /** The job holds this object and may await `resign()` in it: then that must not await the job. */
  readonly jobManaged: boolean;
  /** Called when the signal aborts, before anything is sent. Must not throw. */
  readonly onAbort?: () => void;
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
  readonly #jobs: Jobs;
  #finish: (cause: LossCause) => void = () => {};
  #cause: LossCause | undefined;
  #leaving: Promise<void> | undefined;
  #resigned: ConclaveError | undefined;
  #refuseForMs = 0;
  #isReleasing = false;
  #lastProclaim: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(parts: LeadershipParts) {
    const { live, name, token, settings } = parts;
    this.#parts = parts;
    this.#jobs = new Jobs(live);
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
    const onState = this.#yielding();
    const onReplaced = () => {
      if (!this.#isReleasing) this.#lose('replaced');
    };
    const guarding = { ...parts, signal: this.#guard.signal, onReplaced, ...(onState && { onState }) };
    // Somebody waits to hear that it leads.
    settings.runtime.timers.nextTurn(() => {
      void guardToken(guarding);
      // An error with its stack takes a tenth of a millisecond in code that has not run for a while, and whoever is
      // next would wait for it.
      this.#resigned = this.#notLeading('it was resigned');
    });
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
   * @throws 'invalid-argument' for what is no promise.
   */
  settle(work: Promise<unknown>): void {
    const given: { then?: unknown } | null | undefined = work;
    if (typeof given?.then !== 'function') {
      const message = `settle() takes the promise of the work to wait for, not ${shown(work)}.`;
      throw new ConclaveError('invalid-argument', message);
    }
    this.#jobs.add(Promise.resolve(work));
  }

  /**
   * A transaction on the store's own keys (not those of its elections) that is carried out only while this leadership
   * is the current one, looked at in the same step: the strictest fence there is, for what lives in that store.
   *
   * @throws 'not-leading' where it is not the current one: nothing was done, and the leadership is over. 'unsupported'
   * where the store has no transactions; 'invalid-argument'. Whatever has outcome 'unknown' ('timeout', 'aborted',
   * 'unavailable'): it may have been carried out, so read before trying again, or make it compare what it changes.
   */
  async txn(
    transaction: StoreTransaction,
    options: TransactionOptions = {},
  ): Promise<StoreTransactionResult> {
    checkNames('The options of txn()', options, ['signal']);
    checkSignal(options.signal);
    checkTransactionFor(this.#parts, transaction);
    this.assertHeld();
    const result = await transactGuarded(this.#parts, transaction, options);
    if (result !== undefined) return result;
    // While it is being given up, that is what it will have ended by.
    if (this.#leaving === undefined) this.#lose('replaced');
    throw this.#notLeading('the store shows that its token is not the current one');
  }

  /**
   * Gives the leadership up: aborts the signal, waits for what was given to `settle`, then releases it at the store
   * in one step. Resolves when that is done, or when the lease has run out; never rejects. Idempotent. Under
   * `elect`, where the job itself may await this, it resolves as soon as the signal is aborted; see `ended`.
   * @throws 'invalid-argument' for a `refuseForMs` out of range, or an option that it does not know.
   */
  async resign(options: ResignOptions = {}): Promise<void> {
    this.#refuseForMs = Math.max(this.#refuseForMs, checkRefusal(options));
    await this.#startLeaving(undefined);
  }

  /** @internal For what is built of elections. */
  get parts(): LeadershipParts {
    return this.#parts;
  }

  /** @internal What `resign` was given. */
  get refuseForMs(): number {
    return this.#refuseForMs;
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
      const why =
        toHolder === undefined
          ? (this.#resigned ?? this.#notLeading('it was resigned'))
          : this.#notLeading(`it was given up, to hand it to ${JSON.stringify(toHolder)}`);
      this.#abort(why);
      this.#leaving = this.#leave(toHolder);
    }
    return this.#parts.jobManaged ? Promise.resolve() : this.#leaving;
  }

  async #leave(toHolder: string | undefined): Promise<void> {
    await this.#jobs.settled(this.ended);
    if (this.#cause !== undefined) return;
    // Our own going is no news to the guard.
    this.#isReleasing = true;
    const transferring = toHolder === undefined ? undefined : transferAtStore(this.#parts, toHolder);
    const releasing = toHolder === undefined ? releaseAtStore(this.#parts) : undefined;
    // Not before: from its watch the store may know who waits. When the request has left, since somebody waits to lead;
    // with a reason, or one is made, with a stack.
    this.#parts.settings.runtime.timers.nextTurn(() => this.#guard.abort('it is being given up'));
    const handedTo = (await transferring) ? toHolder : undefined;
    if (handedTo === undefined && !(await (releasing ?? releaseAtStore(this.#parts)))) {
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

  #yielding(): ((state: ElectionState) => void) | undefined {
    const { yieldAbove: priority, settings } = this.#parts;
    if (priority === undefined) return undefined;
    const handOff = (toHolder: string) => this.handOff(toHolder);
    const yielding = new PriorityYield({ settings, priority, signal: this.signal, handOff });
    return (state) => yielding.see(state);
  }

  #lose(cause: Exclude<LossCause, 'resigned' | 'handed-off'>): void {
    if (this.#cause !== undefined) return;
    this.#end(cause);
    this.#abort(this.#notLeading(`it was lost (${cause})`));
    const { name, token, holder } = this;
    publish({ type: 'lost', name, holder, token, cause }, this.#parts.settings.onEvent);
  }

  #end(cause: LossCause): void {
    this.#cause = cause;
    this.#guard.abort();
    this.#finish(cause);
  }

  #abort(why: ConclaveError): void {
    if (this.signal.aborted) return;
    this.#controller.abort(why);
    this.#parts.onAbort?.();
    void this.#jobs.reportOverrun(this.#parts.settings, this);
  }

  #notLeading(why: string): ConclaveError {
    const { name, token, holder } = this;
    const message = `${holder} does not lead election ${JSON.stringify(name)} with token ${token}: ${why}.`;
    return new ConclaveError('not-leading', message, { details: { name, token, holder } });
  }
}
