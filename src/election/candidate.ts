/** Campaigns for one election, any number of times, one leadership at a time. */
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import type { Claim } from './claims.ts';
import { publish } from './events.ts';
import { Grace } from './grace.ts';
import { Leadership } from './leadership.ts';
import type { LiveSession } from './live-session.ts';
import {
  candidateOptionNames,
  checkName,
  checkSignal,
  checkStore,
  type ElectionOptions,
  type ElectionSettings,
  resolveElectionSettings,
  sessionOptionsOf,
} from './options.ts';
import { Refusals } from './refusals.ts';
import { Session } from './session.ts';
import type { AcquiredOutcome, LeaseStore } from './store.ts';
import { waitForTurn } from './turn.ts';
import { aborted, backoffMs, linkSignals, sleep } from './waiting.ts';
import { withdrawLate, withdrawOnSession } from './withdrawing.ts';

export interface CandidateOptions extends ElectionOptions {
  /**
   * Use this session, shared with other names, instead of one of our own. Its options then count, not those given
   * here; disposing the candidate leaves it open. One candidate of a name at a time: the store could not tell two apart.
   */
  readonly session?: Session | undefined;
}

/** Who waits is in line again soon after the store is back, however long its lease is. */
const mostRetryMs = 5000;

/** How the rest of this folder uses a candidate. */
export interface CandidateUse {
  /** The job holds the leadership: see `LeadershipParts`. */
  readonly jobManaged?: boolean;
  /** The name is one of those that are reserved for what is built of elections. */
  readonly reserved?: boolean;
  /** Wait for others that use this name with the same session. */
  readonly queue?: boolean;
  /** Called whenever it turns out that it must wait. Must not throw. */
  readonly onWaiting?: () => void;
}

/**
 * One place in one election. Campaign, lead until `leadership.ended`, campaign again.
 *
 * @throws 'invalid-argument' or 'unsupported' from the constructor, before anything has an effect.
 */
export class Candidate implements AsyncDisposable {
  readonly name: string;
  readonly #store: LeaseStore;
  readonly #settings: ElectionSettings;
  readonly #session: Session;
  readonly #ownsSession: boolean;
  readonly #use: CandidateUse;
  readonly #closing = new AbortController();
  #campaign: Promise<Leadership> | undefined;
  #claim: Claim | undefined;
  #leadership: Leadership | undefined;
  /** Leadership objects for tokens up to this were given out; none leads twice. */
  #usedToken = -1;
  /** On the monotonic clock: until then no campaign begins. */
  #refusesUntilMs = Number.NEGATIVE_INFINITY;
  readonly #grace: Grace;
  readonly #refusals: Refusals;
  #cleanup: Promise<void> = Promise.resolve();
  /** Attempts whose answers have not come, also if nobody waits for them any more. */
  readonly #acquiring = new Set<Promise<unknown>>();
  /** What was unanswered when a release was about to be sent may be carried out after it, and answered before it. */
  #isUnsure = false;

  constructor(store: LeaseStore, name: string, options: CandidateOptions = {}, use: CandidateUse = {}) {
    checkStore(store);
    checkNames('The options of a candidate', options, candidateOptionNames);
    this.name = use.reserved ? name : checkName(name);
    this.#store = store;
    this.#settings = resolveElectionSettings(store, options);
    this.#ownsSession = options.session === undefined;
    this.#session = options.session ?? new Session(store, sessionOptionsOf(options));
    if (this.#session.store !== store) {
      throw new ConclaveError(
        'invalid-argument',
        'The session given to the candidate belongs to another store.',
      );
    }
    this.#use = use;
    const { graceMs } = this.#settings;
    const { onWaiting } = use;
    this.#refusals = new Refusals(this.#session.settings.runtime.clock);
    const recordPlace = () => store.recordPlace?.(name);
    this.#grace = new Grace({ name, settings: this.#session.settings, graceMs, recordPlace, onWaiting });
  }

  /** @internal */
  get trouble(): Session['trouble'] {
    return this.#session.trouble;
  }

  get holder(): string {
    return this.#session.holder;
  }

