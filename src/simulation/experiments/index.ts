/**
 * Experiments on the simulated world: they measure, where the rest of the simulator checks.
 *
 * Guarantees: the members run the production code; the same settings and seed give the same figures on any machine.
 *
 * Must not: print, plot or write files; that is for whoever runs them.
 */

export { electionTimes } from './election-times.ts';
export type { ElectionSettings, ElectionTimes } from './settings.ts';
export { quantile } from './statistics.ts';
