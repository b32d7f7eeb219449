/**
 * Members whose state differs from that of the others, as an error in memory or code would make it: outside of the log, on
 * one member at a time, and only in keys and leases that nobody else of a life uses (`kept.ts`), so that all other checkers
 * go on to hold all members to their claims. Only where as many are well as are needed to tell who is wrong.
 */
export { Divergence } from './divergence.ts';
export { Keeper } from './keeper.ts';
export { TakenOut } from './taken-out.ts';
