/** What candidates, their jobs and lease users report as it happens, in true time, to the checkers that judge it. */
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import type { World } from '../world/world.ts';
import type { PublishedVersion } from './version-sight.ts';

/** What a job was given: `Leadership` and `Lock` are both one. */
export interface HeldLeadership {
  readonly name: string;
  readonly token: number;
  readonly holder: string;
  readonly signal: AbortSignal;
  remainingMs(): number;
  assertHeld(): void;
}

/** One leadership in the hands of a job. */
export interface Hold {
  readonly process: Pick<Process, 'alive' | 'paused' | 'name' | 'after'> & {
    readonly host: Pick<Host, 'asleep' | 'monotonicMs' | 'wallMs'>;
  };
  readonly leadership: HeldLeadership;
  /** Its session is bound to its connection. */
  readonly bound: boolean;
  /** The grace in the record that was written on winning; 0: none. */
  readonly graceMs: number;
  readonly sinceUs: number;
  /** When it was last seen to be held. */
  seenUs: number;
  /** The job, or who runs it, has begun to give it up. */
  leaving: boolean;
}

/** Both clocks of a process and the true time, when a request was about to be sent. */
export interface ClockReading {
  readonly atUs: number;
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** Who listens. Each may throw a `Violation`: see `ElectionReports.violation`. */
export interface ElectionWitness {
  /** It was acknowledged that the lease lives for its TTL from when that request was handled. */
  leaseAcknowledged?(lease: bigint, ttlMs: number, sentUs: number): void;
  /** It is about to be asked to be renewed. */
  leaseRenewing?(lease: bigint): void;
  /** It was asked to be revoked, perhaps without success. */
  leaseRevoked?(lease: bigint): void;
  /** It is bound to a connection of this process. */
  leaseBound?(lease: bigint, process: Hold['process']): void;
  /** The process that it is bound to a connection of was told that this broke, or gives the binding up. */
  leaseUnbound?(lease: bigint): void;
  /** An answer says that it, or a key that hangs on it, is not there any more. */
  leaseMissing?(lease: bigint): void;
  /** Nobody has renewed it since `untouchedSinceUs`, and a read that was sent at `sentUs` shows that it is there. */
  leaseThere?(lease: bigint, ttlMs: number, untouchedSinceUs: number, sentUs: number): void;
  led?(hold: Hold): void;
  /** Its job has checked `assertHeld()`, which passed, and acts. */
  acted?(hold: Hold): void;
  /** Its signal had not aborted although the loop turned long after another began to lead. */
  keptOn?(hold: Hold): void;
  /** A leader, as an observer was shown it; undefined: nobody. */
  observed?(observer: string, name: string, token: number | undefined): void;
  /** A version of the fenced file was seen for the first time, or seen to differ from what it was. */
  published?(version: PublishedVersion): void;
  /** A write to the fenced file was acknowledged. */
  wrote?(path: string, version: number, data: Uint8Array): void;
  /** The power of the fenced file's disk failed, and this is the newest version that is left (0: none). */
  survived?(path: string, newest: number, whole: boolean, acknowledged: number): void;
  /** A read through the file's own interface gave this; `acknowledged`: the version acknowledged before it began. */
  newestRead?(path: string, version: number, acknowledged: number): void;
}

/** What took place: for the summary of a run, which must not have covered nothing. */
export interface ElectionCounts {
  leaderships: number;
  handOffs: number;
  resignations: number;
  proclamations: number;
  losses: number;
  fencedWrites: number;
  staleWritesRefused: number;
  unfencedWrites: number;
  /** The unfenced file took a write of a leader that was not the latest to have written. */
  staleWritesTaken: number;
  gracesKept: number;
  leasesGranted: number;
  leasesExpired: number;
  observations: number;
}

type Report = keyof ElectionWitness;

const readingsKept = 8;

export class ElectionReports {
  readonly counts: ElectionCounts = {
    leaderships: 0,
    handOffs: 0,
    resignations: 0,
    proclamations: 0,
    losses: 0,
    fencedWrites: 0,
    staleWritesRefused: 0,
    unfencedWrites: 0,
    staleWritesTaken: 0,
    gracesKept: 0,
    leasesGranted: 0,
    leasesExpired: 0,
    observations: 0,
  };
  /**
   * The first violation. It must not disturb the program that reported, so it is kept here, and thrown when the step
   * is over, by whichever checker asks first.
   */
  violation: unknown;
  /** When all faults were healed and the workload began its last round. */
  healedUs: number | undefined;
  /** When, after that, a fresh write came through: until then there may be no leader, and cluster time stands still. */
  writtenUs: number | undefined;
  readonly #world: Pick<World, 'nowUs' | 'note'>;
  readonly #witnesses: ElectionWitness[] = [];
  readonly #acknowledgedVersions = new Map<string, number>();
  readonly #readings = new WeakMap<object, ClockReading[]>();

