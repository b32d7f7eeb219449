/** Who of those that stand in an election is over: the few that matter are looked at, however long its queue is. */
import type { Within } from './calling.ts';
import type { DocumentStoreParts } from './changes.ts';
import type { ElectionDocument } from './documents.ts';

/** With a request for each document. */
const fewest = 16;

/**
 * Sessions that are over, for good: the leader's, if it is, and where nobody leads, all before the first in the queue
 * who is alive. Of the others all, if they are few, else some by chance, so that each who comes clears up a little.
 */
export async function deadAmong(
  { calls, sessions }: Pick<DocumentStoreParts, 'calls' | 'sessions'>,
  { leader, waiting }: ElectionDocument,
  own: string,
  within: Within,
): Promise<ReadonlySet<string>> {
  const most = Math.max(fewest, calls.perRead);
  const dead = new Set<string>();
  const seen = new Set([own]);
  /** Whether one of them is alive. */
  const look = async (ids: readonly string[]): Promise<boolean> => {
    const unseen = [...new Set(ids)].filter((id) => !seen.has(id));
    const pulses = await sessions.look(unseen, within, { bury: true });
    for (const [at, id] of unseen.entries()) {
      seen.add(id);
      if (pulses[at]?.alive === false) dead.add(id);
    }
    return ids.some((id) => id !== own && !dead.has(id));
  };
  const leading = leader === undefined ? [] : [leader.session];
  const queue = waiting.map(({ session }) => session);
  if (leading.length + queue.length <= most) {
    await look([...leading, ...queue]);
    return dead;
  }
  const { random } = calls.runtime;
  const some = Array.from({ length: most - 1 }, () => queue[Math.floor(random.unit() * queue.length)] ?? own);
  await look([...leading, ...some]);
  if (leader !== undefined && !dead.has(leader.session)) return dead;
  for (let at = 0; at < queue.length; at += most) if (await look(queue.slice(at, at + most))) break;
  return dead;
}

/** Whether a session is over, for good: then it is buried. Who cannot be asked is left to those who wait. */
export async function isOver(
  { sessions }: Pick<DocumentStoreParts, 'sessions'>,
  session: string,
  within: Within,
): Promise<boolean> {
  try {
    const [pulse] = await sessions.look([session], within, { bury: true });
    return pulse?.alive === false;
  } catch {
    return false;
  }
}
