/**
 * Who calls, and what they may do: passwords, tokens, and the check of every call, whatever transport brought it.
 *
 * Guarantees: with auth enabled no method answers without its check (`policy.ts` names one for each); what a handler reads is
 * read in the turn of the check, and what it writes is checked again when it is applied; a refusal comes only from a
 * member that has caught up. Passwords go no further than the member that got them: the log has a scrypt hash.
 * Checking them leaves the loop and the disk their threads. A wrong user takes the time of a wrong password.
 *
 * Must not: write a password or a token anywhere; keep state that a restart would lose (`keyspace/auth` says why none is
 * needed).
 */
export { Access, type Requirement } from './access.ts';
export { defaultCostLog2, Passwords } from './passwords.ts';
export { requirementOf } from './policy.ts';
export { authService } from './service.ts';
export { Tokens } from './tokens.ts';
export { type GuardedRange, neverAllowed, WatchGuard } from './watch-guard.ts';
