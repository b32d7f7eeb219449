/**
 * Who is in the cluster: what each member knows of the others, changes of that, and how a process joins. The rules that
 * keep changes safe are the core's (`raft/membership.ts`); here is what a change means, who may ask for it, and what
 * follows from it: links that are made and given up, members that leave, ids that are never given twice.
 *
 * Must not: decide anything by the clock but when to try again, or act on a configuration that is neither in the log nor
 * applied.
 */
export { type ChangeAnswer, type ChangeRequest, isChangeRequest, MembershipChanges } from './changes.ts';
export { identified, strayFlags } from './joining.ts';
export { Membership } from './membership.ts';
export type { Target } from './plan.ts';
export type { KnownMember, MemberRecord } from './records.ts';
