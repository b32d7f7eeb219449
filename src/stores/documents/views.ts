/**
 * What elections look like now, for all who wait for or watch them: one stream of changes, or one poll for all of
 * them together, however many there are.
 */
import { ConclaveError } from '../../errors/index.ts';
import { type Attending, changed, type Look, tellTrouble, tellTurn } from './attending.ts';
import { BondWatches } from './bond-watches.ts';
import type { DriverCalls } from './calling.ts';
import { ChangeStream } from './change-stream.ts';
import type { ElectionDocument } from './documents.ts';
import type { DocumentChange, Led } from './driver.ts';
import type { ElectionDocuments, FoundElection } from './elections.ts';
import { type ForeseenRelease, ForeseenReleases } from './foreseen-releases.ts';
import { type Due, LookTimes } from './look-times.ts';
import type { Pulse, SessionDocuments } from './sessions.ts';
import { isShown, ShownVersions, sessionsIn } from './state.ts';

export interface View {
  /** undefined: nobody has looked since this view was asked for. */
  readonly latest: Look | undefined;
  /** What the service told of the session that this view is for, since it was asked for. */
  readonly led: Led | undefined;
  /** Resolves when a look shows another thing, or at once if one has since the last call; false: the time is over. */
  changed(signal: AbortSignal, withinMs?: number): Promise<boolean>;
  release(): void;
}

interface Watched extends Due {
  readonly name: string;
  readonly attending: Set<Attending>;
  latest: Look | undefined;
  /** How often it was looked at. */
  looks: number;
}

/** Where changes are told, and cannot be missed: a look all the same, should the service's word be wrong. */
const safetyMs = 10_000;
/** So many requests a second are enough for all that are polled; with more elections each is looked at less often. */
const pollsPerSecond = 20;
/** Every so many looks all are looked at, not the leader alone. */
const wholeEvery = 10;

export class ElectionViews {
  readonly #calls: DriverCalls;
  readonly #elections: ElectionDocuments;
  readonly #sessions: SessionDocuments;
  readonly #pollMs: number;
  readonly #watched = new Map<string, Watched>();
  readonly #stream: ChangeStream;
  readonly #bonds: BondWatches;
  readonly #releases: ForeseenReleases;
  readonly #times: LookTimes<Watched>;
  readonly versions = new ShownVersions();