  constructor(world: Pick<World, 'nowUs' | 'note'>) {
    this.#world = world;
  }

  get nowUs(): number {
    return this.#world.nowUs;
  }

  subscribe(witness: ElectionWitness): void {
    this.#witnesses.push(witness);
  }

  tell<R extends Report>(report: R, ...what: Parameters<Required<ElectionWitness>[R]>): void {
    if (this.violation !== undefined) return;
    try {
      for (const witness of this.#witnesses) {
        const listener = witness[report] as ((...what: readonly unknown[]) => void) | undefined;
        listener?.apply(witness, what);
      }
    } catch (error) {
      this.violation = error;
    }
  }

  /** The code under test failed by itself. */
  fail(error: unknown): void {
    this.violation ??= error;
  }

  note(who: string, text: () => string): void {
    this.#world.note(who, text);
  }

  /** A job's own `assertHeld()` has just passed. */
  acted(hold: Hold): void {
    hold.seenUs = this.nowUs;
    this.tell('acted', hold);
  }

  wrote(path: string, version: number, data: Uint8Array): void {
    this.counts.fencedWrites += 1;
    this.claimed(path, version);
    this.tell('wrote', path, version, data);
  }

  /** This version of the file was acknowledged: it must stay. */
  claimed(path: string, version: number): void {
    this.#acknowledgedVersions.set(path, Math.max(version, this.acknowledgedVersion(path)));
  }

  /** The highest version of the file whose write or claim was acknowledged; 0: none. */
  acknowledgedVersion(path: string): number {
    return this.#acknowledgedVersions.get(path) ?? 0;
  }

  /** For the `settled` of one of the checkers. */
  throwViolation(): void {
    if (this.violation !== undefined) throw this.violation;
  }

  /** The clocks of the process as they are now. */
  reading(process: Hold['process']): ClockReading {
    const { host } = process;
    return { atUs: this.nowUs, monotonicMs: host.monotonicMs(), wallMs: host.wallMs() };
  }

  /** A request of this process was acknowledged, from whose sending a lease's validity is counted. */
  counted(process: Hold['process'], from: ClockReading): void {
    const kept = this.#readings.get(process);
    if (kept === undefined) this.#readings.set(process, [from]);
    else {
      if (kept.length === readingsKept) kept.shift();
      kept.push(from);
    }
  }

  /** The last moments that a lease of this process may be counted from. */
  countedFrom(process: Hold['process']): readonly ClockReading[] {
    return this.#readings.get(process) ?? [];
  }
}

/**
 * Whether `assertHeld()` would pass now. It is not called: it would end the leadership where its time is over, and to
 * look on must not change anything. Jobs call it, and what they do then is reported.
 */
export function holds({ leadership, process }: Hold): boolean {
  return process.alive && !leadership.signal.aborted && leadership.remainingMs() > 0;
}

/** Nothing runs on a host that sleeps, and its wall clock is right again before anything does. */
export function isHeld(hold: Hold): boolean {
  return !hold.process.host.asleep && holds(hold);
}
