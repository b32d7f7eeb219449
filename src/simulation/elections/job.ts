/** The work of a leader: it publishes versions of a fenced file, and writes a plain one without fencing. */
import { pause } from '../../client/calls.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type VersionedFile, versionedFile, type Writer } from '../../fencing/index.ts';
import type { Disk } from '../../runtime/types.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import { type PlainFile, readPlain, writePlain } from './plain-file.ts';
import type { ElectionReports, HeldLeadership, Hold } from './reports.ts';

export interface JobParts {
  readonly process: Process;
  readonly random: Draw;
  readonly reports: ElectionReports;
  /** Shared by all candidates. */
  readonly disk: Disk;
  /** Of the fenced file, in a folder that exists. */
  readonly path: string;
  readonly plain: PlainFile;
  readonly keepVersions: number;
  /** Mean distance of two rounds. */
  readonly paceMs: number;
  /** How often it lingers between reading and writing, and about how long. */
  readonly lingers: number;
  readonly lingerMs: number;
  /** It writes by its token alone, without asking whether it still leads, and does not stop at once when it is told. */
  readonly careless: boolean;
}

export interface Work {
  readonly rounds: number;
  /** Whether it has seen and done enough by now; asked between rounds. */
  readonly enough: (writes: number) => boolean;
}

export class Job {
  readonly #parts: JobParts;
  readonly #file: VersionedFile;
  #plainWrites = 0;

  constructor(parts: JobParts) {
    this.#parts = parts;
    const { disk, process, path, keepVersions } = parts;
    this.#file = versionedFile(path, { keepVersions, runtime: { ...process.runtime, disk } });
  }

  /** Until the leadership ends (or a little longer, where it is careless) or it has worked enough. */
  async run(hold: Hold, { rounds, enough }: Work): Promise<void> {
    const { process, random, paceMs, careless } = this.#parts;
    const { signal } = hold.leadership;
    let late = careless ? random.between(1, 4) : 0;
    let writes = 0;
    for (let round = 0; round < rounds && !enough(writes); round++) {
      if (signal.aborted && late-- <= 0) return;
      if (await this.#fencedRound(hold)) writes += 1;
      if (signal.aborted && late <= 0) return;
      await this.#plainRound(hold);
      const delayMs = random.between(Math.ceil(paceMs / 2), Math.ceil(paceMs * 1.5));
      await pause(process.runtime, delayMs, careless ? undefined : signal);
    }
  }

  /** True: it was written. Trouble is for the next round, which reads again. */
  async #fencedRound(hold: Hold): Promise<boolean> {
    const { reports, random, path } = this.#parts;
    const { leadership } = hold;
    try {
      if (random.chance(0.2)) reports.claimed(path, (await this.#file.claim(leadership)).version);
      const acknowledged = reports.acknowledgedVersion(path);
      const { version } = await this.#file.read();
      reports.tell('newestRead', path, version, acknowledged);
      await this.#linger(leadership);
      const data = new TextEncoder().encode(`${leadership.holder} after ${version}`);
      const written = await this.#file.write(data, { ...this.#writer(hold), expectedVersion: version });
      reports.wrote(path, written.version, data);
      return true;
    } catch (error) {
      this.#note(error, leadership);
      return false;
    }
  }

  async #plainRound(hold: Hold): Promise<void> {
    const { reports, disk, plain, process } = this.#parts;
    const { leadership } = hold;
    try {
      const { count } = await readPlain(disk, plain);
      leadership.assertHeld();
      reports.acted(hold);
      this.#plainWrites += 1;
      const content = { token: leadership.token, count: count + 1 };
      const unique = `${process.id}-${this.#plainWrites}`;
      const stale = await writePlain(disk, plain, content, unique, () => this.#linger(leadership));
      reports.counts.unfencedWrites += 1;
      if (stale) reports.counts.staleWritesTaken += 1;
    } catch (error) {
      this.#note(error, leadership);
    }
  }

  #writer(hold: Hold): Writer {
    const { leadership } = hold;
    if (this.#parts.careless) return { token: leadership.token, election: leadership.name };
    leadership.assertHeld();
    this.#parts.reports.acted(hold);
    return { leadership };
  }

  async #linger({ signal }: HeldLeadership): Promise<void> {
    const { random, lingers, lingerMs, process, careless, reports } = this.#parts;
    if (reports.healedUs !== undefined || !random.chance(lingers)) return;
    await pause(process.runtime, random.between(0, 2 * lingerMs), careless ? undefined : signal);
  }

  #note(error: unknown, { token }: HeldLeadership): void {
    if (!ConclaveError.is(error)) throw error;
    const { reports, process } = this.#parts;
    if (error.code === 'stale-token') {
      reports.counts.staleWritesRefused += 1;
      reports.note(process.name, () => `its write with token ${token} is refused: ${error.message}`);
    } else if (!expected.has(error.code)) throw error;
  }
}

/** What a job meets in the life of a leader; anything else is a failure of the code under test. */
const expected: ReadonlySet<string> = new Set([
  'version-conflict',
  'not-leading',
  'disk-failed',
  'disk-full',
  'not-found',
]);
