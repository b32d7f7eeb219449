/** Compare-and-swap on elections' documents, sound also where answers get lost and requests come late. */
import { ConclaveError } from '../../errors/index.ts';
import type { DriverCalls, Within } from './calling.ts';
import type { ElectionDocument } from './documents.ts';
import type { ElectionDocuments, FoundElection } from './elections.ts';
import type { ForeseenRelease } from './foreseen-releases.ts';
import type { SessionDocuments } from './sessions.ts';
import type { ElectionViews } from './views.ts';

export interface DocumentStoreParts {
  readonly calls: DriverCalls;
  readonly elections: ElectionDocuments;
  readonly sessions: SessionDocuments;
  readonly views: ElectionViews;
}

/** What one look at a document leads to: the document to write, if any, and what to tell the caller then. */
export interface Step<T> {
  readonly next: ElectionDocument | undefined;
  readonly value: T;
}

/** How a session stands in one election. */
export interface Standing {
  /** Whether its document may name the session. */
  inside: boolean;
  /** Calls that are under way. */
  calls: number;
  /** How often it was left: an attempt to acquire that began before must not come back after. */
  departures: number;
  /** Versions that a write of ours, whose answer is not known, was to replace: it may still arrive. */
  readonly unsettled: Set<string>;
}

/** The changes that one session makes. */
export class ElectionChanges {
  readonly #parts: DocumentStoreParts;
  readonly #standings = new Map<string, Standing>();

  constructor(parts: DocumentStoreParts) {
    this.#parts = parts;
  }

  standing(name: string): Standing {
    let standing = this.#standings.get(name);
    if (standing === undefined) {
      standing = { inside: false, calls: 0, departures: 0, unsettled: new Set() };
      this.#standings.set(name, standing);
    }
    return standing;
  }

  depart(name: string): void {
    const standing = this.standing(name);
    standing.departures += 1;
    standing.inside = false;
  }

  /** The elections whose documents may name the session. */
  departAll(): string[] {
    const inside = [...this.#standings].filter(([, standing]) => standing.inside).map(([name]) => name);
    for (const standing of this.#standings.values()) standing.departures += 1;
    return inside;
  }

  /**
   * Compare-and-swap until it stands or nothing is to be done. Where an earlier write of ours may still arrive,
   * something is always written: what was to replace the same version cannot arrive after it. `check` is asked in the
   * very turn in which a write is sent, and may throw. `hasty`: tries first on what was seen last, without reading it
   * again, if that leads to a write: the write fails where it is no longer so.
   */
  async change<T>(
    name: string,
    within: Within,
    step: (found: FoundElection, nextVersion: () => Promise<number>) => Promise<Step<T>>,
    { check = () => {}, hasty = false }: { readonly check?: () => void; readonly hasty?: boolean } = {},
  ): Promise<T> {
    const { calls, elections, views } = this.#parts;
    const standing = this.standing(name);
    standing.calls += 1;
    let begun = hasty ? views.found(name) : undefined;
    let isGuess = begun !== undefined;
    try {
      for (let attempt = 0; ; attempt++) {
        const found: FoundElection = begun ?? (await elections.read(name, within));
        begun = undefined;
        let version: number | undefined;
        const nextVersion = async () => {
          if (found.stored === undefined) return 0;
          version ??= await elections.nextVersion(name, found, within);
          return version;
        };
        const { next, value } = await step(found, nextVersion);
        const wasGuess = isGuess;
        isGuess = false;
        if (wasGuess && (next === undefined || found.stored === undefined)) continue;
        if (next === undefined && !mayArrive(standing, found)) return value;
        if (found.stored === undefined) {
          begun = await elections.begin(name, within);
          continue;
        }
        const document = { ...(next ?? found.document), version: await nextVersion() };
        check();
        const written = await this.#write(name, found, elections.prepare(name, found, document), within);
        if (written !== undefined) {
          views.wrote(name, written);
          return value;
        }
        if (!wasGuess) await elections.pause(attempt, within);
        calls.assertTime('Changing an election', within);
      }
    } finally {
      this.#end(name, standing);
    }
  }

  /** A change that was made ready: tried once. False: the election is no longer what was found. */
  async send(
    name: string,
    { found, send }: Pick<ForeseenRelease, 'found' | 'send'>,
    within: Within,
  ): Promise<boolean> {
    const standing = this.standing(name);
    standing.calls += 1;
    try {
      const written = await this.#write(name, found, send, within);
      if (written !== undefined) this.#parts.views.wrote(name, written);
      return written !== undefined;
    } finally {
      this.#end(name, standing);
    }
  }

  #end(name: string, standing: Standing): void {
    standing.calls -= 1;
    const { inside, calls, unsettled } = standing;
    if (!inside && calls === 0 && unsettled.size === 0) this.#standings.delete(name);
  }

  async #write(
    name: string,
    found: FoundElection,
    send: ForeseenRelease['send'],
    within: Within,
  ): Promise<FoundElection | undefined> {
    const { stored: replaced = '' } = found;
    const { unsettled } = this.standing(name);
    const known = unsettled.has(replaced);
    // At once, not when it has failed: a withdrawal may look before it arrives.
    unsettled.add(replaced);
    try {
      const written = await send(within);
      // Whoever won: nothing replaces that version any more.
      unsettled.delete(replaced);
      return written;
    } catch (error) {
      if (!known && ConclaveError.is(error) && error.outcome === 'not-applied') unsettled.delete(replaced);
      throw error;
    }
  }
}

function mayArrive({ unsettled }: Standing, { stored = '' }: FoundElection): boolean {
  // Another version stands there: what was to replace an earlier one cannot arrive any more.
  for (const version of [...unsettled]) if (version !== stored) unsettled.delete(version);
  return unsettled.size > 0;
}
