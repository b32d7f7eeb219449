/** Processes that share something, of one kind for each life, in the same world as the candidates. */
import { basename } from 'node:path';
import type { TransportFactory } from '../../client/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import type { SharedFolder } from '../disk/index.ts';
import { closing, connected } from '../elections/connected.ts';
import type { LastRound } from '../elections/index.ts';
import { type Program, Subject } from '../elections/subject.ts';
import { newestAmong, parseVersion, versionPath } from '../elections/version-sight.ts';
import type { FaultPreset } from '../faults/options.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import type { World } from '../world/world.ts';
import { GuardWriterProgram } from './guard-writer.ts';
import { type GuardServer, guardServer } from './guards/index.ts';
import { LockUserProgram } from './lock-user.ts';
import { LogWriterProgram } from './log-writer.ts';
import { OperationCallerProgram } from './operation-caller.ts';
import { PartitionMemberProgram, partitionPath } from './partition-member.ts';
import { type Membership, PartitionsBalanced } from './partitions-balanced.ts';
import type { PresentMember, SharingReports } from './reports.ts';
import { drawSharer, isGuardKind, type SharerSettings, type SharingSettings } from './settings.ts';
import { folder, type SharerParts } from './sharer.ts';

export interface SharingWorkloadOptions {
  readonly world: World;
  readonly random: Draw;
  readonly reports: SharingReports;
  /** undefined: nobody shares anything in this life. */
  readonly sharing: SharingSettings | undefined;
  /** Which of them may befall a foreign server and the way to it. */
  readonly faults: FaultPreset;
  /** Bound of each clock's rate, as the processes are configured. */
  readonly clockDriftRate: number;
  readonly endpoints: readonly string[];
  readonly transport: (runtime: Runtime) => TransportFactory;
  /** Gives a new process its network, and the shared file system as its disk. */
  readonly attach: (process: Process) => void;
  /** Default: drawn for each life of a process. */
  readonly settings?: (random: Draw) => SharerSettings;
}

const goals = {
  partitions: 'to take part in balanced partitions',
  operations: 'to be told the outcome of each operation',
  permits: 'to hold a permit and the lock',
  log: 'to append, to read and to go through the gate',
} as const;
const guardGoal = 'to write behind the guard and to read it';

/** Start it, let the nemesis strike its `subjects`, then call `heal` and let time pass until `finished`. */
export class SharingWorkload implements LastRound, Membership {
  readonly subjects: readonly Subject[];
  /** For partitions alone. */
  readonly balanced: PartitionsBalanced | undefined;
  readonly #options: SharingWorkloadOptions;
  readonly #members = new Map<Subject, PartitionMemberProgram>();
  readonly #server: GuardServer | undefined;

  constructor(options: SharingWorkloadOptions) {
    this.#options = options;
    const { sharing, world, reports, faults } = options;
    if (isGuardKind(sharing?.kind)) {
      const parts = { world, random: options.random.fork('server'), reports, faults };
      this.#server = guardServer(sharing.kind, parts);
    }
    this.subjects = Array.from({ length: sharing?.processes ?? 0 }, (_none, position) =>
      this.#subject(`sharer-${position + 1}`, sharing as SharingSettings),
    );
    if (sharing?.kind === 'partitions') this.balanced = new PartitionsBalanced(world, reports, this);
  }

  start(): void {
    for (const subject of this.subjects) subject.start();
  }

  /** All faults are healed, and `reports.elections.healedUs` says so: what does not run is started. */
  heal(): void {
    this.start();
  }

  /** The life is over, however it ended. */
  close(): void {
    this.#server?.close?.();
  }

  /** Asked in the last round, after any event. */
  get finished(): boolean {
    if (this.balanced?.look()) for (const program of this.#members.values()) program.completed = true;
    // What is held by a session that goes on must be in nobody's way, so none ends before all are served.
    const together = this.#options.sharing?.kind === 'permits';
    if (together && !this.subjects.every(({ completed }) => completed)) return false;
    let finished = true;
    for (const subject of this.subjects) {
      if (subject.done) continue;
      finished = false;
      subject.endIfCompleted();
    }
    return finished;
  }

  unfinished(): readonly string[] {
    return this.subjects.filter(({ done }) => !done).map(({ name, goal }) => `${name} ${goal}`);
  }

  get members(): readonly PresentMember[] {
    return this.subjects.flatMap((subject) => this.#members.get(subject)?.present ?? []);
  }

  get complete(): boolean {
    return this.members.length === this.subjects.length;
  }

  /** The shared file system did, and this is how it looks now. */
  filesLostPower(shared: Pick<SharedFolder, 'list' | 'contents'>): void {
    const { sharing, reports } = this.#options;
    if (sharing?.kind !== 'partitions') return;
    const names = shared.list(folder);
    for (let partition = 0; partition < sharing.count + sharing.growBy; partition++) {
      const path = partitionPath(String(partition));
      const newest = newestAmong(names, basename(path));
      const bytes = shared.contents(versionPath(path, newest));
      const whole = bytes === undefined || parseVersion(versionPath(path, newest), bytes) !== undefined;
      reports.elections.tell('survived', path, newest, whole, reports.elections.acknowledgedVersion(path));
    }
  }

  #subject(name: string, sharing: SharingSettings): Subject {
    const {
      world,
      reports,
      attach,
      clockDriftRate,
      endpoints,
      transport,
      settings = drawSharer,
    } = this.#options;
    const random = this.#options.random.fork(name);
    const subject = new Subject({
      ...{ name, world, onFailure: (error) => reports.elections.fail(error) },
      goal: isGuardKind(sharing.kind) ? guardGoal : goals[sharing.kind],
      program: (process) => {
        attach(process);
        const { store, close } = connected(process, { reports: reports.elections, endpoints, transport });
        const parts = {
          process,
          random,
          reports,
          store,
          sharing,
          clockDriftRate,
          settings: settings(random),
          guarded: this.#server?.connect(process, random.fork('guarded')),
        };
        const program = programOf(parts);
        if (program instanceof PartitionMemberProgram) this.#members.set(subject, program);
        return closing(program, close, async () => {
          await process.runtime.disk.makeFolder(folder);
          await process.runtime.disk.syncFolder('/');
        });
      },
    });
    return subject;
  }
}

function programOf(parts: SharerParts): Omit<Program, 'close'> {
  switch (parts.sharing.kind) {
    case 'partitions':
      return new PartitionMemberProgram(parts);
    case 'operations':
      return new OperationCallerProgram(parts);
    case 'permits':
      return new LockUserProgram(parts);
    case 'log':
      return new LogWriterProgram(parts);
    default:
      return new GuardWriterProgram(parts);
  }
}
