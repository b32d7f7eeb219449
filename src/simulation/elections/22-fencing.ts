import { type Checker, type CheckerFactory, violated } from '../observation.ts';
import type { ElectionReports, ElectionWitness } from './reports.ts';
import type { PublishedVersion } from './version-sight.ts';

interface FencedFile {
  readonly versions: Map<number, PublishedVersion>;
  newest: number;
}

class Fencing implements Checker, ElectionWitness {
  readonly name = '22-fencing';
  readonly claim = 'A fenced resource never accepts a write with a token below the highest it has seen.';
  readonly #files = new Map<string, FencedFile>();

  constructor(reports: ElectionReports) {
    reports.subscribe(this);
  }

  /** Versions become known in their order: whoever publishes one has read that before it. */
  published(seen: PublishedVersion): void {
    const { path, version, token, election, checksum } = seen;
    const file = this.#file(path);
    const known = file.versions.get(version);
    if (known !== undefined) {
      if (known.checksum !== checksum)
        violated(
          this,
          `Version ${version} of ${path} was published twice, with tokens ${known.token} and ${token}.`,
        );
      return;
    }
    const before = file.versions.get(version - 1);
    if (before === undefined && version > 1) {
      const what = version <= file.newest ? 'came after later ones' : `follows version ${file.newest}`;
      violated(this, `Version ${version} of ${path} ${what}: a version is missing.`);
    }
    if (before !== undefined && token < before.token) {
      violated(
        this,
        `Version ${version} of ${path} carries token ${token} although version ${version - 1} carries ${before.token}: a stale write was accepted.`,
      );
    }
    if (before !== undefined && election !== before.election)
      violated(
        this,
        `Version ${version} of ${path} is of election ${election}, that before it of ${before.election}.`,
      );
    file.versions.set(version, seen);
    file.newest = Math.max(file.newest, version);
  }

  wrote(path: string, version: number, data: Uint8Array): void {
    const published = this.#file(path).versions.get(version);
    if (published === undefined)
      violated(this, `Version ${version} of ${path} was acknowledged, but was never published.`);
    if (!equal(data, published.data))
      violated(this, `Version ${version} of ${path} was acknowledged with other data than it has.`);
  }

  /** What nobody was told of may be lost, and its number used again. */
  survived(path: string, newest: number, whole: boolean, acknowledged: number): void {
    if (!whole) violated(this, `The power failed and left version ${newest} of ${path} torn.`);
    if (newest < acknowledged)
      violated(
        this,
        `Version ${acknowledged} of ${path} was acknowledged, but the power failed and left version ${newest}.`,
      );
    const { versions } = this.#file(path);
    for (const version of [...versions.keys()]) if (version > newest) versions.delete(version);
    this.#file(path).newest = newest;
  }

  newestRead(path: string, version: number, acknowledged: number): void {
    if (version >= acknowledged) return;
    violated(
      this,
      `${path} was read as version ${version} after version ${acknowledged} was acknowledged: a version is lost.`,
    );
  }

  #file(path: string): FencedFile {
    let file = this.#files.get(path);
    if (file === undefined) {
      file = { versions: new Map(), newest: 0 };
      this.#files.set(path, file);
    }
    return file;
  }
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

/** Invariant 22. */
export function fencingChecker(reports: ElectionReports): CheckerFactory {
  return () => new Fencing(reports);
}
