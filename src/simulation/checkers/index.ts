/**
 * The invariants of consensus and storage, one checker in a file each, called by the invariant's number. Each looks at
 * every step at which something relevant changed, and only at that. They trust the platters and the wire, and what a
 * member says only where its own word is what is being checked. They must not change anything they look at.
 */
import type { CheckerFactory } from '../observation.ts';
import { oneLeaderForATerm } from './01-one-leader-for-a-term.ts';
import { leaderAppendOnly } from './02-leader-append-only.ts';
import { logMatching } from './03-log-matching.ts';
import { leaderCompleteness } from './04-leader-completeness.ts';
import { sameStateAtSameIndex } from './05-same-state-at-same-index.ts';
import { committedStays } from './06-committed-stays.ts';
import { committedIsDurable } from './07-committed-is-durable.ts';
import { ownTermCounting } from './08-own-term-counting.ts';
import { nothingGoesBack } from './09-nothing-goes-back.ts';
import { indexesInOrder } from './10-indexes-in-order.ts';
import { durableBeforeSent } from './11-durable-before-sent.ts';
import { matchIsOnDisk } from './12-match-is-on-disk.ts';
import { oneChangeAtATime } from './13-one-change-at-a-time.ts';
import { heartbeatCommit } from './14-heartbeat-commit.ts';
import { readIndex } from './15-read-index.ts';
import { boundedQueues, type QueueBounds } from './20-bounded-queues.ts';
import { queuesDrain } from './20-queues-drain.ts';
import { electedByAQuorum } from './elected-by-a-quorum.ts';
import { electionTimer } from './election-timer.ts';
import { removedStaysOut } from './removed-stays-out.ts';

export { boundedQueues, type QueueBounds } from './20-bounded-queues.ts';
export { CommittedEntries } from './committed-log.ts';

/**
 * @param bounds of the members’ queues, as they are configured; default: those of the core.
 * @param clients how many there are; default: as many as usual.
 */
export const consensusCheckers = (bounds?: QueueBounds, clients?: number): readonly CheckerFactory[] => [
  oneLeaderForATerm,
  leaderAppendOnly,
  logMatching,
  leaderCompleteness,
  sameStateAtSameIndex,
  committedStays,
  committedIsDurable,
  ownTermCounting,
  nothingGoesBack,
  indexesInOrder,
  durableBeforeSent,
  matchIsOnDisk,
  oneChangeAtATime,
  heartbeatCommit,
  readIndex,
  boundedQueues(bounds),
  queuesDrain(clients),
  electionTimer,
  electedByAQuorum,
  removedStaysOut,
];
