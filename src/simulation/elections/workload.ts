/** Candidates with jobs, users of plain leases and an observer, as processes of one world. */
import { basename, join } from 'node:path';
import type { TransportFactory } from '../../client/index.ts';
import type { Disk, Runtime } from '../../runtime/types.ts';
import type { SharedFolder } from '../disk/index.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import type { World } from '../world/world.ts';
import { CandidateProgram } from './candidate.ts';
import { closing, connected } from './connected.ts';
import type { LastRound } from './elections-complete.ts';
import { Job } from './job.ts';
import { LeaseUserProgram } from './lease-user.ts';
import { ObserverProgram } from './observer.ts';
import { plainFile } from './plain-file.ts';
import type { ElectionReports } from './reports.ts';
import { type CandidateSettings, drawSettings, longestGraceMs, longestTtlMs } from './settings.ts';
import { SignalProbe } from './signal-probe.ts';
import { type Program, Subject } from './subject.ts';
import { newestAmong, parseVersion, versionPath, watchVersions } from './version-sight.ts';

export interface CandidateWorkloadOptions {
  readonly world: World;
  readonly random: Draw;
  readonly reports: ElectionReports;
  /** Bound of each clock's rate, as the candidates are configured. */
  readonly clockDriftRate: number;
  readonly endpoints: readonly string[];
  readonly transport: (runtime: Runtime) => TransportFactory;
  /** Gives a new process its own disk and its network. */
  readonly attach: (process: Process) => void;
  /** The shared file system as this process has it mounted. */
  readonly sharedDisk: (process: Process) => Disk;
  /** Default 3. */
  readonly candidates?: number;
  /** Default 1. */
  readonly leaseUsers?: number;
  /** Default: drawn for each life. */
  readonly settings?: (random: Draw, position: number) => CandidateSettings;
}

/** Of the one election. */
export const electionName = 'job';
const folder = '/shared';
const longestLingerMs = 1500;

/**
 * Start it, let the nemesis kill, pause and start its `subjects`, then call `heal` and let time pass until
 * `finished`, or for `limitMs`.
 */
export class CandidateWorkload implements LastRound {
  /** After `heal`, every candidate must have led and written within so long, and a lease have gone. */
  static readonly limitMs = 4 * longestTtlMs + 3 * longestGraceMs + 10_000;
  readonly candidates: readonly Subject[];
  readonly leaseUsers: readonly Subject[];
  readonly observer: Subject;
  /** All of the above. */
  readonly subjects: readonly Subject[];
  readonly path = join(folder, 'fenced');
  readonly plain = plainFile(folder, 'plain');
  readonly #options: CandidateWorkloadOptions;

  constructor(options: CandidateWorkloadOptions) {
    this.#options = options;
    const { candidates = 3, leaseUsers = 1, random, reports } = options;
    this.candidates = numbered(candidates, (position) => this.#candidate(position, random));
    this.leaseUsers = numbered(leaseUsers, (position) => this.#leaseUser(position, random));
    this.observer = this.#subject('observer', 'to see a leader', (process) => {
      const { store, close } = connected(process, this.#options);
      return closing(new ObserverProgram({ process, reports, store, election: electionName }), close);
    });
    // Without candidates nobody would ever be seen to lead.
    const observers = candidates > 0 ? [this.observer] : [];
    this.subjects = [...this.candidates, ...this.leaseUsers, ...observers];
    new SignalProbe(reports);
  }

  start(): void {
    for (const subject of this.subjects) subject.start();
  }

  /** The shared file system did, and this is how it looks now. */
  filesLostPower(shared: Pick<SharedFolder, 'list' | 'contents'>): void {
    const { reports } = this.#options;
    const newest = newestAmong(shared.list(folder), basename(this.path));
    const bytes = shared.contents(versionPath(this.path, newest));
    const whole = bytes === undefined || parseVersion(versionPath(this.path, newest), bytes) !== undefined;
    reports.tell('survived', this.path, newest, whole, reports.acknowledgedVersion(this.path));
  }

  /** All faults are healed: begins the last round. What does not run is started. */
  heal(): void {
    this.#options.reports.healedUs = this.#options.world.nowUs;
    this.start();
  }

  /** A fresh write came through, in the last round. */
  written(): void {
    this.#options.reports.writtenUs = this.#options.world.nowUs;
  }

  /** Asked in the last round, after any event: everybody has done what is demanded, and has ended. */
  get finished(): boolean {
    let finished = true;
    for (const subject of this.subjects) {
      if (subject.done) continue;
      finished = false;
      // The observer may be late, with a connection to a host that lost power: somebody must lead when it looks.
      if (this.observer.done || !this.candidates.includes(subject)) subject.endIfCompleted();
    }
    return finished;
  }

  unfinished(): readonly string[] {
    return this.subjects.filter(({ done }) => !done).map(({ name, goal }) => `${name} ${goal}`);
  }

  #candidate(position: number, parent: Draw): Subject {
    const name = `candidate-${position + 1}`;
    const random = parent.fork(name);
    return this.#subject(name, 'to lead and to write', (process) => {
      const { reports, clockDriftRate, settings: draw = drawSettings } = this.#options;
      const settings = draw(random, position);
      const { store, close } = connected(process, this.#options);
      const seen = new Set<string>();
      const disk = watchVersions(this.#options.sharedDisk(process), (version) => {
        const what = `sees version ${version.version} of ${version.path} with token ${version.token}`;
        if (!seen.has(what)) reports.note(process.name, () => what);
        seen.add(what);
        reports.tell('published', version);
      });
      const { path, plain } = this;
      const lingerMs = Math.min(longestLingerMs, settings.ttlMs);
      const job = new Job({ process, random, reports, disk, path, plain, lingerMs, ...settings });
      const program = new CandidateProgram({
        process,
        random,
        reports,
        store,
        election: electionName,
        holder: process.name,
        settings,
        clockDriftRate,
        job,
      });
      return closing(program, close, async () => {
        await disk.makeFolder(folder);
        await disk.syncFolder('/');
      });
    });
  }

  #leaseUser(position: number, parent: Draw): Subject {
    const name = `lease-user-${position + 1}`;
    const random = parent.fork(name);
    return this.#subject(name, 'to see its lease go', (process) => {
      const { client, close } = connected(process, this.#options);
      const { reports } = this.#options;
      return closing(new LeaseUserProgram({ process, random, reports, client }), close);
    });
  }

  #subject(name: string, goal: string, program: (process: Process) => Omit<Program, never>): Subject {
    const { world, reports, attach } = this.#options;
    return new Subject({
      name,
      goal,
      world,
      onFailure: (error) => reports.fail(error),
      program: (process) => {
        attach(process);
        return program(process);
      },
    });
  }
}

function numbered<T>(count: number, make: (position: number) => T): T[] {
  return Array.from({ length: count }, (_none, position) => make(position));
}
