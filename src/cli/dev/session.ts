import { setTimeout as sleep } from 'node:timers/promises';
import { openSharedFile } from '../wiring.ts';
import { Cast, type CastOptions, monotonicMs } from './cast.ts';
import type { DevEvent } from './events.ts';
import { mergeHistory, parseLines } from './job-file.ts';
import { type DevState, initialState, jobLeader, raftLeader } from './model.ts';
import { reduce } from './reducer.ts';
import { type HistoryLine, type Verdict, verdictOf } from './verdict.ts';

type Listener = (state: DevState, event: DevEvent) => void;

/** How long a pause lasts at least beyond the leader's TTL, and at most when nobody else comes to lead. */
const pauseMarginMs = 300;
const longestPauseMs = 30_000;
const historyEveryMs = 500;
const thoughtPatienceMs = 5000;

/** The run of `conclave dev`: processes, state, and what a user or a script can do to them. */
export class DevSession {
  readonly #cast: Cast;
  readonly #listeners = new Set<Listener>();
  readonly #stopped = new AbortController();
  readonly #options: CastOptions;
  #state: DevState;
  #history: HistoryLine[] = [];
  #historyViolations: string[] = [];
  #historyLoop: Promise<void> | undefined;
  #pausing: string | undefined;

  constructor(options: CastOptions) {
    this.#options = options;
    this.#state = initialState({
      startedAtMs: monotonicMs(),
      election: options.election,
      ttlMs: options.ttlMs,
    });
    this.#cast = new Cast(options, (event) => this.#dispatch(event));
  }

  get state(): DevState {
    return this.#state;
  }

  /** Called after each event. Returns the function that ends it. */
  onEvent(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async start(): Promise<void> {
    await this.#cast.start();
    this.#historyLoop = this.#followHistory();
  }

  /** Ends all processes; afterwards nothing changes any more. */
  async stop(): Promise<void> {
    await this.#readHistory();
    this.#stopped.abort();
    await this.#historyLoop;
    await this.#cast.stop();
  }

  /** Resolves with true once `wanted` holds, with false when that took longer than `timeoutMs` or the signal aborted. */
  waitFor(wanted: (state: DevState) => boolean, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (wanted(this.#state)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (result: boolean) => {
        clearTimeout(timer);
        stopListening();
        signal?.removeEventListener('abort', abort);
        resolve(result);
      };
      const abort = () => end(false);
      const timer = setTimeout(abort, Math.max(0, timeoutMs));
      const stopListening = this.onEvent((state) => wanted(state) && end(true));
      if (signal?.aborted) end(false);
      signal?.addEventListener('abort', abort);
    });
  }

  killRaftLeader(): void {
    const leader = raftLeader(this.#state);
    if (leader === undefined) this.note('there is no Raft leader to kill: press h to heal');
    else this.#cast.killMember(leader.name);
  }

  killJobLeader(): void {
    const leader = jobLeader(this.#state);
    if (leader === undefined) this.note("there is no job's leader to kill");
    else this.#cast.killCandidate(leader.candidate.name);
  }

  /**
   * Stops the job's leader in the middle of a write, for longer than its lease, until another has led and written;
   * then lets it go on. Resolves when it was woken; to false where nobody was paused, as nobody led for long enough.
   */
  async pauseJobLeader(signal?: AbortSignal): Promise<boolean> {
    const leader = jobLeader(this.#state);
    if (leader === undefined || this.#pausing !== undefined) {
      this.note(
        leader === undefined ? "there is no job's leader to pause" : `${this.#pausing} is paused already`,
      );
      return false;
    }
    const { name } = leader.candidate;
    this.#pausing = name;
    try {
      if (!(await this.#longThought(name, leader.leadership.token))) return false;
      this.#cast.pauseCandidate(name);
      const longEnough = sleep(this.#options.ttlMs + pauseMarginMs, undefined, {
        signal: signal ?? this.#stopped.signal,
      }).catch(() => {});
      await this.waitFor((state) => state.file.token > leader.leadership.token, longestPauseMs, signal);
      await longEnough;
      this.#cast.wakeCandidate(name);
      return true;
    } finally {
      this.#pausing = undefined;
    }
  }

  heal(): void {
    this.note('heal: whoever was killed is started again');
    this.#cast.heal();
  }

  note(text: string): void {
    this.#dispatch({ type: 'note', atMs: monotonicMs(), text });
  }

  verdict(options: { complete: boolean; unfinishedSteps: readonly string[] }): Verdict {
    const { complete, unfinishedSteps } = options;
    const { history, historyViolations } = {
      history: this.#history,
      historyViolations: this.#historyViolations,
    };
    return verdictOf({ state: this.#state, history, historyViolations, complete, unfinishedSteps });
  }

  #dispatch(event: DevEvent): void {
    if (this.#stopped.signal.aborted) return;
    this.#state = reduce(this.#state, event);
    for (const listener of this.#listeners) listener(this.#state, event);
  }

  /** Resolves to whether it has begun a long thought: between that and its write lies the moment to pause in. */
  #longThought(candidate: string, token: number): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (result: boolean) => {
        clearTimeout(timer);
        stopListening();
        resolve(result);
      };
      const timer = setTimeout(() => end(false), thoughtPatienceMs);
      const stopListening = this.onEvent((state, event) => {
        if (jobLeader(state)?.leadership.token !== token) end(false);
        else if (event.type === 'thinking' && event.candidate === candidate && event.long) end(true);
      });
      this.#cast.letLinger(candidate);
    });
  }

  async #followHistory(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      await this.#readHistory();
      await sleep(historyEveryMs, undefined, { signal: this.#stopped.signal }).catch(() => {});
    }
  }

  async #readHistory(): Promise<void> {
    try {
      const { content } = await openSharedFile(this.#cast.sharedFile).read();
      const { history, violations } = mergeHistory(this.#history, parseLines(content));
      this.#history = history;
      this.#historyViolations = [...new Set([...this.#historyViolations, ...violations])];
    } catch (error) {
      this.#historyViolations = [`the shared file cannot be read: ${(error as Error).message}`];
    }
  }
}
