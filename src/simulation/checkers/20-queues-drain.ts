import type { RaftEffects } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';

/**
 * The bounds that are declared are far above what lives this small can have. These are about ten times the most that was
 * seen in hundreds of them with the usual clients: what piles up comes to them all the same.
 */
const mostReads = 500;
const mostProposals = 2000;
const mostBytes = { peer: 4 * 1024 * 1024, client: 256 * 1024 };
const usualClients = 8;
/** The figures of a member cost something. */
const drainsBetweenLooks = 64;
/** In the end, with everything healed and quiet, nothing is older; and members ask for little by themselves. */
const readWithinMs = 5000;
const mostProposalsInTheEnd = 20;

interface Waiting {
  /** By number, when it was asked. */
  readonly reads: Map<number, number>;
  drains: number;
}

/** Counts the reads that a core has neither answered nor failed, a member's proposals, and what waits on connections. */
export function queuesDrain(clients = usualClients): (life: LifeSight) => Checker {
  const load = Math.max(1, clients / usualClients);
  return (life) => checkerFor(life, load);
}

function checkerFor(life: LifeSight, load: number): Checker {
  const waiting: (Waiting | undefined)[] = [];

  const of = (member: MemberSight): Waiting => {
    const known = waiting[member.position] ?? { reads: new Map<number, number>(), drains: 0 };
    waiting[member.position] = known;
    return known;
  };

  const forget = (member: MemberSight): void => {
    waiting[member.position] = undefined;
  };

  const pile = (who: string, count: number, what: string, usual: number): void => {
    const most = usual * load;
    if (count > most) violated(checker, `${who} has ${count} ${what} waiting; a life has ${most} at most`);
  };

  const checker: Checker = {
    name: '20-queues-drain',
    claim: 'Reads, proposals and bytes on connections do not pile up, and every read is answered or fails.',
    asked(member: MemberSight, readId: number) {
      const { reads } = of(member);
      reads.set(readId, life.nowUs);
      pile(member.name, reads.size, 'reads in its core', mostReads);
    },
    drained(member: MemberSight, { readsReady, readsFailed }: RaftEffects) {
      const known = of(member);
      for (const { readId } of readsReady) known.reads.delete(readId);
      for (const { readId } of readsFailed) known.reads.delete(readId);
      known.drains += 1;
      if (known.drains % drainsBetweenLooks !== 0) return;
      pile(member.name, member.member?.status().proposals.pending ?? 0, 'proposals', mostProposals);
    },
    settled() {
      const { backlog } = life;
      if (backlog === undefined) return;
      for (const kind of ['peer', 'client'] as const) {
        const { bytes, from } = backlog[kind];
        pile(from, bytes, `bytes for a ${kind}`, mostBytes[kind]);
      }
    },
    ended() {
      for (const member of life.members) {
        if (!member.running) continue;
        const { pending = 0 } = member.member?.status().proposals ?? {};
        if (pending > mostProposalsInTheEnd)
          violated(
            checker,
            `${member.name} has ${pending} proposals waiting although nobody asks for anything`,
          );
        for (const [readId, askedUs] of waiting[member.position]?.reads ?? []) {
          const forMs = (life.nowUs - askedUs) / 1000;
          if (forMs <= readWithinMs) continue;
          violated(
            checker,
            `${member.name} has neither answered read ${readId} nor failed it for ${forMs} ms`,
          );
        }
      }
    },
    memberStarted: forget,
    memberEnded: forget,
  };
  return checker;
}
