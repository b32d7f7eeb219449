import { type Configuration, membersOf, type RaftEffects } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { describeConfiguration, statusOf } from './sights.ts';

/**
 * Whenever another configuration stands at the end of a member's log: that it is the one the member acts by (§6), and
 * that a leader put it there only when the one before was applied, something of its own term was committed, and no
 * quorum of the one can do without all of any quorum of the other, which is found by trying all of them.
 */
export function oneChangeAtATime(life: LifeSight): Checker {
  const { configurations } = life;

  const fail = (member: MemberSight, what: string): never => violated(checker, `${member.name} ${what}`);
  const named = (configuration: Configuration): string => describeConfiguration(configuration, life);

  const actsByItsLog = (member: MemberSight, effects?: RaftEffects): void => {
    const status = effects === undefined ? member.raft?.status() : statusOf(member, effects);
    if (configurations === undefined || status === undefined) return;
    const { index, configuration } = configurations.of(member);
    if (alike(status.configuration, configuration)) return;
    fail(
      member,
      `acts by ${named(status.configuration)}, but the last configuration in its log, at ${index}, is ${named(configuration)}`,
    );
  };

  const checkOwn = (
    member: MemberSight,
    effects: RaftEffects,
    before: Configuration,
    beforeIndex: number,
  ) => {
    const status = statusOf(member, effects);
    if (configurations === undefined || status?.role !== 'leader') return;
    const { index, configuration } = configurations.of(member);
    const { term, appliedIndex, commitIndex } = status;
    if (index <= beforeIndex || member.raft?.entryAt(index)?.term !== term) return;
    if (beforeIndex > appliedIndex)
      fail(
        member,
        `changes the configuration at ${index}; that at ${beforeIndex} is not applied (${appliedIndex} is)`,
      );
    const committed = member.raft.entryAt(commitIndex) ?? life.committed.entryAt(commitIndex);
    if (committed !== undefined && committed.term !== term)
      fail(member, `changes the configuration at ${index} before anything of its term ${term} is committed`);
    for (const voter of configuration.voters) {
      const promoted = before.learners?.includes(voter) ? configurations.memberOf(voter) : undefined;
      if (promoted === undefined || promoted.damaged || promoted.durable.lastIndex >= 0.9 * (index - 1))
        continue;
      fail(
        member,
        `has ${promoted.name} vote at ${index}, whose disk holds entries up to ${promoted.durable.lastIndex} only`,
      );
    }
    if (overlap(configurations.isQuorum, before, configuration)) return;
    fail(
      member,
      `goes from ${named(before)} to ${named(configuration)}, which have quorums without a member in common`,
    );
  };

  const checker: Checker = {
    name: '13-one-change-at-a-time',
    claim:
      'The last configuration in a log is in force; the next one begins when it is applied, makes voters only of learners that have caught up, and their quorums overlap.',
    memberStarted: (member) => actsByItsLog(member),
    drained(member: MemberSight, effects: RaftEffects) {
      if (configurations === undefined) return;
      const before = configurations.before(member);
      if (before === undefined && effects.configuration === undefined) return;
      actsByItsLog(member, effects);
      if (before !== undefined) checkOwn(member, effects, before.configuration, before.index);
    },
  };
  return checker;
}

function alike(one: Configuration, other: Configuration): boolean {
  const parts = ({ voters, outgoing, learners }: Configuration): string =>
    [voters, outgoing ?? [], learners ?? []].map((ids) => ids.toSorted().join()).join(';');
  return one === other || parts(one) === parts(other);
}

/** No set of members is a quorum of the one while those left out are a quorum of the other. */
function overlap(
  isQuorum: (configuration: Configuration, counts: (voter: number) => boolean) => boolean,
  one: Configuration,
  other: Configuration,
): boolean {
  const all = [...new Set([...membersOf(one), ...membersOf(other)])];
  for (let set = 0; set < 2 ** all.length; set++) {
    const has = (voter: number): boolean => (set & (1 << all.indexOf(voter))) !== 0;
    if (isQuorum(one, has) && isQuorum(other, (voter) => !has(voter))) return false;
  }
  return true;
}
