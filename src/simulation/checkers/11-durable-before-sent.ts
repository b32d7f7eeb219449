import type { RaftMessage } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { Harm, holdsDurably } from './sights.ts';

type MessageOf<Type extends RaftMessage['type']> = RaftMessage & { type: Type };

/**
 * Holds each message that has left against the sender's platter: its term, the vote that it gives or leads by, the
 * entries that it acknowledges, which must be those that the leader has sent, and not others at their places. Entries
 * are compared only while the disk is in the message's term: an answer to an older leader may leave after a newer one
 * had those entries replaced, in the same write. It is of no more effect then.
 */
export function durableBeforeSent(life: LifeSight): Checker {
  const harm = new Harm();
  /** By position of the leader: the term of the entry at each index where an append of its latest term ended. */
  const ends: ({ readonly term: number; readonly terms: Map<number, number> } | undefined)[] = [];

  const noteEnd = (from: MemberSight, message: MessageOf<'append'>): void => {
    const { term, previousIndex, previousTerm, entries } = message;
    let sent = ends[from.position];
    if (sent === undefined || sent.term < term) {
      sent = { term, terms: new Map() };
      ends[from.position] = sent;
    }
    if (sent.term !== term) return;
    const last = entries.at(-1);
    sent.terms.set(last?.index ?? previousIndex, last?.term ?? previousTerm);
  };

  /** undefined: it is not known what the leader has there. */
  const acknowledgedTerm = (leader: MemberSight, { term, matchIndex }: MessageOf<'append-response'>) => {
    const sent = ends[leader.position];
    const ended = sent?.term === term ? sent.terms.get(matchIndex) : undefined;
    return ended ?? life.committed.entryAt(matchIndex)?.term;
  };

  const name = (id: number): string =>
    id === 0 ? 'nobody' : (life.members.find((member) => member.memberId === id)?.name ?? `${id}`);

  const fail = (from: MemberSight, to: MemberSight, message: RaftMessage, what: string): never =>
    violated(checker, `${from.name} sent ${message.type} of term ${message.term} to ${to.name}, but ${what}`);

  /** A pre-vote asks, and a granted one answers, about a term in which nobody is yet. */
  const termOf = (message: RaftMessage): number => {
    if (message.type === 'pre-vote') return message.term - 1;
    return message.type === 'pre-vote-response' && message.granted ? 0 : message.term;
  };

  const needsVoteFor = (
    from: MemberSight,
    to: MemberSight,
    message: RaftMessage,
    candidate: number,
  ): void => {
    const { term, votedFor } = from.durable;
    if (term > message.term || votedFor === candidate) return;
    fail(from, to, message, `its disk says that it voted for ${name(votedFor)} in that term`);
  };

  const needsEntries = (from: MemberSight, to: MemberSight, message: MessageOf<'append-response'>): void => {
    const { term, lastIndex, snapshotIndex } = from.durable;
    if (!message.accepted || term !== message.term) return;
    const { matchIndex } = message;
    if (matchIndex > Math.max(lastIndex, snapshotIndex))
      fail(from, to, message, `it acknowledges entry ${matchIndex} and its disk ends at ${lastIndex}`);
    const wanted = acknowledgedTerm(to, message);
    if (wanted === undefined || holdsDurably(from.durable, matchIndex, wanted)) return;
    const found = from.durable.entryAt(matchIndex)?.term;
    const has = found === undefined ? 'has no such entry' : `still has one of term ${found} there`;
    fail(from, to, message, `it acknowledges entry ${matchIndex} of term ${wanted} and its disk ${has}`);
  };

  const checker: Checker = {
    name: '11-durable-before-sent',
    claim:
      'No message leaves before the term, the vote and the entries that it depends on are on the sender’s disk.',
    sent(from: MemberSight, to: MemberSight, message: RaftMessage) {
      harm.note(from, life.nowUs);
      if (!harm.isReadable(from)) return;
      if (from.durable.term < termOf(message))
        fail(from, to, message, `its disk is in term ${from.durable.term} only`);
      switch (message.type) {
        case 'append':
          noteEnd(from, message);
          needsVoteFor(from, to, message, from.memberId);
          break;
        case 'vote':
        case 'heartbeat':
        case 'timeout-now':
          needsVoteFor(from, to, message, from.memberId);
          break;
        case 'vote-response':
          if (message.granted) needsVoteFor(from, to, message, message.to);
          break;
        case 'append-response':
          needsEntries(from, to, message);
          break;
      }
    },
    memberWiped(member: MemberSight) {
      harm.wiped(member, life.nowUs);
    },
  };
  return checker;
}
