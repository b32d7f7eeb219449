import { pause } from '../../client/calls.ts';
import { elect, type Leadership } from '../../election/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { FencedLeadership } from '../../fencing/index.ts';
import { unlessUsual } from '../elections/usual-failures.ts';
import { type Guarded, resource } from './guards/index.ts';
import { again, blindly, holdOf, type SharerParts, sessionOptions } from './sharer.ts';

export const guardElection = 'ledger';

/** So many leaders claim, as the first thing that they do, and look around before they write. */
const claimsFirst = 0.4;

/** Leads now and then, and writes behind the guard then; now and then with a token whose time is over; reads. */
export class GuardWriterProgram {
  readonly #parts: SharerParts;
  readonly #guarded: Guarded;
  readonly #stop = new AbortController();
  /** The last ones that it led with. */
  readonly #terms: Leadership[] = [];
  /** Since everything was healed. */
  readonly #did = { add: false, read: false };
  #leadership: Leadership | undefined;
  #entries = 0;

  constructor(parts: SharerParts) {
    this.#parts = parts;
    this.#guarded = parts.guarded as Guarded;
  }

  /** It has written behind the guard and read since everything was healed. */
  get completed(): boolean {
    return this.#did.add && this.#did.read;
  }

  get leads(): boolean {
    return this.#leadership !== undefined;
  }

  async run(): Promise<void> {
    const { store } = this.#parts;
    const { signal } = this.#stop;
    const options = { ...sessionOptions(this.#parts), signal };
    const often = (paceMs: number, what: () => Promise<void>) => again(this.#parts, paceMs, signal, what);
    await Promise.all([
      elect(store, guardElection, (leadership) => this.#lead(leadership), options),
      often(1500, () => this.#read()),
      often(1500, () => this.#writeLate()),
    ]);
  }

  stop(): void {
    this.#stop.abort();
  }

  async #lead(leadership: Leadership): Promise<void> {
    const { process, random, reports, settings } = this.#parts;
    this.#leadership = leadership;
    this.#terms.unshift(leadership);
    this.#terms.splice(2);
    reports.elections.note(process.name, () => `leads the ledger with token ${leadership.token}`);
    reports.elections.tell('led', holdOf(this.#parts, leadership));
    const writer = settings.careless ? blindly(leadership) : leadership;
    if (random.chance(claimsFirst)) {
      await this.#claim(writer);
      await pause(process.runtime, random.between(0, settings.paceMs), leadership.signal);
    }
    let late = settings.careless ? random.between(1, 4) : 0;
    for (let rounds = random.pick([2, 5, 15]); rounds > 0; rounds--) {
      if (leadership.signal.aborted && late-- <= 0) break;
      const several = Array.from({ length: random.pick([1, 1, 2]) }, () => this.#add(writer));
      await Promise.all(several);
      if (this.#stop.signal.aborted || (reports.healed && this.#did.add)) break;
      const delayMs = random.between(Math.ceil(settings.paceMs / 2), settings.paceMs);
      await pause(process.runtime, delayMs, settings.careless ? undefined : leadership.signal);
    }
    this.#leadership = undefined;
  }

  /** By a token that may be over, without asking: the guard is there to refuse it. */
  async #writeLate(): Promise<void> {
    const { random } = this.#parts;
    const term = this.#terms[random.below(this.#terms.length + 1)];
    if (term !== undefined) await this.#add(blindly(term));
  }

  async #add(writer: FencedLeadership): Promise<void> {
    const { process, reports } = this.#parts;
    this.#entries += 1;
    const entry = `${writer.token} ${process.name}#${this.#entries}`;
    const patience = this.#patience();
    try {
      await this.#guarded.append(writer, entry, { signal: patience.signal });
      reports.counts.guardedWrites += 1;
      reports.guardedAdded(resource, entry);
      if (reports.healed) this.#did.add = true;
    } catch (error) {
      this.#note(error);
      if (ConclaveError.is(error) && error.outcome === 'not-applied')
        reports.tell('guardedRefused', resource, entry);
    } finally {
      patience.end();
    }
  }

  async #claim(writer: FencedLeadership): Promise<void> {
    const { reports } = this.#parts;
    const patience = this.#patience();
    try {
      await this.#guarded.claim?.(writer, { signal: patience.signal });
      reports.counts.guardedClaims += 1;
      reports.tell('guardedClaimed', resource, writer.token);
    } catch (error) {
      this.#note(error);
    } finally {
      patience.end();
    }
  }

  async #read(): Promise<void> {
    const { process, reports } = this.#parts;
    const acknowledged = reports.guardedAcknowledged(resource);
    try {
      const entries = await this.#guarded.read();
      reports.tell('guardedRead', resource, process.name, entries, acknowledged);
      if (reports.healed) this.#did.read = true;
    } catch (error) {
      this.#note(error);
    }
  }

  /** Some callers give up, before or after it took effect. */
  #patience(): { readonly signal: AbortSignal; end(): void } {
    const { process, random, reports } = this.#parts;
    const abort = new AbortController();
    const { signal } = abort;
    if (reports.healed || !random.chance(0.1)) return { signal, end() {} };
    const timer = process.runtime.timers.after(random.between(0, 1500), () => abort.abort());
    return { signal, end: () => timer.cancel() };
  }

  #note(error: unknown): void {
    const { reports, process } = this.#parts;
    if (ConclaveError.is(error, 'stale-token')) {
      reports.counts.staleRefusedByGuards += 1;
      reports.elections.note(process.name, () => `it is refused: ${error.message}`);
    } else unlessUsual(error, 'not-leading', 'version-conflict');
  }
}