  constructor(calls: DriverCalls, elections: ElectionDocuments, sessions: SessionDocuments, pollMs: number) {
    this.#calls = calls;
    this.#elections = elections;
    this.#sessions = sessions;
    this.#pollMs = pollMs;
    this.#releases = new ForeseenReleases(calls, elections, sessions);
    this.#times = new LookTimes(calls, this.#watched, (due, nowMs) => this.#lookAtDue(due, nowMs));
    this.#bonds = new BondWatches(calls, (session, bond) => {
      sessions.unbind(session, bond);
      for (const view of this.#watched.values()) {
        const { latest } = view;
        if (latest?.found.document.leader?.session !== session) continue;
        if (bond.graceMs > 0) this.#times.lookAt(view, bond.graceMs);
        // Who comes next reads all that matters before it takes anything.
        else this.#show(view, latest.found, new Set([...latest.dead, session]));
      }
    });
    this.#stream = new ChangeStream(calls, (change) => this.#hint(change));
  }

  /** `session`: who waits for its turn by it. */
  attend(name: string, session?: string): View {
    let watched = this.#watched.get(name);
    if (watched === undefined) {
      watched = { name, attending: new Set(), latest: undefined, nextMs: 0, looks: 0, isTold: false };
      this.#watched.set(name, watched);
      this.#stream.want(true);
    }
    const view = watched;
    const nothing = { led: undefined, latest: undefined, trouble: undefined, wake: undefined };
    const attending: Attending = { session, ...nothing, news: false };
    view.attending.add(attending);
    this.#times.lookAt(view, 0);
    return {
      get latest() {
        return attending.latest;
      },
      get led() {
        return attending.led;
      },
      changed: (signal, withinMs) => changed(this.#calls.runtime.timers, attending, signal, withinMs),
      release: () => {
        view.attending.delete(attending);
        // Who comes to lead looks on, as one who guards what it leads, and waits for nothing here.
        if (view.attending.size > 0) return;
        const { timers } = this.#calls.runtime;
        // Its guard begins with the turn after that in which it heard that it leads.
        timers.nextTurn(() => timers.nextTurn(() => this.#forget(view)));
      },
    };
  }

  #forget(view: Watched): void {
    if (view.attending.size > 0 || this.#watched.get(view.name) !== view) return;
    this.#watched.delete(view.name);
    this.#releases.forget(view.name);
    this.#bonds.follow(view, undefined);
    if (this.#watched.size === 0) this.#stream.want(false);
    this.#times.schedule();
  }

  /** What it was when it was last looked at: good enough to try a replacement on, which fails where it is not. */
  found(name: string): FoundElection | undefined {
    return this.#watched.get(name)?.latest?.found;
  }

  /** Sessions in it that were over when it was last looked at. */
  dead(name: string): ReadonlySet<string> {
    return this.#watched.get(name)?.latest?.dead ?? new Set();
  }

  /** As it was when it was last looked at, too. To be sent once at most. */
  release(name: string, session: string, token: number): ForeseenRelease | undefined {
    return this.#releases.take(name, session, token);
  }

  /** What this process wrote is shown at once; the look that follows tells how long its leader has. */
  wrote(name: string, found: FoundElection): void {
    const view = this.#watched.get(name);
    if (view === undefined) return;
    if ((view.latest?.found.document.version ?? -1) >= found.document.version) return;
    const inside = sessionsIn(found.document);
    this.#show(view, found, new Set(inside.filter((id) => view.latest?.dead.has(id))));
    this.#times.lookAt(view, 0);
  }

  /** The store is closed: nobody waits any longer. */
  close(): void {
    this.#stream.want(false);
    this.#times.stop();
    const closed = new ConclaveError('closed', `The store ${this.#calls.driver.description} is closed.`);
    for (const view of this.#watched.values()) tellTrouble(view, closed);
  }

  #hint(change: DocumentChange): void {
    if (change === 'all') {
      // With very many, no more at a time than when they are polled.
      let requests = -pollsPerSecond;
      for (const view of this.#watched.values()) {
        this.#times.lookAt(view, (Math.max(0, Math.floor(requests)) * 1000) / pollsPerSecond);
        requests += 1 / this.#calls.perRead;
      }
    } else if (change.kind === 'election') {
      const view = this.#watched.get(change.name);
      if (view === undefined) return;
      if (change.led !== undefined && this.#believes(view, change.led)) tellTurn(view, change.led);
      this.#times.lookAt(view, 0, this.#stream.live);
    } else if (change.kind === 'session' && !this.#calls.driver.traits.ownsClock) {
      // Seen soon, a renewal makes the end of a session known soon: it counts from when it was seen.
      for (const view of this.#watched.values()) {
        if (view.latest?.found.document.leader?.session === change.name) this.#times.lookAt(view, 0);
      }
    }
  }

  /** Where anybody may speak: what the leader that was seen last says to one who waits here. */
  #believes({ name, attending, latest }: Watched, led: Led): boolean {
    const { proofs } = this.#elections;
    if (proofs === undefined) return true;
    const leader = latest?.found.document.leader;
    if (leader === undefined || ![...attending].some(({ session }) => session === led.session)) return false;
    return proofs.holds(leader.key, { name, session: leader.session, token: leader.token, led });
  }

  /** Never rejects: what went wrong is told to those who wait. */
  async #lookAtDue(due: readonly Watched[], nowMs: number): Promise<void> {
    const restMs = this.restMs(this.#watched.size, this.#stream.live);
    const asTold = due.every(({ isTold }) => isTold);
    for (const view of due) {
      view.nextMs = nowMs + restMs;
      view.isTold = false;
    }
    try {
      await this.#look(due, asTold);
    } catch (error) {
      for (const view of due) tellTrouble(view, error);
    }
  }

  async #look(views: readonly Watched[], asTold: boolean): Promise<void> {
    if (views.length === 0) return;
    const within = this.#calls.within('Watching elections');
    const before = views.map(({ latest }) => latest);
    const found = await this.#elections.readMany(
      views.map(({ name }) => name),
      { ...within, asTold },
    );
    const ids = new Set(
      found.flatMap((one, at) => {
        const view = views[at];
        return ConclaveError.is(one) || view === undefined ? [] : this.#worthALook(view, one.document);
      }),
    );
    const pulses = await this.#sessions.look([...ids], within, { bury: false });
    const byId = new Map([...ids].map((id, at): [string, Pulse | undefined] => [id, pulses[at]]));
    for (const [at, view] of views.entries()) {
      const one = found[at];
      if (ConclaveError.is(one)) tellTrouble(view, one);
      else if (one !== undefined) this.#saw(view, before[at], one, byId);
    }
  }

  #saw(
    view: Watched,
    before: Look | undefined,
    found: FoundElection,
    byId: ReadonlyMap<string, Pulse | undefined>,
  ): void {
    const { document } = found;
    const leading = byId.get(document.leader?.session ?? '');
    if (leading?.alive) view.nextMs = Math.min(view.nextMs, leading.dueMs);
    if (view.latest !== before && (view.latest?.found.document.version ?? 0) > document.version) {
      // Written by this process while the look was under way: it looks again.
      view.nextMs = 0;
      return;
    }
    const isDead = (id: string) => {
      const pulse = byId.get(id);
      return pulse === undefined ? view.latest?.dead.has(id) === true : !pulse.alive;
    };
    const dead = new Set(sessionsIn(document).filter(isDead));
    this.#show(view, found, dead);
    // Only who comes next, one for each election: the others would take connections for nothing.
    const next = document.waiting.find(({ session }) => !dead.has(session))?.session;
    const isHere = next !== undefined && [...view.attending].some(({ session }) => session === next);
    this.#bonds.follow(view, isHere ? document.leader?.session : undefined, leading?.bond);
  }

  /**
   * The leader, on whom all who wait depend. Those who wait are looked at now and then, and where nobody leads: if each
   * of them looked at all others each time, requests would grow with their square.
   */
  #worthALook(view: Watched, document: ElectionDocument): readonly string[] {
    const isWhole = view.looks % wholeEvery === 0;
    view.looks += 1;
    const { perRead } = this.#calls;
    if (perRead > 1 && (isWhole || document.leader === undefined))
      return sessionsIn(document).slice(0, perRead);
    return document.leader === undefined ? [] : [document.leader.session];
  }

  #show(view: Watched, found: FoundElection, dead: ReadonlySet<string>): void {
    const before = view.latest;
    const isNews =
      before === undefined ||
      !isShown({ stored: before.found.stored, dead: before.dead }, found.stored, dead);
    const version = isNews ? this.versions.next(view.name, found, dead, before?.version) : before.version;
    const look = { found, dead, version };
    view.latest = look;
    for (const one of view.attending) {
      if (one.latest !== undefined && !isNews) continue;
      one.latest = look;
      one.news = true;
      one.wake?.();
    }
    if (!isNews) return;
    this.#elections.foresee(view.name, look, [...view.attending]);
    this.#releases.foresee(view.name, look);
  }

  /** Between two looks at so many elections. */
  restMs(names: number, live: boolean): number {
    const requests = 2 * Math.ceil(names / this.#calls.perRead);
    const restMs = Math.max(live ? safetyMs : this.#pollMs, (requests * 1000) / pollsPerSecond);
    return restMs * (0.9 + this.#calls.runtime.random.unit() / 5);
  }
}
