import type { SharedFolder, SimulatedDisk } from '../disk/index.ts';
import type { SimulatedNetwork } from '../network/index.ts';
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';
import type { Fault } from './schedule.ts';

/** A program on a host that faults may end and start again. */
export interface Strikable {
  readonly name: string;
  readonly host: Host;
  /** Of its present life; undefined, or dead, while it is down. */
  readonly process: Process | undefined;
  /** It holds what it wants to hold, as far as it knows. Absent: it never does. */
  readonly leads?: boolean;
  kill(): void;
  /** It computes for so long without a turn of its loop. Absent: its process is blocked from outside. */
  block?(durationUs: number): void;
  /** Starts it again, unless it runs. */
  start(): void;
}

export interface StrikableMember extends Strikable {
  readonly position: number;
  readonly disk: SimulatedDisk;
  readonly leads: boolean;
  /** Its host is off: what was not synced is lost and nobody is told. `start` begins when it is on again. */
  losePower(): void;
  powerOn(): void;
  /** Ends its process and gives it an empty disk. */
  wipe(): void;
  /** Asks it to stop as SIGTERM does. */
  stop(): void;
  /** It is not started again, by whomever, until as many `release`, which starts it. */
  holdDown(): void;
  release(): void;
}

/** Everything that faults can strike in a life. */
export interface Targets {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly members: readonly StrikableMember[];
  readonly clients: readonly Strikable[];
  readonly candidates: readonly Strikable[];
  /** Where the candidates' jobs write. */
  readonly shared: SharedFolder;
  /**
   * Does this to the durable data of a member that is down, if a good copy of everything committed remains; says
   * whether it did.
   */
  harm(member: StrikableMember, how: () => void): boolean;
  /** Has the membership changed; absent: it stays as it is. */
  readonly change?: (fault: Fault) => Strike;
  /** Has the state of a member differ from that of the others, and calls `done` when it does; absent: none does. */
  readonly diverge?: (fault: Fault, done: () => void) => Strike;
}

/** What a fault did, as far as it can be undone; undefined: it found nothing to strike. */
export type Strike = (() => void) | undefined;

export const nothingToUndo = (): void => {};

/** The member that the fault was drawn for: the leader, where there is one and the fault is for it. */
export function memberFor(fault: Fault, { members }: Targets): StrikableMember {
  const leader = fault.atLeader ? members.find((member) => member.leads) : undefined;
  return leader ?? (members[fault.whom % members.length] as StrikableMember);
}

/** The candidate that the fault was drawn for: one that leads, where there is one and the fault is for it. */
export function candidateFor(fault: Fault, { candidates }: Targets): Strikable | undefined {
  const leader = fault.atLeader
    ? oneOf(
        candidates.filter((candidate) => candidate.leads),
        fault.whom,
      )
    : undefined;
  return leader ?? oneOf(candidates, fault.whom);
}

/** Whom the fault is for just now, in words for the trace; '' for those that choose among several. */
export function whomFor(fault: Fault, targets: Targets): string {
  const { kind } = fault;
  if (kind === 'wall-jump') return '';
  if (kind === 'slow-folder' || kind === 'folder-power-failure') return ' of the shared files';
  if (kind === 'pause-publisher') return ', whoever writes next';
  const target = kind.endsWith('-client')
    ? oneOf(targets.clients, fault.whom)
    : kind.includes('candidate')
      ? candidateFor(fault, targets)
      : memberFor(fault, targets);
  return target === undefined ? '' : `, ${target.name}`;
}

export function oneOf<T>(from: readonly T[], word: number): T | undefined {
  return from.length === 0 ? undefined : from[word % from.length];
}
