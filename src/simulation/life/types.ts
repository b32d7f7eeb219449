import type { FaultPreset } from '../faults/options.ts';
import type { Fault } from '../faults/schedule.ts';
import type { SharingKind } from '../sharing/settings.ts';
import type { TraceLine } from '../world/trace.ts';

export interface LifeOptions {
  /** 0 to 2^53 - 1: decides everything else. */
  readonly seed: number;
  /** Default 'all'. */
  readonly faults?: FaultPreset;
  /** Members of the cluster. Default 3. */
  readonly members?: number;
  /** Client processes. Default 8. */
  readonly clients?: number;
  /** Candidates for the leadership. Default 3. */
  readonly candidates?: number;
  /** What else processes share. Default: in about a third of the lives one of them, drawn; never where there are no candidates. */
  readonly sharing?: SharingKind | 'none';
  /** Simulated time with faults, before everything is healed. Default 30. */
  readonly seconds?: number;
  /** Of the scheduled faults only these numbers strike. Default: all. */
  readonly only?: readonly number[];
  /** True: the links neither lose, repeat nor reorder, whatever was drawn. Default false. */
  readonly calmLinks?: boolean;
  /**
   * Whether the state of a member comes to differ from that of the others, which they must find. Default: drawn, in lives
   * in which members join and leave.
   */
  readonly divergence?: boolean;
  /** Whether members ask who calls, while users and roles change. Default: drawn. */
  readonly users?: boolean;
  /** Who compacts: clients now and then, or the leader by itself, what is older than a time or by a number of revisions. Default: drawn. */
  readonly compaction?: 'by-clients' | 'by-time' | 'by-revisions';
  /** Operations that a client sends at once. Default: drawn; in some of the lives 1. */
  readonly burst?: number;
  /** Members are compared with each other so often, in simulated ms. Default: where members may diverge, drawn; else 0, never. */
  readonly compareEveryMs?: number;
  /** Keeps the trace's lines, which costs time and memory. Default false. */
  readonly keepTrace?: boolean;
}

/** How often each thing that a life is to show took place, by name. */
export type Counts = Readonly<Record<string, number>>;

export interface LifeFailure {
  /** The checker's name; 'progress' when something never came back; 'program' when the code under test failed by itself. */
  readonly checker: string;
  /** The claim that does not hold, in words. */
  readonly claim: string;
  /** What was seen. */
  readonly message: string;
  /** True time. */
  readonly atUs: number;
  /** With its frames only in a life whose trace is kept: they cost more than all else about an error. */
  readonly stack: string | undefined;
}

export interface LifeResult {
  readonly seed: number;
  /** The same for the same seed and options, wherever it runs. */
  readonly traceHash: string;
  /** Events of the world. */
  readonly steps: number;
  readonly simulatedMs: number;
  readonly members: number;
  /** What took place: elections, snapshots, leases expired, … */
  readonly coverage: Counts;
  /** How often each kind of fault took effect. */
  readonly faults: Counts;
  /** What was drawn to strike, whether `only` let it or not. */
  readonly schedule: readonly Fault[];
  /** How the cluster was configured and what was drawn for its whole life, in words, for the report. */
  readonly settings: string;
  /** undefined: every claim held. */
  readonly failure: LifeFailure | undefined;
  /** Present where asked for. */
  readonly lines: readonly TraceLine[] | undefined;
}
