import { entry, type MessageOf, message, ofType, stored, TestMember } from '../testing.ts';
import type { Entry, MemberId, PersistRequest, RaftEffects, RaftMessage, RaftStored } from '../types.ts';

/** For the tests that hold the core against figure 2 of the extended Raft paper, rule by rule. */

/** The terms of the entries in a member's log, by which the paper draws logs. */
export function logTerms(member: TestMember): number[] {
  const { firstIndex, lastIndex } = member.core.status();
  const terms: number[] = [];
  for (let index = firstIndex; index <= lastIndex; index += 1) {
    terms.push(member.core.entryAt(index)?.term ?? Number.NaN);
  }
  return terms;
}

/** Entries of these terms, the first one at `from`. */
export function entriesFrom(from: number, ...terms: readonly number[]): Entry[] {
  return terms.map((term, position) => entry(from + position, term));
}

/** AppendEntries from member 2. */
export function append(
  term: number,
  [previousIndex, previousTerm]: readonly [number, number],
  entries: readonly Entry[],
  commitIndex = 0,
): RaftMessage {
  return message('append', 2, term, { previousIndex, previousTerm, entries, commitIndex });
}

/** What is on the disk once this write is. */
export function written(disk: RaftStored, persist: PersistRequest | undefined): RaftStored {
  const first = persist?.entries[0]?.index ?? Number.POSITIVE_INFINITY;
  return {
    ...disk,
    hardState: persist?.hardState ?? disk.hardState,
    entries: [...disk.entries.filter(({ index }) => index < first), ...(persist?.entries ?? [])],
  };
}

/** Success or not of each answer to AppendEntries, and the term that it tells. */
export function appendAnswers(effects: RaftEffects): [boolean, number][] {
  return ofType(effects, 'append-response').map(({ accepted, term }) => [accepted, term]);
}

/** Granted or not of each answer to RequestVote, and the term that it tells. */
export function voteAnswers(effects: RaftEffects): [boolean, number][] {
  return ofType(effects, 'vote-response').map(({ granted, term }) => [granted, term]);
}

/** A member that asks for votes in the term after that of `found`. */
export function candidate(
  options: ConstructorParameters<typeof TestMember>[0] = {},
  found: RaftStored = stored([]),
): TestMember {
  const member = new TestMember(options, found);
  member.tick();
  const { term, configuration } = member.core.status();
  const others = configuration.voters.filter((voter) => voter !== 1);
  member.receive(...others.map((voter) => message('pre-vote-response', voter, term + 1)));
  return member;
}

/** A member that has just been elected, with what it sent to each follower by that. */
export class TestLeader {
  readonly member: TestMember;
  readonly first: ReadonlyMap<MemberId, MessageOf<'append'>>;

  constructor(
    options: ConstructorParameters<typeof TestMember>[0] = {},
    found: RaftStored = stored([]),
    member = new TestMember(options, found),
  ) {
    this.member = member;
    this.first = new Map(ofType(member.elect(), 'append').map((each) => [each.to, each]));
  }

  get term(): number {
    return this.member.core.status().term;
  }

  /** A follower says that it holds everything up to `matchIndex`. */
  accepted(from: MemberId, matchIndex: number): MessageOf<'append-response'> {
    const session = this.first.get(from)?.session ?? 0;
    return message('append-response', from, this.term, {
      matchIndex,
      session,
    }) as MessageOf<'append-response'>;
  }

  progress(peer: MemberId) {
    const found = this.member.core.status().peers.find((each) => each.peer === peer);
    if (found === undefined) throw new Error(`member ${peer} is no follower`);
    return found;
  }
}
