/** A lease store over a driver for documents. */
import type {
  ElectionState,
  LeaseStore,
  SessionOptions,
  StoreCallOptions,
  StoreCapabilities,
  StoreSession,
} from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import { checkNames, shown } from '../../errors/option-names.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { checkSession } from '../conclave/calls.ts';
import { GivenUpSessions } from '../given-up-sessions.ts';
import { AllElections } from './all-elections.ts';
import { DriverCalls, type Within } from './calling.ts';
import type { DocumentStoreParts } from './changes.ts';
import type { DocumentDriver } from './driver.ts';
import { checkDriver } from './driver-check.ts';
import { ElectionDocuments, type FoundElection } from './elections.ts';
import type { OwnedSession } from './owned-session.ts';
import { Proofs } from './proofs.ts';
import { DocumentSession } from './session.ts';
import { SessionDocuments } from './sessions.ts';
import { electionState, sessionsIn } from './state.ts';
import { ElectionViews } from './views.ts';

export interface DocumentStoreOptions {
  /** For one call with all its retries. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** How often those who wait look, where the service does not tell of changes. Default 1000, at least 10. */
  readonly pollMs?: number | undefined;
  /** Default: this machine. */
  readonly runtime?: Runtime | undefined;
}

/** The names of `DocumentStoreOptions`, for a store that checks its own options. */
export const documentStoreOptionNames = ['timeoutMs', 'pollMs', 'runtime'] as const;

const dayMs = 86_400_000;

/**
 * The driver is the store's own from here on: it is disposed with it.
 * @throws 'invalid-argument' for a driver that lacks something, and for an unknown or wrong option.
 */
export function documentStore(driver: DocumentDriver, options: DocumentStoreOptions = {}): LeaseStore {
  checkDriver(driver);
  checkNames('The options of documentStore', options, documentStoreOptionNames);
  return new DocumentStore(driver, options);
}

class DocumentStore implements LeaseStore {
  readonly description: string;
  readonly capabilities: StoreCapabilities;
  readonly #driver: DocumentDriver;
  readonly #parts: DocumentStoreParts;
  readonly #sessions = new Set<DocumentSession>();
  readonly #opening = new Set<Promise<unknown>>();
  readonly #givenUp: GivenUpSessions;
  #closing: Promise<void> | undefined;

  constructor(driver: DocumentDriver, options: DocumentStoreOptions) {
    const timeoutMs = checkMs('timeoutMs', options.timeoutMs ?? 5000, 1);
    const pollMs = checkMs('pollMs', options.pollMs ?? 1000, 10);
    const runtime = options.runtime ?? nodeRuntime();
    const calls = new DriverCalls(driver, runtime, timeoutMs);
    const proofs = driver.traits.changesAreOpen ? new Proofs(runtime.random) : undefined;
    const elections = new ElectionDocuments(calls, newId(runtime), proofs);
    const sessions = new SessionDocuments(calls);
    const views = new ElectionViews(calls, elections, sessions, pollMs);
    this.#driver = driver;
    this.#givenUp = new GivenUpSessions(runtime);
    this.#parts = { calls, elections, sessions, views };
    this.description = driver.description;
    const { consistency, note, minTtlMs, maxTtlMs = dayMs, forgets, ownsClock } = driver.traits;
    const polls = driver.changes === undefined;
    this.capabilities = {
      consistency,
      note,
      tokenSurvivesDeletion: true,
      watch: polls ? 'poll' : 'native',
      // Each time the election, and then the leader's session.
      ...(polls && { pollRequestsPerMinute: Math.ceil((2 * 60_000) / pollMs) }),
      minTtlMs,
      maxTtlMs,
      ttlResolutionMs: 1,
      // By the service's clock it is known when to look; else it counts from when the last renewal was seen.
      expiryLateMs: ownsClock ? 500 : (polls ? pollMs : 0) + 500,
      orderedWaiters: true,
      connectionBound: driver.bonds !== undefined,
      handOff: true,
      recordsExpire: forgets,
      transactions: false,
    };
    if (driver.list !== undefined) {
      this.watchAll = (prefix, { signal }) => {
        calls.assertOpen('Watching elections');
        const restMs = (names: number, live: boolean) => views.restMs(names, live);
        return new AllElections(this.#parts, prefix, restMs).states(signal);
      };
    }
  }

  readonly watchAll?: NonNullable<LeaseStore['watchAll']>;

  async openSession(options: SessionOptions): Promise<StoreSession> {
    const { calls } = this.#parts;
    const within = calls.within('Opening a session', options);
    checkSession(this, options);
    if (this.#closing !== undefined) {
      throw new ConclaveError('closed', `Opening a session: the store ${this.description} is closing.`);
    }
    const opening = this.#open(options, within);
    this.#opening.add(opening);
    const done = () => this.#opening.delete(opening);
    opening.then(done, done);
    return await opening;
  }

  async #open(options: SessionOptions, within: Within): Promise<StoreSession> {
    const { calls, sessions } = this.#parts;
    const id = newId(calls.runtime);
    const { holder, ttlMs, releaseOnDisconnect } = options;
    const bound = releaseOnDisconnect && {
      ...releaseOnDisconnect,
      bond: await calls.bind(id, Math.ceil(ttlMs), within),
    };
    const begun = { holder, ttlMs: Math.ceil(ttlMs), bound };
    try {
      await calls.connect(within);
      // To its answer, also where nobody waits for it any more: a session that nobody knows of must not stay.
      const untilAnswered = { ...within, signal: undefined };
      const owned = await this.#givenUp.run(
        'Opening a session',
        within.signal,
        () => sessions.create(id, begun, untilAnswered),
        { answers: () => true, end: (late) => this.#endLate(late) },
      );
      return this.#session(owned);
    } catch (error) {
      await bound?.bond.end();
      throw error;
    }
  }

