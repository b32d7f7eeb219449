import type { RaftEffects, RaftStatus } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { statusOf } from './sights.ts';

interface Leading {
  readonly term: number;
  /** The terms of its entries, from `base + 1` on, as they were when first seen. */
  readonly base: number;
  readonly terms: number[];
  /** One older entry is looked at again in each drain, in turn. */
  cursor: number;
  /** The end of its platter's log. */
  durableIndex: number;
}

/** Looks at what a leader asks to be written, at its log in memory, and at its platter while it leads. */
export function leaderAppendOnly(_life: LifeSight): Checker {
  const leading: (Leading | undefined)[] = [];

  const fail = (member: MemberSight, term: number, what: string): never =>
    violated(checker, `${member.name}, leader of term ${term}, ${what}`);

  const begin = (member: MemberSight, status: RaftStatus): Leading => {
    const terms: number[] = [];
    for (let index = status.firstIndex; index <= status.lastIndex; index++)
      terms.push(member.raft?.entryAt(index)?.term ?? 0);
    const base = status.firstIndex - 1;
    return {
      term: status.term,
      base,
      terms,
      cursor: status.firstIndex,
      durableIndex: member.durable.lastIndex,
    };
  };

  /** The entry in memory, if it is not compacted, is the one that was there before. */
  const compare = (member: MemberSight, leader: Leading, index: number, firstIndex: number): void => {
    if (index < firstIndex || index <= leader.base) return;
    const before = leader.terms[index - leader.base - 1];
    const now = member.raft?.entryAt(index)?.term;
    if (now === before) return;
    fail(member, leader.term, `had entry ${index} with term ${before}; now it has ${now ?? 'none'} there`);
  };

  const advance = (member: MemberSight, leader: Leading, status: RaftStatus): void => {
    const last = leader.base + leader.terms.length;
    if (status.lastIndex < last)
      fail(
        member,
        leader.term,
        `deleted entries: its log ended at ${last} and now ends at ${status.lastIndex}`,
      );
    compare(member, leader, last, status.firstIndex);
    leader.cursor =
      leader.cursor >= last ? status.firstIndex : Math.max(leader.cursor + 1, status.firstIndex);
    if (leader.cursor <= last) compare(member, leader, leader.cursor, status.firstIndex);
    for (let index = last + 1; index <= status.lastIndex; index++) {
      const term = member.raft?.entryAt(index)?.term ?? 0;
      if (term !== leader.term) fail(member, leader.term, `appended entry ${index} of term ${term}`);
      leader.terms.push(term);
    }
  };

  const checker: Checker = {
    name: '02-leader-append-only',
    claim: 'A leader never overwrites or deletes its own entries.',
    drained(member: MemberSight, effects: RaftEffects) {
      const { state, persist } = effects;
      let leader = leading[member.position];
      if (state !== undefined && (state.role !== 'leader' || state.term !== leader?.term)) {
        leader = undefined;
        leading[member.position] = undefined;
        const status = state.role === 'leader' ? statusOf(member, effects) : undefined;
        if (status !== undefined) leading[member.position] = begin(member, status);
        return;
      }
      if (leader === undefined || persist === undefined) return;
      if (persist.snapshot !== undefined)
        fail(
          member,
          leader.term,
          `takes a snapshot up to ${persist.snapshot.meta.index} in place of its log`,
        );
      const first = persist.entries[0];
      const last = leader.base + leader.terms.length;
      if (first !== undefined && first.index <= last)
        fail(member, leader.term, `writes entry ${first.index} again, though its log reaches to ${last}`);
      const status = statusOf(member, effects);
      if (status !== undefined) advance(member, leader, status);
    },
    durable(member: MemberSight) {
      const leader = leading[member.position];
      if (leader === undefined || member.damaged) return;
      const { lastIndex, snapshotTerm } = member.durable;
      // A later leader has sent it a snapshot, which stands on the disk before the core hears of it: what disagrees with
      // that was never committed.
      if (snapshotTerm > leader.term) return;
      if (lastIndex < leader.durableIndex)
        fail(
          member,
          leader.term,
          `had entries up to ${leader.durableIndex} on disk, and now up to ${lastIndex}`,
        );
      leader.durableIndex = lastIndex;
    },
    memberStarted(member: MemberSight) {
      leading[member.position] = undefined;
    },
    memberEnded(member: MemberSight) {
      leading[member.position] = undefined;
    },
  };
  return checker;
}
