/** Elections as documents: read, and changed by compare-and-swap until the change stands or is not wanted. */
import { ConclaveError } from '../../errors/index.ts';
import { pause } from '../../runtime/pause.ts';
import type { DriverCalls, Within } from './calling.ts';
import {
  decodeCounter,
  decodeElection,
  type ElectionDocument,
  encodeDocument,
  nothingYet,
  place,
} from './documents.ts';
import type { DocumentKey, Led, StoredDocument } from './driver.ts';
import type { Proofs } from './proofs.ts';

export interface FoundElection {
  readonly document: ElectionDocument;
  /** undefined: there is no such document. */
  readonly stored: string | undefined;
  /** Of the record's time, by the service's clock, where it has one. */
  readonly recordLeftMs?: number | undefined;
}

/**
 * A document that is made anew, after an outsider deleted it, begins at a multiple of this that nobody had before,
 * so versions, and tokens with them, never fall. So many changes each one has before it needs the next multiple: few,
 * since a program may make an election for each of its operations, and many enough that the counter is hardly asked.
 */
const generationSize = 1024;
/** Above it, versions as they are shown would no longer be exact. */
const mostVersion = 2 ** 47;
const counterKey: DocumentKey = { kind: 'counter', name: '' };
/** A document that was begun and never written to is kept so long, where the service can forget. */
const begunKeptMs = 3_600_000;
/** For the counter, at least: nobody's own time, since many wait for it. */
const counterMs = 10_000;

interface Generation {
  leastNumber: number;
  readonly number: Promise<number>;
}

const mostRemembered = 10_000;

/** What this store has seen of versions. An outsider who takes documents back, with the counter, cannot take it back. */
class SeenVersions {
  /** Of any election. */
  highest = 0;
  readonly #byName = new Map<string, number>();

  of(name: string): number {
    return this.#byName.get(name) ?? 0;
  }

  note(name: string, version: number): void {
    if (version <= this.of(name) || version > mostVersion) return;
    this.highest = Math.max(this.highest, version);
    // The oldest go first.
    this.#byName.delete(name);
    this.#byName.set(name, version);
    const [oldest] = this.#byName.keys();
    if (this.#byName.size > mostRemembered && oldest !== undefined) this.#byName.delete(oldest);
  }
}

export class ElectionDocuments {
  readonly #calls: DriverCalls;
  #generation: Generation | undefined;
  /** The counter is raised by one request after the other: at once they would only be in each other's way. */
  #raised: Promise<unknown> = Promise.resolve();
  #writes = 0;
  readonly #author: string;
  readonly #seen = new SeenVersions();
  /** Where changes are open. */
  readonly proofs: Proofs | undefined;

  constructor(calls: DriverCalls, author: string, proofs: Proofs | undefined) {
    this.#calls = calls;
    this.#author = author;
    this.proofs = proofs;
  }

