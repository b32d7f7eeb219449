import type { RaftMessage } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';

type MessageOf<Type extends RaftMessage['type']> = RaftMessage & { type: Type };

/** What one follower has acknowledged to one leader. */
interface Acknowledged {
  term: number;
  /** By the leader's session with the follower. */
  readonly upTo: Map<number, number>;
}

/**
 * A follower takes the commit index of a heartbeat on faith: its leader may name no more than what the follower itself
 * has acknowledged, to this leader in this session; that it happens to hold more excuses nothing. The commit index
 * of an append is held against what it carries.
 */
export function heartbeatCommit(_life: LifeSight): Checker {
  /** By position of the leader and of the follower. */
  const all: (Acknowledged | undefined)[][] = [];

  const acknowledged = (leader: MemberSight, follower: MemberSight, term: number): Acknowledged => {
    all[leader.position] ??= [];
    const row = all[leader.position] as (Acknowledged | undefined)[];
    let found = row[follower.position];
    if (found === undefined || found.term < term) {
      found = { term, upTo: new Map() };
      row[follower.position] = found;
    }
    return found;
  };

  const note = (from: MemberSight, to: MemberSight, message: MessageOf<'append-response'>): void => {
    const { accepted, matchIndex, session, term } = message;
    if (!accepted) return;
    const known = acknowledged(to, from, term);
    if (known.term === term && matchIndex > (known.upTo.get(session) ?? 0))
      known.upTo.set(session, matchIndex);
  };

  const check = (from: MemberSight, to: MemberSight, message: MessageOf<'heartbeat'>): void => {
    const { commitIndex, session, term } = message;
    if (commitIndex === 0) return;
    const known = acknowledged(from, to, term);
    const most = known.upTo.get(session) ?? 0;
    if (known.term > term || commitIndex <= most) return;
    violated(
      checker,
      `the heartbeat of ${from.name} in term ${term} tells ${to.name} that entry ${commitIndex} is committed, but ${to.name} has acknowledged ${most === 0 ? 'nothing' : `no more than entry ${most}`} to it since they are connected`,
    );
  };

  const checker: Checker = {
    name: '14-heartbeat-commit',
    claim:
      'A leader tells no follower of a commit index above what that follower is known to hold of its log.',
    sent(from: MemberSight, to: MemberSight, message: RaftMessage) {
      if (message.type === 'heartbeat') check(from, to, message);
      else if (message.type === 'append-response') note(from, to, message);
      if (message.type !== 'append') return;
      const carried = message.previousIndex + message.entries.length;
      if (message.commitIndex <= carried) return;
      violated(
        checker,
        `${from.name} sent ${to.name} entries up to ${carried} in term ${message.term}, but says with them that ${message.commitIndex} is committed`,
      );
    },
  };
  return checker;
}
