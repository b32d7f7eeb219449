/**
 * Candidates, their jobs and users of leases as processes of a simulated world, and the checkers of what they are
 * promised: leases (18), one holder (21), fencing (22), rising tokens, grace, and elections that complete.
 *
 * Guarantees: the programs are the library's own (`elect`, `Candidate`, `lock`, `observe`, the store, the client, the
 * versioned file); what they are told is reported with true times; a report never disturbs who makes it.
 *
 * Must not: decide when a fault happens; ask the code under test whether it was right.
 */
export { leasesChecker } from './18-leases.ts';
export { oneHolderChecker } from './21-one-holder.ts';
export { fencingChecker } from './22-fencing.ts';
export { electionsCompleteChecker, type LastRound } from './elections-complete.ts';
export { excusedBy, type OneHolderOptions } from './excuses.ts';
export { graceKeptChecker } from './grace-kept.ts';
export { type RaceResult, showRace } from './race.ts';
export { type ElectionCounts, ElectionReports, type ElectionWitness } from './reports.ts';
export type { Subject } from './subject.ts';
export { tokensRiseChecker } from './tokens-rise.ts';
export { CandidateWorkload, type CandidateWorkloadOptions, electionName } from './workload.ts';