  /**
   * Waits until it leads; keeps trying while the store is down. After `resign({ refuseForMs })` it waits for that
   * long before it begins.
   * @throws 'aborted' when the signal aborts (the place in the queue is given up); 'closed' when disposed;
   * 'failed-precondition' while another campaign or leadership of this candidate, or of another with the same session
   * and name, lasts; an error of the store that trying again cannot cure.
   */
  async campaign(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Leadership> {
    checkNames('The options of campaign()', options, ['signal']);
    const { signal } = options;
    checkSignal(signal);
    if (this.#closing.signal.aborted) throw this.#closedError();
    if (signal?.aborted) throw ConclaveError.aborted(this.#what, signal);
    if (this.#campaign !== undefined || this.#leadership !== undefined) {
      const message = `${this.holder} already ${this.#campaign ? 'campaigns for' : 'leads'} election ${JSON.stringify(this.name)}.`;
      throw new ConclaveError('failed-precondition', message);
    }
    const link = linkSignals(signal, this.#closing.signal);
    this.#campaign = this.#run(link.signal);
    try {
      const leadership = await this.#campaign;
      this.#leadership = leadership;
      void leadership.ended.then(() => {
        this.#leadership = undefined;
        this.#releaseClaim();
        if (this.#isUnsure) this.#attendLateAnswers(leadership.parts.live);
        const { clock } = this.#session.settings.runtime;
        this.#refusesUntilMs = clock.monotonicMs() + leadership.refuseForMs;
      });
      return leadership;
    } catch (error) {
      if (this.#closing.signal.aborted) throw this.#closedError();
      throw error;
    } finally {
      this.#campaign = undefined;
      link.release();
      if (this.#leadership === undefined) this.#leaveClaim();
    }
  }

  /** Ends a campaign, resigns a leadership, closes the session if it is our own. Never rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(this.#closedError());
    await this.#campaign?.catch(() => {});
    const leadership = this.#leadership;
    await leadership?.resign();
    await leadership?.ended;
    if (this.#ownsSession) await this.#session[Symbol.asyncDispose]();
  }

  get #what(): string {
    return `The campaign for election ${JSON.stringify(this.name)}`;
  }

  async #run(signal: AbortSignal): Promise<Leadership> {
    const { runtime, onEvent, holder, renewEveryMs } = this.#session.settings;
    const refusesForMs = this.#refusesUntilMs - runtime.clock.monotonicMs();
    if (refusesForMs > 0) await sleep(runtime, refusesForMs, signal);
    publish({ type: 'campaign', name: this.name, holder, store: this.#store.description }, onEvent);
    if (this.#claim === undefined) {
      const { queue = false, onWaiting } = this.#use;
      this.#claim = await this.#session.claims.take(this.name, { queue, signal, onWaiting });
    }
    this.#claim.leaving = false;
    await Promise.race([this.#cleanup, aborted(signal)]);
    let failures = 0;
    for (;;) {
      const live = await this.#session.live({ signal });
      try {
        const leadership = await this.#tryOnce(live, signal);
        this.#refusals.worked();
        if (leadership !== undefined) return leadership;
        failures = 0;
        if (!signal.aborted) continue;
      } catch (error) {
        if (ConclaveError.is(error, 'lease-lost')) live.lose('lease-lost');
        else if (!signal.aborted && live.check()) {
          if (this.#refusals.isFinal(error)) {
            await this.#giveUpPlace(live);
            throw error;
          }
          const mostMs = Math.min(renewEveryMs, mostRetryMs);
          const retryInMs = backoffMs(runtime.random, failures, Math.min(50, renewEveryMs / 4), mostMs);
          failures += 1;
          const [what, store] = [this.#what, this.#store.description];
          publish({ type: 'trouble', holder, store, what, error, attempt: failures, retryInMs }, onEvent);
          await sleep(runtime, retryInMs, signal, live.lost);
        }
      }
      if (!signal.aborted) continue;
      await this.#giveUpPlace(live);
      throw ConclaveError.aborted(this.#what, signal);
    }
  }

  /** undefined: look again. */
  async #tryOnce(live: LiveSession, signal: AbortSignal): Promise<Leadership | undefined> {
    const { metadata, priority } = this.#settings;
    let vainWakes = 0;
    for (;;) {
      const outcome = await live.call(this.#what, signal, ({ timeoutMs }) => {
        // Without the signal: who gives up must first learn what became of it.
        const limit = timeoutMs === undefined ? {} : { timeoutMs };
        const acquiring = live.stored.acquire(this.name, { ...limit, metadata, priority });
        this.#acquiring.add(acquiring);
        const done = () => this.#acquiring.delete(acquiring);
        acquiring.then(done, done);
        return acquiring;
      });
      if (outcome.status === 'acquired') return await this.#take(live, outcome, signal);
      this.#refusals.began();
      this.#use.onWaiting?.();
      const turn = await waitForTurn(
        live,
        this.#session.settings,
        { name: this.name, outcome, vainWakes },
        signal,
      );
      if (signal.aborted || !live.check()) return undefined;
      if (turn.given) return await this.#take(live, turn.given, signal);
      this.#refusals.worked();
      vainWakes = turn.soon ? vainWakes + 1 : 0;
    }
  }

  async #take(
    live: LiveSession,
    outcome: AcquiredOutcome,
    signal: AbortSignal,
  ): Promise<Leadership | undefined> {
    const { onEvent, holder } = this.#session.settings;
    const { token, record } = outcome;
    const { name } = this;
    if (token <= this.#usedToken) {
      // A release whose answer we never saw was not carried out. This token must not lead again.
      const stood = await live.call('Releasing an earlier leadership', signal, (options) =>
        live.stored.release(name, token, options),
      );
      if (stood && token < this.#usedToken) throw this.#fallen(token);
      return undefined;
    }
    const grace = await this.#grace.pass(live, outcome, signal);
    if (grace === undefined) return undefined;
    // The answers may have taken long: check our own lease before saying that we won.
    if (signal.aborted || !live.check()) return undefined;
    this.#usedToken = token;
    const recordedGraceMs = grace.recordedMs;
    const [store, settings, jobManaged] = [
      this.#store,
      this.#session.settings,
      this.#use.jobManaged ?? false,
    ];
    const yieldAbove = this.#settings.yieldToPriority ? this.#settings.priority : undefined;
    const sharedSession = !this.#ownsSession;
    const what = { store, live, settings, name, token, record, recordedGraceMs };
    this.#isUnsure = false;
    const onAbort = () => {
      this.#isUnsure = this.#acquiring.size > 0;
    };
    const parts = { ...what, sharedSession, jobManaged, yieldAbove, onAbort };
    const leadership = new Leadership(parts);
    publish({ type: 'elected', name, holder, token, remainingMs: leadership.remainingMs() }, onEvent);
    return leadership;
  }

  #fallen(token: number): ConclaveError {
    const message = `${this.#what} got token ${token} of ${this.#store.description}, after ${this.#usedToken}: its data were deleted, or restored from an older backup. This process leads again when tokens have passed that, or when it is started anew.`;
    return new ConclaveError('unavailable', message, { retryable: true });
  }

  /** Leaves no place in the queue and no leadership behind; goes on in the background if the store is slow. */
  async #giveUpPlace(live: LiveSession): Promise<void> {
    const [store, settings] = [this.#store, this.#session.settings];
    this.#cleanup = this.#ownsSession
      ? live.close()
      : withdrawOnSession({ store, live, settings }, this.name, this.#answers(), this.#session.claims);
    const { runtime, renewEveryMs } = settings;
    const enough = new AbortController();
    await Promise.race([this.#cleanup, sleep(runtime, Math.min(1000, renewEveryMs), enough.signal)]);
    enough.abort();
  }

  /** An attempt that was given up may be carried out after the release of the leadership that another one won. */
  #attendLateAnswers(live: LiveSession): void {
    if (live.lost.aborted) return;
    const on = { store: this.#store, live, settings: this.#session.settings };
    void withdrawLate(on, this.name, this.#answers(), this.#session.claims);
  }

  #answers(): Promise<void> {
    return Promise.allSettled([...this.#acquiring]).then(() => {});
  }

  /** What was left behind is still taken away, until when the name is not free. */
  #leaveClaim(): void {
    if (this.#claim === undefined) return;
    this.#claim.leaving = true;
    void this.#cleanup.then(() => {
      if (this.#campaign === undefined && this.#leadership === undefined) this.#releaseClaim();
    });
  }

  #releaseClaim(): void {
    this.#claim?.release();
    this.#claim = undefined;
  }

  #closedError(): ConclaveError {
    return new ConclaveError('closed', `The candidate for election ${JSON.stringify(this.name)} is closed.`);
  }
}