  async #endLate(owned: OwnedSession): Promise<void> {
    this.#parts.sessions.disown(owned.id);
    await owned.end({ timeoutMs: 1000 });
  }

  #session(owned: OwnedSession): StoreSession {
    const session: DocumentSession = new DocumentSession(this.#parts, owned, () => {
      this.#sessions.delete(session);
      this.#parts.sessions.disown(owned.id);
    });
    this.#sessions.add(session);
    return session;
  }

  async read(name: string, options?: StoreCallOptions): Promise<ElectionState> {
    const { calls, elections } = this.#parts;
    const within = calls.within('Reading an election', options);
    return await this.#shown(await elections.read(name, within), within);
  }

  async *watch(
    name: string,
    { signal }: { readonly signal: AbortSignal },
  ): AsyncGenerator<ElectionState, void, undefined> {
    this.#parts.calls.assertOpen('Watching an election');
    const view = this.#parts.views.attend(name);
    try {
      while (!signal.aborted) {
        await view.changed(signal);
        if (signal.aborted) return;
        const { latest } = view;
        if (latest !== undefined) yield electionState(latest.found.document, latest.dead, latest.version);
      }
    } finally {
      view.release();
    }
  }

  /** Revokes the sessions that are open, and closes the driver. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // One whose answer is still to come would live on unseen.
    await Promise.allSettled(this.#opening);
    await Promise.allSettled([...this.#sessions].map((session) => session[Symbol.asyncDispose]()));
    await this.#givenUp.settled();
    this.#parts.calls.close();
    this.#parts.views.close();
    await this.#driver[Symbol.asyncDispose]();
  }

  async #shown(found: FoundElection, within: Within): Promise<ElectionState> {
    const ids = sessionsIn(found.document);
    const pulses = await this.#parts.sessions.look(ids, within, { bury: false });
    return electionState(found.document, new Set(ids.filter((_, at) => pulses[at]?.alive === false)));
  }
}

function checkMs(name: string, value: number, leastMs: number): number {
  if (typeof value === 'number' && value >= leastMs && value <= dayMs) return value;
  throw new ConclaveError(
    'invalid-argument',
    `${name} must be from ${leastMs} to ${dayMs} ms, not ${shown(value)}.`,
  );
}

function newId(runtime: Runtime): string {
  return Buffer.from(runtime.random.bytes(16)).toString('hex');
}
