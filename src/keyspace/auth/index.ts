/**
 * Users, roles and permissions in the replicated state: etcd's rules, and the check of each command.
 *
 * Guarantees: the same changes give the same state and the same verdicts on every replica; with auth disabled a command
 * costs one look at a flag; ranges that several permissions cover together are permitted.
 *
 * Must not: see a password (only hashes come here), or decide who somebody is (the API proves that).
 *
 * Tokens. A token is the signed statement "this user, logged in under this password, since auth was enabled then, until
 * this cluster time", so every member can check it alone and a restart loses nothing. The key for signing is made when
 * auth is enabled and lives here, in the replicated state; disabling throws it away. What a token names must still be
 * so: a change of the password, or of the user's existence, gives the user another credential revision. That use
 * extends a token must be known to all members, so it goes through the log: not with each use, but with the first
 * one after half of its time, and only for tokens in use.
 */
export { applyAuthCommand } from './apply.ts';
export { AuthState } from './auth-state.ts';
export { checkCommand } from './check.ts';
export {
  readAuthChange,
  readAuthor,
  readAuthState,
  readLogin,
  readTokens,
  writeAuthChange,
  writeAuthor,
  writeLogin,
  writeTokens,
  writeUsersAndRoles,
} from './codec.ts';
export type { ExtendedToken } from './extended-tokens.ts';
export type * from './types.ts';
