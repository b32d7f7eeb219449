/** Sessions as documents: looked at, and buried once their time is over; those of this store are opened here. */
import { ConclaveError } from '../../errors/index.ts';
import type { DriverCalls, Within } from './calling.ts';
import { type BondMark, decodeSession, place, type SessionDocument } from './documents.ts';
import type { Bond, StoredDocument } from './driver.ts';
import { keyOf, OwnedSession } from './owned-session.ts';
import { RenewalBatches } from './renewals.ts';

/** What one look at a session showed. */
export interface Pulse {
  readonly alive: boolean;
  /** When it may be over at the earliest, by this process's monotonic clock; infinite where it is over already. */
  readonly dueMs: number;
  /** Of one that is alive and not ours: what it is bound to. */
  readonly bond?: BondMark | undefined;
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

export interface Bound {
  readonly bond: Bond;
  readonly graceMs: number;
}

export class SessionDocuments {
  readonly #calls: DriverCalls;
  readonly #renewals: RenewalBatches;
  /** Of sessions whose time the service does not keep: since when they have not changed. */
  readonly #sightings = new Map<string, Sighting>();
  /** Those of this store: nobody knows better than we that they live. */
  readonly #owned = new Map<string, OwnedSession>();
  /** Bonds that their holders ended, by session: when its grace is over. */
  readonly #unbound = new Map<string, { readonly mark: string; readonly overMs: number }>();
  #prunedAtMs = 0;

  constructor(calls: DriverCalls) {
    this.#calls = calls;
    this.#renewals = new RenewalBatches(calls);
  }

  /** @throws 'unavailable', 'timeout' (then it ends by itself) and what the driver throws. */
  async create(
    id: string,
    {
      holder,
      ttlMs,
      bound,
    }: Pick<SessionDocument, 'holder' | 'ttlMs'> & { readonly bound?: Bound | undefined },
    within: Within,
  ): Promise<OwnedSession> {
    const bond = bound && { mark: bound.bond.mark, graceMs: bound.graceMs };
    const document = { holder, ttlMs, renewals: 0, bond };
    const owned = new OwnedSession(this.#calls, this.#renewals, id, document, bound?.bond);
    await owned.create(within);
    this.#owned.set(id, owned);
    return owned;
  }

  /** Its holder ended this bond: it is over after its grace, unless it has another one by then. */
  unbind(id: string, { mark, graceMs }: BondMark): void {
    this.#unbound.set(id, { mark, overMs: this.#calls.nowMs() + graceMs });
  }

  /** It was opened here, and is not known to be over. */
  owns(id: string): boolean {
    return this.#owned.get(id)?.over === false;
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
      this.#unbound.delete(id);
      return over;
    }
    if (this.#calls.driver.traits.ownsClock) {
      const dueMs = nowMs + (stored.leftMs ?? 0);
      if (dueMs <= nowMs || this.#calls.driver.bonds === undefined)
        return dueMs > nowMs ? { alive: true, dueMs } : over;
      return this.#boundPulse(id, stored, dueMs, nowMs);
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

  #boundPulse(id: string, { text }: StoredDocument, dueMs: number, nowMs: number): Pulse {
    const { bond } = decodeSession(text, place(this.#calls.driver.description, keyOf(id)));
    const unbound = this.#unbound.get(id);
    if (unbound === undefined || unbound.mark !== bond?.mark) return { alive: true, dueMs, bond };
    return nowMs < unbound.overMs ? { alive: true, dueMs: Math.min(dueMs, unbound.overMs) } : over;
  }

  /** It has ended only if it was removed just as it was seen: a renewal that came meanwhile saves it. */
  async #bury(id: string, stored: StoredDocument, within: Within): Promise<Pulse> {
    if (await this.#calls.remove(keyOf(id), stored.version, within)) {
      this.#sightings.delete(id);
      this.#unbound.delete(id);
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
    // By then somebody has seen that it is over, or its time was, without us.
    for (const [id, { overMs }] of this.#unbound) {
      if (nowMs - overMs > forgetSightingsAfterMs) this.#unbound.delete(id);
    }
  }
}
