/** A session of a store of documents: one document that it renews, and the elections that it leads or waits for. */
import type {
  AcquiredOutcome,
  AcquireOptions,
  AcquireOutcome,
  RecordLife,
  RecordOptions,
  SessionConnection,
  StoreCallOptions,
  StoreSession,
} from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { Within } from './calling.ts';
import { type DocumentStoreParts, ElectionChanges, type Step } from './changes.ts';
import { deadAmong } from './deaths.ts';
import type { ElectionDocument, Place } from './documents.ts';
import type { FoundElection } from './elections.ts';
import type { OwnedSession } from './owned-session.ts';
import { ledBy, recordOf, releasedBy, withoutPlaces, withPlace, withRecord } from './queue.ts';
import { electionState, isAfter } from './state.ts';
import { Successions } from './successions.ts';

/** The more there are before us, the later we act in their stead when none of them does. */
const headStartMs = 150;
const closingAtATime = 16;

export class DocumentSession implements StoreSession {
  readonly id: string;
  readonly holder: string;
  readonly ttlMs: number;
  readonly key: string | undefined;
  readonly connection?: SessionConnection;
  readonly #parts: DocumentStoreParts;
  readonly #owned: OwnedSession;
  readonly #onEnd: (session: DocumentSession) => void;
  readonly #changes: ElectionChanges;
  readonly #successions: Successions;
  #ending: Promise<void> | undefined;

  constructor(parts: DocumentStoreParts, owned: OwnedSession, onEnd: (session: DocumentSession) => void) {
    this.#parts = parts;
    this.#changes = new ElectionChanges(parts);
    this.#successions = new Successions(parts, this.#changes, owned.id);
    this.#owned = owned;
    this.#onEnd = onEnd;
    this.id = owned.id;
    this.holder = owned.holder;
    this.ttlMs = owned.ttlMs;
    this.key = parts.elections.proofs?.publicKey;
    if (owned.connection !== undefined) this.connection = owned.connection;
  }

  async renew(options?: StoreCallOptions): Promise<void> {
    this.#checkLive();
    await this.#owned.renew(options);
  }

