/** What members of a group say to each other: the paper's calls, with what reads, pre-votes and hand-overs need. */
import type { Entry, GroupId, MemberId } from './types.ts';

interface MessageBase {
  readonly group: GroupId;
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: number;
}

export type RaftMessage = MessageBase &
  (
    | {
        readonly type: 'pre-vote' | 'vote';
        readonly lastIndex: number;
        readonly lastTerm: number;
        /** The candidate was asked by the leader to take over (dissertation §3.10): stickiness does not apply. */
        readonly transfer: boolean;
        /** The pre-vote was started by a broken connection to the leader, not by a timeout. */
        readonly hinted: boolean;
      }
    | { readonly type: 'pre-vote-response' | 'vote-response'; readonly granted: boolean }
    | {
        readonly type: 'append';
        readonly previousIndex: number;
        readonly previousTerm: number;
        readonly entries: readonly Entry[];
        /** At most what this follower is known to hold, or the entries sent here. */
        readonly commitIndex: number;
        /** Echoed in the response: tells this leader's session with the follower, and acknowledges reads. */
        readonly session: number;
        readonly readContext: number;
        /** The leader's monotonic clock at sending, echoed for round-trip measurement. */
        readonly sentAtMs: number;
      }
    | {
        readonly type: 'append-response';
        readonly accepted: boolean;
        /** Accepted: the last index known to match and to be durable. Rejected: the index that did not match. */
        readonly matchIndex: number;
        /** Rejected: where the leader may look next (§5.3, backtracking by term). */
        readonly hintIndex: number;
        readonly hintTerm: number;
        readonly session: number;
        readonly readContext: number;
        readonly sentAtMs: number;
      }
    | {
        readonly type: 'heartbeat';
        readonly commitIndex: number;
        readonly session: number;
        readonly readContext: number;
        readonly sentAtMs: number;
        /** The leader's view of the round trip to this follower, for the follower's adaptive timeout. 0: unknown. */
        readonly roundTripMs: number;
        /** Whether the leader needs to hear of it: while nothing waits for that, an idle one wakes less often. */
        readonly wantsAnswer: boolean;
      }
    | {
        readonly type: 'heartbeat-response';
        readonly session: number;
        readonly readContext: number;
        readonly sentAtMs: number;
      }
    | { readonly type: 'timeout-now' }
    /** A follower's reads, to be confirmed by the leader. */
    | { readonly type: 'read-index'; readonly readContext: number }
    | {
        readonly type: 'read-index-response';
        readonly readContext: number;
        readonly index: number;
        readonly ok: boolean;
      }
  );
