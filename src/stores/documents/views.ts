/**
 * What elections look like now, for all who wait for or watch them: one stream of changes, or one poll for all of
 * them together, however many there are.
 */
import { ConclaveError } from '../../errors/index.ts';
import type { Timer } from '../../runtime/types.ts';
import type { DriverCalls } from './calling.ts';
import { ChangeStream } from './change-stream.ts';
import type { DocumentChange } from './driver.ts';
import type { ElectionDocuments, FoundElection } from './elections.ts';
import type { Pulse, SessionDocuments } from './sessions.ts';
import { sessionsIn } from './state.ts';

export interface Look {
  readonly found: FoundElection;
  /** Sessions in it that are over. */
  readonly dead: ReadonlySet<string>;
  readonly dueMs: number;
}

export interface View {
  /** undefined: nobody has looked since this view was asked for. */
  readonly latest: Look | undefined;
  /** Resolves when a look shows another thing, or at once if one has since the last call; false: the time is over. */
  changed(signal: AbortSignal, withinMs?: number): Promise<boolean>;
  release(): void;
}

interface Watched {
  readonly name: string;
  readonly attending: Set<Attending>;
  latest: Look | undefined;
  nextMs: number;
}

interface Attending {
  latest: Look | undefined;
  /** A change that nobody has been told of. */
  news: boolean;
  trouble: unknown;
  wake: (() => void) | undefined;
}

/** Where changes are told, and cannot be missed: a look all the same, should the service's word be wrong. */
const safetyMs = 10_000;
/** So many requests a second are enough for all that are polled; with more elections each is looked at less often. */
const pollsPerSecond = 20;
const namesPerRequest = 100;

export class ElectionViews {
  readonly #calls: DriverCalls;
  readonly #elections: ElectionDocuments;
  readonly #sessions: SessionDocuments;
  readonly #pollMs: number;
  readonly #watched = new Map<string, Watched>();
  readonly #stream: ChangeStream;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #looking = false;

  constructor(calls: DriverCalls, elections: ElectionDocuments, sessions: SessionDocuments, pollMs: number) {
    this.#calls = calls;
    this.#elections = elections;
    this.#sessions = sessions;
    this.#pollMs = pollMs;
    this.#stream = new ChangeStream(calls, (change) => this.#hint(change));
  }