  async acquire(name: string, options: AcquireOptions): Promise<AcquireOutcome> {
    this.#checkLive();
    const within = this.#parts.calls.within('Acquiring an election', options);
    const standing = this.#changes.standing(name);
    const { departures } = standing;
    standing.inside = true;
    // Asked again when all is looked up and only the write is left: a withdrawal may have come and gone meanwhile.
    const check = () => {
      if (standing.departures !== departures) throw withdrawn(name);
      this.#checkLive();
    };
    const step = async ({ document }: FoundElection, nextVersion: () => Promise<number>) => {
      check();
      if (document.leader?.session === this.id) return { next: undefined, value: acquired(document) };
      const dead = await deadAmong(this.#parts, document, this.id, within);
      const pruned = withoutPlaces(document, (session) => dead.has(session));
      const isFree = document.leader === undefined || dead.has(document.leader.session);
      const placed = withPlace(pruned, this, options, document.version + 1);
      if (!isFree) return this.#waiting(document, placed, dead);
      const version = await nextVersion();
      const led = ledBy(placed, placed.waiting[0], version);
      if (led.leader?.session === this.id) return { next: led, value: acquired(led) };
      return this.#waiting(document, led, dead);
    };
    return await this.#changes.change<AcquireOutcome>(name, within, step, { check });
  }

  async waitForTurn(
    name: string,
    { state }: AcquireOutcome & { readonly status: 'waiting' },
    { signal }: { readonly signal: AbortSignal },
    // biome-ignore lint/suspicious/noConfusingVoidType: the contract's word for nothing to say.
  ): Promise<AcquiredOutcome | void> {
    this.#checkLive();
    const view = this.#parts.views.attend(name, this.id);
    try {
      for (;;) {
        if (signal.aborted) throw ConclaveError.aborted('Waiting for an election', signal);
        this.#checkLive();
        const { latest, led } = view;
        // What comes late of an earlier leadership of this session is none of this turn.
        if (led !== undefined && isAfter(led.version, state)) {
          return { status: 'acquired', token: led.version, record: undefined };
        }
        if (latest !== undefined) {
          const { document } = latest.found;
          if (document.leader?.session === this.id) return acquired(document);
          const at = document.waiting.findIndex(({ session }) => session === this.id);
          const isFree = document.leader === undefined || latest.dead.has(document.leader.session);
          if (at <= 0 && (at < 0 || isFree)) return;
          if (isFree && !(await view.changed(signal, headStartMs * at))) return;
          if (isFree) continue;
        }
        await view.changed(signal);
      }
    } finally {
      view.release();
    }
  }

  async withdraw(name: string, options?: StoreCallOptions): Promise<void> {
    const within = this.#parts.calls.within('Withdrawing', options);
    this.#changes.standing(name).departures += 1;
    await this.#changes.change(name, within, async ({ document }) => {
      const next = withoutPlaces(document, (session) => session === this.id);
      this.#changes.standing(name).inside = document.leader?.session === this.id;
      return { next: next === document ? undefined : next, value: undefined };
    });
  }

  async release(name: string, token: number, options?: StoreCallOptions & RecordOptions): Promise<boolean> {
    const { calls, views } = this.#parts;
    const within = calls.within('Releasing an election', options);
    this.#checkLive();
    const ready = options?.record === undefined ? views.release(name, this.id, token) : undefined;
    if (ready !== undefined) {
      this.#changes.depart(name);
      if (await this.#changes.send(name, ready, within)) {
        this.#successions.lookAfter(name, ready.next);
        return true;
      }
    }
    const seenDead = views.dead(name);
    let next: Place | undefined;
    const step = async (document: ElectionDocument, nextVersion: () => Promise<number>) => {
      this.#changes.depart(name);
      const version = await nextVersion();
      const released = releasedBy(withRecord(document, options), this.id, seenDead, version);
      next = released.next;
      return released.document;
    };
    const released = await this.#lead(name, token, within, step, { hasty: ready === undefined });
    if (released && next !== undefined) this.#successions.lookAfter(name, next);
    return released;
  }

  async transfer(
    name: string,
    token: number,
    toHolder: string,
    options?: StoreCallOptions & RecordOptions,
  ): Promise<boolean> {
    const within = this.#parts.calls.within('Handing off an election', options);
    return await this.#lead(name, token, within, async (document, nextVersion) => {
      const target = await this.#target(document, toHolder, within);
      if (target === undefined) {
        const message = `${JSON.stringify(toHolder)} is not waiting for election ${JSON.stringify(name)}.`;
        throw new ConclaveError('target-not-waiting', message);
      }
      this.#changes.depart(name);
      const rest = withoutPlaces(withRecord(document, options), (session) => session === this.id);
      return ledBy(rest, target, await nextVersion());
    });
  }

  async proclaim(
    name: string,
    token: number,
    metadata: string,
    options?: StoreCallOptions,
  ): Promise<boolean> {
    const within = this.#parts.calls.within('Proclaiming', options);
    return await this.#lead(name, token, within, async (document) => ({
      ...document,
      leader: document.leader && { ...document.leader, metadata },
    }));
  }

  async writeRecord(
    name: string,
    token: number,
    record: Uint8Array,
    options?: StoreCallOptions & RecordLife,
  ): Promise<boolean> {
    const within = this.#parts.calls.within('Writing a record', options);
    return await this.#lead(name, token, within, async (document) =>
      withRecord(document, { ...options, record }),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#ending ??= this.#end().finally(() => this.#onEnd(this));
    return this.#ending;
  }

  /** First the session, which frees all its names at once; then each document, so that nobody has to notice. */
  async #end(): Promise<void> {
    this.#successions.hurry();
    const names = this.#changes.departAll();
    await this.#owned.end();
    const within = this.#parts.calls.within('Closing a session');
    const work = async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        await this.#vacate(name, within).catch(() => {
          // Others find out by themselves that the session is over.
        });
      }
    };
    await Promise.all([...Array.from({ length: closingAtATime }, work), ...this.#successions.looking]);
  }

  async #vacate(name: string, within: Within): Promise<void> {
    await this.#changes.change(name, within, async ({ document }) => {
      const leads = document.leader?.session === this.id;
      const rest = withoutPlaces(document, (session) => session === this.id);
      const next = leads ? { ...rest, leader: undefined } : rest;
      return { next: next === document ? undefined : next, value: undefined };
    });
  }

  /** A holder whose session was lost may still have the place of that one: the last to come that is alive. */
  async #target(document: ElectionDocument, toHolder: string, within: Within): Promise<Place | undefined> {
    const places = document.waiting
      .filter(({ holder, session }) => holder === toHolder && session !== this.id)
      .sort((left, right) => right.order - left.order);
    const pulses = await this.#parts.sessions.look(
      places.map(({ session }) => session),
      within,
      { bury: true },
    );
    return places.find((_, at) => pulses[at]?.alive);
  }

  #waiting(
    before: ElectionDocument,
    next: ElectionDocument,
    dead: ReadonlySet<string>,
  ): Step<AcquireOutcome> {
    const value: AcquireOutcome = {
      status: 'waiting',
      state: electionState(next, dead),
      bookmark: undefined,
    };
    return { next: next === before ? undefined : next, value };
  }

  /** A step of who leads with this token; false: it is no longer the current one. */
  async #lead(
    name: string,
    token: number,
    within: Within,
    step: (document: ElectionDocument, nextVersion: () => Promise<number>) => Promise<ElectionDocument>,
    options: { readonly hasty?: boolean } = {},
  ): Promise<boolean> {
    this.#checkLive();
    const guarded = async ({ document }: FoundElection, nextVersion: () => Promise<number>) => {
      if (document.leader?.session !== this.id || document.leader.token !== token) {
        return { next: undefined, value: false };
      }
      return { next: await step(document, nextVersion), value: true };
    };
    return await this.#changes.change(name, within, guarded, options);
  }

  #checkLive(): void {
    if (this.#ending !== undefined || this.#owned.over) throw this.#owned.lost();
  }
}

function acquired(document: ElectionDocument): AcquiredOutcome {
  return { status: 'acquired', token: document.leader?.token ?? 0, record: recordOf(document) };
}

function withdrawn(name: string): ConclaveError {
  const message = `Acquiring ${JSON.stringify(name)} was overtaken by a withdrawal of this session.`;
  return new ConclaveError('aborted', message, { retryable: true, outcome: 'unknown' });
}
