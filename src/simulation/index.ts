/**
 * The simulator: whole lives of a cluster, with the clients and candidates that use it, on virtual time, network and
 * disks, under faults, while every claim is checked. What runs is the code that production runs.
 *
 * Guarantees: one seed decides everything, so the same seed and options give the same life and the same trace hash on
 * any machine; a life ends with the first claim that is broken, and never touches the host.
 *
 * Must not: contain a simulated twin of anything that production has, be imported by what it runs, or be believed
 * where it saw nothing: a run tells what it covered.
 */

export { type RaceResult, showRace } from './elections/race.ts';
export { type FaultKind, type FaultPreset, faultKinds, faultPresets } from './faults/options.ts';
export type { Fault } from './faults/schedule.ts';
export {
  type CutBy,
  directedGraphs,
  type GraphLifeOptions,
  type GraphLifeResult,
  LinkGraph,
  liveGraph,
  sampleGraphs,
  undirectedGraphs,
} from './graphs/index.ts';
export { runLife } from './life/life.ts';
export type { Counts, LifeFailure, LifeOptions, LifeResult } from './life/types.ts';
export {
  type Block,
  type BlockOptions,
  LifePool,
  liveBlock,
  type PoolOptions,
} from './pool/index.ts';
export { replayCommand } from './report/replay.ts';
export { type ShrinkOptions, type Shrunk, shrink } from './report/shrink.ts';
export { describeFailure, formatLine, lastEvents } from './report/timeline.ts';
export { Totals } from './report/totals.ts';
export type { TraceLine } from './world/trace.ts';
