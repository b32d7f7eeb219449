import type { RaftEffects } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';

/** Looks at every read that any member asks of its core, whoever it is for: what clients are told comes later, and may be newer by luck. */
export function readIndex(life: LifeSight): Checker {
  /** By member, then by the read's number: the last index that was committed anywhere when it was asked. */
  const asked: (Map<number, number> | undefined)[] = [];

  const forget = (member: MemberSight): void => {
    asked[member.position] = undefined;
  };

  const checker: Checker = {
    name: '15-read-index',
    claim:
      'The index at which a linearizable read is answered is no lower than what was committed anywhere when it was asked.',
    asked(member: MemberSight, readId: number) {
      const ofMember = asked[member.position] ?? new Map<number, number>();
      asked[member.position] = ofMember.set(readId, life.committed.lastIndex);
    },
    drained(member: MemberSight, { readsReady, readsFailed }: RaftEffects) {
      if (readsReady.length === 0 && readsFailed.length === 0) return;
      const ofMember = asked[member.position];
      for (const { readId, index } of readsReady) {
        const least = ofMember?.get(readId) ?? 0;
        ofMember?.delete(readId);
        if (index >= least) continue;
        violated(
          checker,
          `${member.name} answers a read at index ${index}, but entry ${least} was committed when it was asked`,
        );
      }
      for (const { readId } of readsFailed) ofMember?.delete(readId);
    },
    memberStarted: forget,
    memberEnded: forget,
  };
  return checker;
}