  attend(name: string): View {
    let watched = this.#watched.get(name);
    if (watched === undefined) {
      watched = { name, attending: new Set(), latest: undefined, nextMs: 0 };
      this.#watched.set(name, watched);
      this.#stream.want(true);
    }
    const view = watched;
    const attending: Attending = { latest: undefined, news: false, trouble: undefined, wake: undefined };
    view.attending.add(attending);
    this.#lookAt(view, 0);
    return {
      get latest() {
        return attending.latest;
      },
      changed: (signal, withinMs) => this.#changed(attending, signal, withinMs),
      release: () => {
        view.attending.delete(attending);
        if (view.attending.size > 0 || this.#watched.get(name) !== view) return;
        this.#watched.delete(name);
        if (this.#watched.size === 0) this.#stream.want(false);
      },
    };
  }

  /** What this process wrote needs no looking for. */
  wrote(name: string, found: FoundElection): void {
    const view = this.#watched.get(name);
    if (view === undefined) return;
    if ((view.latest?.found.document.version ?? -1) >= found.document.version) return;
    this.#show(view, { found, dead: view.latest?.dead ?? new Set(), dueMs: view.latest?.dueMs ?? 0 });
    this.#lookAt(view, 0);
  }

  /** The store is closed: nobody waits any longer. */
  close(): void {
    this.#stream.want(false);
    this.#timer?.cancel();
    for (const { attending } of this.#watched.values()) {
      for (const one of attending) {
        one.trouble = new ConclaveError('closed', `The store ${this.#calls.driver.description} is closed.`);
        one.wake?.();
      }
    }
  }

  #hint(change: DocumentChange): void {
    if (change === 'all') {
      for (const view of this.#watched.values()) this.#lookAt(view, 0);
    } else if (change.kind === 'election') {
      const view = this.#watched.get(change.name);
      if (view !== undefined) this.#lookAt(view, 0);
    } else if (change.kind === 'session' && !this.#calls.driver.traits.ownsClock) {
      // Seen soon, a renewal makes the end of a session known soon: it counts from when it was seen.
      for (const view of this.#watched.values()) {
        if (view.latest?.found.document.leader?.session === change.name) this.#lookAt(view, 0);
      }
    }
  }

  async #changed(attending: Attending, signal: AbortSignal, withinMs?: number): Promise<boolean> {
    if (!attending.news && attending.trouble === undefined && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer =
          withinMs === undefined ? undefined : this.#calls.runtime.timers.after(withinMs, () => done());
        const done = () => {
          timer?.cancel();
          signal.removeEventListener('abort', done);
          attending.wake = undefined;
          resolve();
        };
        attending.wake = done;
        signal.addEventListener('abort', done);
      });
    }
    const { news, trouble } = attending;
    attending.news = false;
    attending.trouble = undefined;
    if (trouble !== undefined) throw trouble;
    return news;
  }

  #lookAt(view: Watched, inMs: number): void {
    view.nextMs = Math.min(view.nextMs, this.#calls.nowMs() + inMs);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#looking || this.#calls.closed.aborted) return;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const view of this.#watched.values()) nextMs = Math.min(nextMs, view.nextMs);
    if (this.#timer !== undefined && this.#timerAtMs === nextMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = nextMs;
    if (nextMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.max(0, nextMs - this.#calls.nowMs());
    this.#timer = this.#calls.runtime.timers.after(delayMs, () => {
      this.#timer = undefined;
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      void this.#lookAtDue();
    });
  }

  /** Never rejects: what went wrong is told to those who wait. */
  async #lookAtDue(): Promise<void> {
    this.#looking = true;
    const nowMs = this.#calls.nowMs();
    const due = [...this.#watched.values()].filter(({ nextMs }) => nextMs <= nowMs);
    const restMs = this.restMs(this.#watched.size, this.#stream.live);
    for (const view of due) view.nextMs = nowMs + restMs;
    try {
      await this.#look(due);
    } catch (error) {
      for (const { attending } of due) {
        for (const one of attending) {
          one.trouble = error;
          one.wake?.();
        }
      }
    }
    this.#looking = false;
    this.#schedule();
  }

  async #look(views: readonly Watched[]): Promise<void> {
    if (views.length === 0) return;
    const within = this.#calls.within('Watching elections');
    const names = views.map(({ name }) => name);
    const found = await this.#elections.readMany(names, within);
    const ids = [...new Set(found.flatMap(({ document }) => this.#worthALook(document)))];
    const pulses = await this.#sessions.look(ids, within, { bury: false });
    const byId = new Map(ids.map((id, at): [string, Pulse | undefined] => [id, pulses[at]]));
    for (const [at, view] of views.entries()) {
      const one = found[at];
      if (one === undefined) continue;
      const dead = new Set(sessionsIn(one.document).filter((id) => byId.get(id)?.alive === false));
      const leading = byId.get(one.document.leader?.session ?? '');
      const dueMs = leading?.alive ? leading.dueMs : Number.POSITIVE_INFINITY;
      view.nextMs = Math.min(view.nextMs, dueMs);
      if ((view.latest?.found.document.version ?? -1) > one.document.version && one.stored !== undefined) {
        // Written by this process while the look was under way: it looks again.
        view.nextMs = 0;
      } else {
        this.#show(view, { found: one, dead, dueMs });
      }
    }
  }

  /** All who stand in it, where one request reads them; otherwise the leader, on whom the most depends. */
  #worthALook(document: FoundElection['document']): readonly string[] {
    if (this.#calls.driver.readMany !== undefined) return sessionsIn(document);
    return document.leader === undefined ? [] : [document.leader.session];
  }

  #show(view: Watched, look: Look): void {
    const before = view.latest;
    view.latest = look;
    const isNews =
      before?.found.stored !== look.found.stored ||
      before?.dead.size !== look.dead.size ||
      [...look.dead].some((id) => !before.dead.has(id));
    for (const one of view.attending) {
      if (one.latest !== undefined && !isNews) continue;
      one.latest = look;
      one.news = true;
      one.wake?.();
    }
  }

  /** Between two looks at so many elections. */
  restMs(names: number, live: boolean): number {
    if (live) return safetyMs;
    const perRequest = this.#calls.driver.readMany === undefined ? 1 : namesPerRequest;
    const requests = 2 * Math.ceil(names / perRequest);
    const restMs = Math.max(this.#pollMs, (requests * 1000) / pollsPerSecond);
    return restMs * (0.9 + this.#calls.runtime.random.unit() / 5);
  }
}
