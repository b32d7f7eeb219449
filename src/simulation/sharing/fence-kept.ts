import { type Checker, type CheckerFactory, violated } from '../observation.ts';
import type { SharingReports, SharingWitness } from './reports.ts';

interface KnownResource {
  /** As the server has them. */
  entries: readonly string[];
  readonly places: Map<string, number>;
  /** The guard said for certain that they were not added. */
  readonly refused: Set<string>;
  /** Of entries, and of claims that were acknowledged. */
  highest: number;
}

class FenceKept implements Checker, SharingWitness {
  readonly name = 'fence-kept';
  readonly claim =
    'Behind a guard no entry comes with a token below that of one before it, or of a claim before it; what is there stays, in its place and once; what was acknowledged is there and is seen by every later read; what was refused for certain never comes.';
  readonly #reports: SharingReports;
  readonly #resources = new Map<string, KnownResource>();

  constructor(reports: SharingReports) {
    this.#reports = reports;
    reports.subscribe(this);
  }

  guardedChanged(resource: string, entries: readonly string[]): void {
    const known = this.#known(resource);
    for (const [at, entry] of known.entries.entries()) {
      if (entries[at] !== entry)
        violated(
          this,
          `A write to ${resource} lost entry ${at + 1}, ${entry}: ${entries[at] ?? 'nothing'} is there now.`,
        );
    }
    for (let at = known.entries.length; at < entries.length; at++)
      this.#add(resource, known, entries[at] as string, at);
    known.entries = entries;
  }

  guardedAdded(resource: string, entry: string): void {
    if (!this.#known(resource).places.has(entry))
      violated(this, `${entry} was acknowledged, and is not in ${resource}.`);
  }

  guardedRefused(resource: string, entry: string): void {
    const { places, refused } = this.#known(resource);
    if (places.has(entry)) violated(this, `${entry} was refused for certain, and is in ${resource}.`);
    refused.add(entry);
  }

  guardedClaimed(resource: string, token: number): void {
    const known = this.#known(resource);
    known.highest = Math.max(token, known.highest);
  }

  guardedRead(resource: string, reader: string, entries: readonly string[], acknowledged: number): void {
    const known = this.#known(resource);
    const strange = entries.findIndex((entry, at) => entry !== known.entries[at]);
    if (strange >= 0)
      violated(
        this,
        `${reader} read ${entries[strange]} as entry ${strange + 1} of ${resource}, which has ${known.entries[strange] ?? 'nothing'} there.`,
      );
    if (entries.length < acknowledged)
      violated(
        this,
        `${reader} read ${entries.length} entries of ${resource} after entry ${acknowledged} was acknowledged.`,
      );
  }

  settled(): void {
    this.#reports.elections.throwViolation();
  }

  #add(resource: string, known: KnownResource, entry: string, at: number): void {
    const { places, refused } = known;
    const token = Number.parseInt(entry, 10);
    const other = places.get(entry);
    if (other !== undefined)
      violated(this, `${entry} is in ${resource} twice: as entry ${other + 1} and as entry ${at + 1}.`);
    if (token < known.highest)
      violated(
        this,
        `${resource} took ${entry} after token ${known.highest} had written or claimed it: a stale write was let in.`,
      );
    if (refused.has(entry)) violated(this, `${entry} came to ${resource} after it was refused for certain.`);
    places.set(entry, at);
    known.highest = token;
  }

  #known(resource: string): KnownResource {
    let known = this.#resources.get(resource);
    if (known === undefined) {
      known = { entries: [], places: new Map(), refused: new Set(), highest: -1 };
      this.#resources.set(resource, known);
    }
    return known;
  }
}

export function fenceKeptChecker(reports: SharingReports): CheckerFactory {
  return () => new FenceKept(reports);
}
