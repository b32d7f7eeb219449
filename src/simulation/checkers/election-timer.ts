import type { RaftCore, RaftEffects } from '../../raft/index.ts';
import { type Checker, type MemberSight, violated } from '../observation.ts';

/** A request for a vote after which a member waits longer than before. */
interface Delay {
  readonly from: number;
  readonly byMs: number;
}

/**
 * Looks at the core before and after each request for a vote, and then whether it was refused. A refusal changes
 * nothing that the member waits for (§5.2); else one candidate that cannot win keeps those from trying who could.
 */
export function electionTimer(): Checker {
  const delays: (Delay | undefined)[] = [];

  const checker: Checker = {
    name: 'election-timer',
    claim: 'A candidate that is refused does not put off the elections of those that refuse it.',
    memberStarted(member: MemberSight) {
      delays[member.position] = undefined;
      if (member.raft === undefined) return;
      lookOn(member.raft, (delay) => {
        delays[member.position] = delay;
      });
    },
    drained(member: MemberSight, effects: RaftEffects) {
      const delay = delays[member.position];
      if (delay === undefined) return;
      delays[member.position] = undefined;
      if (!refuses(effects, delay.from)) return;
      violated(
        checker,
        `${member.name} refused its vote to member ${delay.from}, and yet waits ${delay.byMs.toFixed(3)} ms longer than before until it campaigns itself`,
      );
    },
  };
  return checker;
}

/** What reaches the core goes on as it came. */
function lookOn(raft: RaftCore, tell: (delay: Delay) => void): void {
  const step = raft.step.bind(raft);
  raft.step = (event, nowMs) => {
    const asked =
      event.type === 'message' && (event.message.type === 'pre-vote' || event.message.type === 'vote');
    if (!asked) {
      step(event, nowMs);
      return;
    }
    const { term, role } = raft.status();
    const beforeMs = raft.nextDeadlineMs();
    step(event, nowMs);
    const afterMs = raft.nextDeadlineMs();
    const byMs = afterMs - beforeMs;
    // A new term ends what else was waited for: that is no delay of an election.
    // One that may not campaign waits for nothing, before and after; and where something is due now, "now" has moved on.
    if (role === 'leader' || !(byMs > 0) || afterMs <= nowMs || raft.status().term !== term) return;
    tell({ from: event.message.from, byMs });
  };
}

/** Whether all that this turn answered to anybody who asked for its vote was no. */
function refuses({ messages, messagesAfterPersist }: RaftEffects, candidate: number): boolean {
  let refused = false;
  for (const message of [...messages, ...messagesAfterPersist]) {
    if (message.type !== 'vote-response' && message.type !== 'pre-vote-response') continue;
    if (message.granted) return false;
    if (message.to === candidate) refused = true;
  }
  return refused;
}
