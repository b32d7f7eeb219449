/** Sessions as documents: opened, renewed, ended by their owner, and buried by others once their time is over. */
import type { StoreCallOptions } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { DriverCalls, Within } from './calling.ts';
import { decodeSession, encodeDocument, place, type SessionDocument } from './documents.ts';
import type { DocumentKey, StoredDocument } from './driver.ts';
import { RenewalBatches } from './renewals.ts';

/** What one look at a session showed. */
export interface Pulse {
  readonly alive: boolean;
  /** When it may be over at the earliest, by this process's monotonic clock; infinite where it is over already. */
  readonly dueMs: number;
}

interface Sighting {
  readonly version: string;
  /** By when, at the latest, the service had this version: our clock after the answer. */
  readonly sinceMs: number;
  lookedAtMs: number;
}

const over: Pulse = { alive: false, dueMs: Number.POSITIVE_INFINITY };
const unreadable: Pulse = { alive: true, dueMs: Number.POSITIVE_INFINITY };
const forgetSightingsAfterMs = 600_000;
/** A session that nobody ends is kept so much longer than it lives, where the service can forget. */
const keptTtls = 10;
const keptAtLeastMs = 3_600_000;

export class SessionDocuments {
  readonly #calls: DriverCalls;
  readonly #renewals: RenewalBatches;
  /** Of sessions whose time the service does not keep: since when they have not changed. */
  readonly #sightings = new Map<string, Sighting>();
  /** Those of this store: nobody knows better than we that they live. */
  readonly #owned = new Map<string, OwnedSession>();
  #prunedAtMs = 0;

  constructor(calls: DriverCalls) {
    this.#calls = calls;
    this.#renewals = new RenewalBatches(calls);
  }

  /** @throws 'unavailable', 'timeout' (then it ends by itself) and what the driver throws. */
  async create(id: string, holder: string, ttlMs: number, within: Within): Promise<OwnedSession> {
    const owned = new OwnedSession(this.#calls, this.#renewals, id, { holder, ttlMs, renewals: 0 });
    await owned.create(within);
    this.#owned.set(id, owned);
    return owned;
  }

  /** It is over, or nobody cares for it any more. */
  disown(id: string): void {
    this.#owned.delete(id);
  }

  /**
   * In the order of `ids`. `bury`: those whose time is over are ended in the same step, so that they cannot come back;
   * without it a session that is shown as over may still be renewed by its owner, and one whose document this release
   * cannot read is shown as alive: one election is not to keep others from being seen.
   */
  async look(
    ids: readonly string[],
    within: Within,
    { bury }: { readonly bury: boolean },
  ): Promise<readonly Pulse[]> {
    const ours = new Map<string, Pulse>();
    for (const id of ids) {
      const owned = this.#owned.get(id);
      if (owned?.over === false) ours.set(id, { alive: true, dueMs: owned.aliveUntilMs });
    }
    const asked = ids.filter((id) => !ours.has(id));
    const found = await this.#calls.readMany(asked.map(keyOf), within);
    const nowMs = this.#calls.nowMs();
    this.#prune(nowMs);
    const pulses = await Promise.all(
      found.map(async (stored, at) => {
        const id = asked[at] ?? '';
        if (ConclaveError.is(stored)) {
          if (bury) throw stored;
          return unreadable;
        }
        const pulse = bury ? this.#pulse(id, stored, nowMs) : this.#shownPulse(id, stored, nowMs);
        if (!bury || pulse.alive || stored === undefined) return pulse;
        return this.#bury(id, stored, within);
      }),
    );
    const byId = new Map(asked.map((id, at) => [id, pulses[at]] as const));
    return ids.map((id) => ours.get(id) ?? byId.get(id) ?? over);
  }

  #shownPulse(id: string, stored: StoredDocument | undefined, nowMs: number): Pulse {
    try {
      return this.#pulse(id, stored, nowMs);
    } catch (error) {
      if (!ConclaveError.is(error, 'data-incompatible')) throw error;
      return unreadable;
    }
  }

