/** How the state of a backup becomes that of a new cluster. */
import { MalformedData } from './errors.ts';
import type { State } from './state.ts';

/**
 * Above anything that the old cluster can have reached since the backup was taken: a million writes a second take
 * more than an hour to use it up. A fencing token is a revision, so none of the new cluster is below one of the old.
 */
export const revisionRaise = 2 ** 32;

/**
 * Leases end, and their keys with them. All that is left is below the compact revision: a watch that goes on from anything that
 * it saw in the old cluster ends with 'compacted', rather than with a gap that it does not know of.
 */
export function beginAnew(state: State): void {
  const { store, leases, clients, alarms, auth } = state;
  for (const lease of [...leases.all()]) leases.end(lease);
  const revision = store.revision + revisionRaise;
  if (!Number.isSafeInteger(revision * 2)) {
    throw new MalformedData(`Revision ${store.revision} leaves no room to be raised by ${revisionRaise}.`);
  }
  // An old client must not pass for a new one that was given its number.
  clients.forgetAll(revisionRaise);
  auth.voidTokens();
  store.revision = revision;
  store.compactRevision = revision;
  // The members that raised them are those of the old cluster.
  alarms.all = [];
  while (!store.tidy(100_000));
}
