import type { ElectionState } from '../../election/store.ts';
import type { ElectionDocument } from './documents.ts';
import { recordOf } from './queue.ts';

/** A session that is over changes what is shown although nobody wrote: so many of those have versions of their own. */
const shownVersions = 64;

/** As shown to users: without those whose session is over. */
export function electionState(document: ElectionDocument, dead: ReadonlySet<string>): ElectionState {
  const { leader, version, waiting } = document;
  return {
    leader:
      leader === undefined || dead.has(leader.session)
        ? undefined
        : { holder: leader.holder, token: leader.token, metadata: leader.metadata },
    version: version * shownVersions + Math.min(dead.size, shownVersions - 1),
    waiting: waiting
      .filter(({ session }) => !dead.has(session))
      .map(({ holder, metadata, priority }) => ({ holder, metadata, priority })),
    record: recordOf(document),
  };
}

/** The sessions that stand in it. */
export function sessionsIn({ leader, waiting }: ElectionDocument): string[] {
  return [...(leader === undefined ? [] : [leader.session]), ...waiting.map(({ session }) => session)];
}
