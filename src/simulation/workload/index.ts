/**
 * Clients that work on a simulated cluster, what they asked and heard, and the checks of it.
 *
 * Guarantees: every operation is in the history with its true times and outcome; each mutation can be told apart in
 * the log; checkers hold all answers against the committed log, and apart from it against an order of their own.
 *
 * Must not: ask the code under test what is right; know members other than through what is observed of them.
 */
export { type WorkloadCheckerOptions, workloadCheckers } from './checkers.ts';
export { ClientWorkload, type ClientWorkloadOptions, type Login } from './client-workload.ts';
export * from './history.ts';
export { PermissionsKept } from './permissions-kept.ts';
export { drawRates, notCompacting, type OperationKind, usualRates, type WorkloadRates } from './rates.ts';