  async read(name: string, within: Within): Promise<FoundElection> {
    return this.decode(name, await this.#calls.read(keyOf(name), within));
  }

  /**
   * For showing: one that was only begun is as good as none, and one that cannot be read is no reason not to see the
   * others.
   */
  async readMany(
    names: readonly string[],
    within: Within,
  ): Promise<readonly (FoundElection | ConclaveError)[]> {
    const found = await this.#calls.readMany(names.map(keyOf), within);
    return names.map((name, at) => {
      const stored = found[at];
      if (ConclaveError.is(stored)) return stored;
      try {
        const one = this.decode(name, stored);
        return one.document.version === 0 ? { document: nothingYet, stored: undefined } : one;
      } catch (error) {
        if (ConclaveError.is(error)) return error;
        throw error;
      }
    });
  }

  decode(name: string, stored: StoredDocument | undefined): FoundElection {
    if (stored === undefined) return { document: nothingYet, stored: undefined };
    const where = place(this.#calls.driver.description, keyOf(name));
    const document = decodeElection(stored.text, where);
    const { version, leftMs } = stored;
    this.#seen.note(name, document.version);
    if (leftMs === undefined || document.record === undefined) return { document, stored: version };
    if (leftMs <= 0) return { document: { ...document, record: undefined }, stored: version };
    return { document, stored: version, recordLeftMs: leftMs };
  }

  /**
   * Makes the document, with nothing in it. Its versions begin with the first write that finds it, so whenever this
   * one arrives, be it after others used the name and deleted it again, no version comes after a higher one.
   * undefined: another made it first.
   */
  async begin(name: string, within: Within): Promise<FoundElection | undefined> {
    const text = encodeDocument(nothingYet, this.#nextWrite());
    const write = { replaces: undefined, keepMs: begunKeptMs };
    const stored = await this.#calls.write(keyOf(name), text, write, within);
    return stored === undefined ? undefined : { document: nothingYet, stored };
  }

  /**
   * The version that the next write of this document gets. Asks the service where a new multiple is needed: also where
   * all was deleted, or an old backup restored, for as long as somebody is there who remembers.
   */
  async nextVersion(name: string, { document: { version } }: FoundElection, within: Within): Promise<number> {
    const next = this.simplyNext(name, version);
    if (next !== undefined) return next;
    const above = version === 0 ? this.#seen.highest : Math.max(version, this.#seen.of(name));
    const leastNumber = Math.floor(above / generationSize) + 1;
    return (await this.#newGeneration(leastNumber, within)) * generationSize + 1;
  }

  /** undefined: the version after this one has to be asked for. */
  simplyNext(name: string, version: number): number | undefined {
    const isOver = version === 0 || (version + 1) % generationSize === 0;
    return isOver || version < this.#seen.of(name) ? undefined : version + 1;
  }

  /**
   * Makes a change ready, to be sent once or never. What it resolves with is undefined where the election is no longer
   * what was found.
   */
  prepare(
    name: string,
    found: FoundElection,
    document: ElectionDocument,
  ): (within: Within) => Promise<FoundElection | undefined> {
    const text = encodeDocument(document, this.#nextWrite());
    const { leader, waiting, record } = document;
    const idle = leader === undefined && waiting.length === 0;
    // A record that was there before has what is left of its time, where that is known.
    const isOld = record !== undefined && record === found.document.record;
    const ttlMs = isOld ? (found.recordLeftMs ?? record.keepMs) : record?.keepMs;
    // One that nobody leads or waits for is missed by nobody: tokens go on from the counter.
    const keepMs = idle ? ttlMs : undefined;
    const leads = this.#succession(name, found.document, document);
    const write = {
      replaces: found.stored,
      ...(leads === undefined ? {} : { leads }),
      ...(ttlMs === undefined ? {} : { ttlMs }),
      ...(keepMs === undefined ? {} : { keepMs }),
    };
    const send = this.#calls.prepare(keyOf(name), text, write);
    return async (within) => {
      const stored = await send(within);
      if (stored === undefined) return undefined;
      this.#seen.note(name, document.version);
      return { document, stored };
    };
  }

  /** One number for all elections that wait for one at the same time: it need only be new for each of them. */
  #newGeneration(leastNumber: number, within: Within): Promise<number> {
    this.#generation ??= this.#beginGeneration();
    this.#generation.leastNumber = Math.max(this.#generation.leastNumber, leastNumber);
    return this.#calls.share(this.#generation.number, within);
  }

  #beginGeneration(): Generation {
    const begun: Generation = {
      leastNumber: 0,
      // Who asks while the request is under way needs a later one, which all of those share.
      number: this.#raised.then(() => {
        this.#generation = undefined;
        // A service that calls may ask for long is given as long here.
        const untilMs = this.#calls.nowMs() + Math.max(counterMs, this.#calls.timeoutMs);
        return this.#raiseCounter(begun.leastNumber, { signal: undefined, untilMs });
      }),
    };
    this.#raised = begun.number.catch(() => {});
    return begun;
  }

  /** `leastNumber`: should an outsider have deleted the counter, it goes on above what is in use here. */
  async #raiseCounter(leastNumber: number, within: Within): Promise<number> {
    const where = place(this.#calls.driver.description, counterKey);
    for (let attempt = 0; ; attempt++) {
      const stored = await this.#calls.read(counterKey, within);
      const last = stored === undefined ? 0 : decodeCounter(stored.text, where).generation;
      const generation = Math.max(last + 1, leastNumber);
      if ((generation + 1) * generationSize > mostVersion) {
        throw new ConclaveError('out-of-range', `${where} is used up: no token can rise above the last.`);
      }
      const text = encodeDocument({ generation }, this.#nextWrite());
      const write = { replaces: stored?.version };
      if ((await this.#calls.write(counterKey, text, write, within)) !== undefined) return generation;
      await this.pause(attempt, within);
    }
  }

  /** Of who comes to lead from among those that wait. Not with a record: the next one must read that. */
  #succession(
    name: string,
    { leader: before, waiting }: ElectionDocument,
    { leader, record, version }: ElectionDocument,
  ): Led | undefined {
    if (leader?.token !== version || record !== undefined) return undefined;
    const led = { session: leader.session, version };
    if (!waiting.some(({ session }) => session === led.session)) return undefined;
    if (this.proofs === undefined) return led;
    // Only who gives up can prove it.
    if (before?.key !== this.proofs.publicKey) return undefined;
    const proof = this.proofs.prove(leader.key, { name, session: before.session, token: before.token, led });
    return proof === undefined ? undefined : { ...led, proof };
  }

  /** Works out the proof that comes next, where one who waits here will need it. Who leads has it with its next write. */
  foresee(
    name: string,
    { found: { document }, dead }: { readonly found: FoundElection; readonly dead: ReadonlySet<string> },
    here: readonly { readonly session: string | undefined }[],
  ): void {
    const { leader, waiting, record, version } = document;
    if (this.proofs === undefined || leader === undefined || record !== undefined) return;
    const next = waiting.find(({ session }) => !dead.has(session));
    if (next === undefined || !here.some(({ session }) => session === next.session)) return;
    const led = { session: next.session, version: version + 1 };
    const { session, token } = leader;
    this.proofs.foresee(leader.key, { name, session, token, led });
  }

  #nextWrite(): string {
    this.#writes += 1;
    return `${this.#author}-${this.#writes}`;
  }

  /** After a lost race: longer with each, and differently long for each who lost. */
  pause(attempt: number, { signal }: Within): Promise<void> {
    const mostMs = Math.min(200, 4 * 2 ** Math.min(attempt, 10));
    const { random, timers } = this.#calls.runtime;
    return pause(timers, random.unit() * mostMs, signal);
  }
}

export function keyOf(name: string): DocumentKey {
  return { kind: 'election', name };
}
