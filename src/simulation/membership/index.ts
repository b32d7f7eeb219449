/**
 * Members that join and leave in a life: the operator who asks for changes of the membership, starts what is added on
 * hosts of its own, replaces what is lost, and starts again what was removed, to see it refused.
 *
 * Must not: tell the members anything that an operator could not, or start one that the cluster does not expect.
 */
export { type ChangeCounts, Operator, type OperatorParts } from './operator.ts';