  #pulse(id: string, stored: StoredDocument | undefined, nowMs: number): Pulse {
    if (stored === undefined) {
      this.#sightings.delete(id);
      return over;
    }
    if (this.#calls.driver.traits.ownsClock) {
      const { leftMs = 0 } = stored;
      return leftMs > 0 ? { alive: true, dueMs: nowMs + leftMs } : over;
    }
    const { ttlMs } = decodeSession(stored.text, place(this.#calls.driver.description, keyOf(id)));
    let sighting = this.#sightings.get(id);
    if (sighting?.version !== stored.version) {
      sighting = { version: stored.version, sinceMs: nowMs, lookedAtMs: nowMs };
      this.#sightings.set(id, sighting);
    }
    sighting.lookedAtMs = nowMs;
    const dueMs = sighting.sinceMs + ttlMs;
    return nowMs < dueMs ? { alive: true, dueMs } : over;
  }

  /** It has ended only if it was removed just as it was seen: a renewal that came meanwhile saves it. */
  async #bury(id: string, stored: StoredDocument, within: Within): Promise<Pulse> {
    if (await this.#calls.remove(keyOf(id), stored.version, within)) {
      this.#sightings.delete(id);
      return over;
    }
    const now = await this.#calls.read(keyOf(id), within);
    const pulse = this.#pulse(id, now, this.#calls.nowMs());
    // Over again, and not buried: the next look does it.
    return pulse.alive || now === undefined ? pulse : { alive: true, dueMs: this.#calls.nowMs() };
  }

  #prune(nowMs: number): void {
    if (nowMs - this.#prunedAtMs < forgetSightingsAfterMs / 10) return;
    this.#prunedAtMs = nowMs;
    for (const [id, { lookedAtMs }] of this.#sightings) {
      if (nowMs - lookedAtMs > forgetSightingsAfterMs) this.#sightings.delete(id);
    }
  }
}

/** A session's document as its owner keeps it. One call at a time. */
export class OwnedSession {
  readonly id: string;
  readonly ttlMs: number;
  readonly holder: string;
  readonly #calls: DriverCalls;
  readonly #renewals: RenewalBatches;
  #document: SessionDocument;
  #version: string | undefined;
  /** Renewals in the newest content of it that was seen to stand. */
  #confirmed = -1;
  /** From when the last renewal that is known to have arrived was sent: until then others let it live. */
  #aliveUntilMs = 0;
  #gone = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(calls: DriverCalls, renewals: RenewalBatches, id: string, document: SessionDocument) {
    this.#calls = calls;
    this.#renewals = renewals;
    this.id = id;
    this.ttlMs = document.ttlMs;
    this.holder = document.holder;
    this.#document = document;
  }

  /** By our own clock, which began before the service's: when it says so, others may think so too. */
  get over(): boolean {
    return this.#gone || this.#calls.nowMs() >= this.#aliveUntilMs;
  }

  get aliveUntilMs(): number {
    return this.#aliveUntilMs;
  }

  async create(within: Within): Promise<void> {
    const sentMs = this.#calls.nowMs();
    this.#version = await this.#write(undefined, within);
    if (this.#version === undefined) {
      throw new ConclaveError('already-exists', `Session ${this.id} exists already: open another.`, {
        retryable: true,
      });
    }
    this.#confirmed = 0;
    this.#aliveUntilMs = sentMs + this.ttlMs;
  }

  /** @throws 'lease-lost' */
  renew(options: StoreCallOptions = {}): Promise<void> {
    const within = this.#calls.within('Renewing a session', options);
    return this.#inTurn(async () => {
      for (;;) {
        if (this.over) throw this.lost();
        // It may have waited for its turn longer than anybody waits for it.
        if (within.signal?.aborted) throw ConclaveError.aborted('Renewing a session', within.signal);
        const sentMs = this.#calls.nowMs();
        this.#document = { ...this.#document, renewals: this.#document.renewals + 1 };
        const version = await this.#write(this.#version, within);
        if (version !== undefined) {
          this.#version = version;
          this.#confirmed = this.#document.renewals;
          this.#aliveUntilMs = sentMs + this.ttlMs;
          return;
        }
        await this.#readAgain(within);
      }
    });
  }

  /** Ends it for everybody. Resolves also where it was over. */
  end(options: StoreCallOptions = {}): Promise<void> {
    const within = this.#calls.within('Closing a session', options);
    return this.#inTurn(async () => {
      this.#aliveUntilMs = 0;
      while (!this.#gone) {
        if (
          this.#version !== undefined &&
          (await this.#calls.remove(keyOf(this.id), this.#version, within))
        ) {
          this.#gone = true;
          return;
        }
        await this.#readAgain(within).catch((error: unknown) => {
          if (!ConclaveError.is(error, 'lease-lost')) throw error;
        });
      }
    });
  }

  lost(): ConclaveError {
    return new ConclaveError(
      'lease-lost',
      `The session ${this.id} of ${this.holder} has run out or was closed: open another.`,
    );
  }

  /**
   * An earlier write, whose answer was lost, may stand there: only the owner writes, so it is ours. What is older than
   * what stood there already is the request that opened the session, repeated on its way after others had ended it.
   */
  async #readAgain(within: Within): Promise<void> {
    const stored = await this.#calls.read(keyOf(this.id), within);
    const where = place(this.#calls.driver.description, keyOf(this.id));
    const renewals = stored && decodeSession(stored.text, where).renewals;
    const isOlder =
      renewals !== undefined && renewals <= this.#confirmed && stored?.version !== this.#version;
    if (stored === undefined || renewals === undefined || isOlder) {
      this.#gone = true;
      throw this.lost();
    }
    this.#confirmed = renewals;
    this.#version = stored.version;
  }

  #write(replaces: string | undefined, within: Within): Promise<string | undefined> {
    const { ttlMs, renewals } = this.#document;
    const keepMs = Math.max(ttlMs * keptTtls, keptAtLeastMs);
    const text = encodeDocument(this.#document, `${this.id}-${renewals}`);
    const key = keyOf(this.id);
    if (replaces === undefined) return this.#calls.write(key, text, { replaces, ttlMs, keepMs }, within);
    return this.#renewals.renew({ key, text, replaces, ttlMs, keepMs }, within);
  }

  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(call, call);
    this.#queue = result.catch(() => {});
    return result;
  }
}

function keyOf(id: string): DocumentKey {
  return { kind: 'session', name: id };
}
