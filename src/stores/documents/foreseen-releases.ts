/** What gives a leadership of this store to the one who waits first, made ready while nobody waits for it. */
import type { Look } from './attending.ts';
import type { DriverCalls, Within } from './calling.ts';
import type { Place } from './documents.ts';
import type { ElectionDocuments, FoundElection } from './elections.ts';
import { releasedBy } from './queue.ts';
import type { SessionDocuments } from './sessions.ts';

export interface ForeseenRelease {
  readonly found: FoundElection;
  /** Who leads then. */
  readonly next: Place;
  /** Once at most. undefined: the election is no longer what was found. */
  readonly send: (within: Within) => Promise<FoundElection | undefined>;
}

export class ForeseenReleases {
  readonly #calls: DriverCalls;
  readonly #elections: ElectionDocuments;
  readonly #sessions: SessionDocuments;
  readonly #latest = new Map<string, Look>();
  readonly #ready = new Map<string, ForeseenRelease>();

  constructor(calls: DriverCalls, elections: ElectionDocuments, sessions: SessionDocuments) {
    this.#calls = calls;
    this.#elections = elections;
    this.#sessions = sessions;
  }

  /** In the turn after, since somebody may wait to hear what is seen; of several looks the last counts. */
  foresee(name: string, look: Look): void {
    this.#ready.delete(name);
    const { leader, waiting } = look.found.document;
    if (leader === undefined || waiting.length === 0 || !this.#sessions.owns(leader.session)) {
      this.#latest.delete(name);
      return;
    }
    const isAsked = this.#latest.has(name);
    this.#latest.set(name, look);
    if (!isAsked) this.#calls.runtime.timers.nextTurn(() => this.#prepare(name));
  }

  forget(name: string): void {
    this.#latest.delete(name);
    this.#ready.delete(name);
  }

  /** For a release that leaves no record. undefined: nothing is ready that says the same. */
  take(name: string, session: string, token: number): ForeseenRelease | undefined {
    const ready = this.#ready.get(name);
    const leader = ready?.found.document.leader;
    if (leader?.session !== session || leader.token !== token) return undefined;
    this.#ready.delete(name);
    return ready;
  }

  #prepare(name: string): void {
    const look = this.#latest.get(name);
    this.#latest.delete(name);
    const { leader, record, version } = look?.found.document ?? {};
    if (look === undefined || leader === undefined || record !== undefined || this.#calls.closed.aborted)
      return;
    // The version that comes next has to be asked for.
    const nextVersion = version === undefined ? undefined : this.#elections.simplyNext(name, version);
    if (nextVersion === undefined) return;
    const { found, dead } = look;
    const { next, document } = releasedBy(found.document, leader.session, dead, nextVersion);
    if (next === undefined) return;
    try {
      this.#ready.set(name, { found, next, send: this.#elections.prepare(name, found, document) });
    } catch {
      // Whoever releases it is told why it cannot be written.
    }
  }
}
