import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeConfiguration } from './configuration.ts';
import { majorityOf } from './quorum.ts';
import { Cluster, type ClusterMember, type Faults, type Observer } from './testing/cluster.ts';
import type { Configuration, Entry, MemberId } from './types.ts';

/**
 * Section 6 of the extended Raft paper (and chapter 4 of the dissertation): the properties of figure 3 while members
 * join, leave and change their part at random, singly and through joint configurations, on slow disks, with state
 * machines that lag, under crashes, partitions and changes of the leader. SEED and SEEDS choose other histories.
 */

const firstSeed = Number(process.env.SEED ?? 1);
const seeds = Number(process.env.SEEDS ?? 20);
const steps = 600;

const faults: Faults = {
  drop: 0.05,
  repeat: 0.1,
  crash: 0.01,
  restart: 0.2,
  isolate: 0.02,
  heal: 0.1,
  disconnect: 0.02,
  transfer: 0.005,
  preVote: 0.3,
  write: 0.5,
  change: 0.15,
  several: 0.25,
  lateApply: 0.2,
};
const mixtures: readonly Partial<Faults>[] = [
  {},
  { crash: 0.06, restart: 0.5, isolate: 0.05, heal: 0.2, drop: 0.1, write: 0.3, lateApply: 0.6 },
  { crash: 0.1, restart: 1, isolate: 0.1, heal: 0.3, disconnect: 0, preVote: 1, change: 0.4 },
  {
    split: 0.02,
    heal: 0.01,
    restart: 0.5,
    preVote: 1,
    drop: 0.15,
    change: 0.8,
    several: 0.9,
    lateApply: 0.9,
  },
];

/** Runs a history for each seed and each mixture of chances, with spare members that changes take in. */
function explore(observe: () => Observer): void {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
    for (const chances of mixtures) {
      try {
        const size = 1 + (seed % 4);
        const cluster = new Cluster(seed, size, { ...faults, ...chances }, observe(), 6 - size);
        for (let step = 0; step < steps; step += 1) cluster.step();
      } catch (error) {
        const what = `seed ${seed} with ${JSON.stringify(chances)}`;
        throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
      }
    }
  }
}

const stateOf = ({ core }: ClusterMember) => core?.status() ?? { role: 'follower', term: 0, commitIndex: 0 };

function isSame(left: Entry, right: Entry | undefined): boolean {
  if (left === right) return true;
  if (right === undefined || left.index !== right.index || left.term !== right.term) return false;
  return left.kind === right.kind && Buffer.compare(left.data, right.data) === 0;
}

/** Whether these alone could elect or commit. */
function isQuorum({ voters, outgoing }: Configuration, members: ReadonlySet<MemberId>): boolean {
  const has = (those: readonly MemberId[]) =>
    those.filter((voter) => members.has(voter)).length >= majorityOf(those.length);
  return has(voters) && (outgoing === undefined || has(outgoing));
}

/** Counted out: whether some quorum of the one and some quorum of the other have nobody in common. */
function canDisagree(one: Configuration, other: Configuration): boolean {
  for (let bits = 0; bits < 64; bits += 1) {
    const inside = new Set([1, 2, 3, 4, 5, 6].filter((member) => bits & (1 << (member - 1))));
    const outside = new Set([1, 2, 3, 4, 5, 6].filter((member) => !inside.has(member)));
    if (isQuorum(one, inside) && isQuorum(other, outside)) return true;
  }
  return false;
}

test('§6, safety: there is no point during a change where two leaders are elected for the same term', () => {
  let elections = 0;
  let byOthers = 0;
  explore(() => {
    const leaders = new Map<number, MemberId>();
    const first = new Map<MemberId, boolean>();
    return (member) => {
      const { role, term } = stateOf(member);
      if (!first.has(member.id))
        first.set(member.id, member.core?.status().configuration.voters.length === 0);
      if (role !== 'leader') return;
      if (!leaders.has(term)) elections += 1;
      if (!leaders.has(term) && first.get(member.id)) byOthers += 1;
      const known = leaders.get(term) ?? member.id;
      assert.equal(known, member.id, `members ${known} and ${member.id} lead in term ${term}`);
      leaders.set(term, member.id);
    };
  });
  assert.ok(
    elections > 8 * seeds && byOthers > seeds,
    `${elections} elections, ${byOthers} of members that joined`,
  );
});

test('§6, safety: what was committed by any configuration is in the logs of all later leaders, and applied by all alike', () => {
  let committedEntries = 0;
  let changes = 0;
  let laterLeaders = 0;
  explore(() => {
    const committed: { readonly entry: Entry; readonly term: number }[] = [];
    const elected = new Set<number>();
    return (changed, effects, { members }) => {
      for (const entry of effects.committed) {
        const known = committed[entry.index - 1]?.entry;
        assert.ok(
          known === undefined || isSame(known, entry),
          `member ${changed.id} applies another ${entry.index}`,
        );
      }
      const { role, term, commitIndex } = stateOf(changed);
      if (role !== 'leader') return;
      const { log } = changed;
      const before = committed.length;
      for (const entry of log.slice(before, commitIndex)) {
        committed.push({ entry, term });
        if (entry.kind === 'configuration') changes += 1;
      }
      committedEntries += committed.length - before;
      if (!elected.has(term) && before > 0) laterLeaders += 1;
      elected.add(term);
      for (const member of committed.length > before ? members : [changed]) {
        const leader = stateOf(member);
        if (leader.role !== 'leader') continue;
        const has = member === changed ? log : member.log;
        const missing = committed.find(
          (each) => each.term < leader.term && !isSame(each.entry, has[each.entry.index - 1]),
        );
        if (missing === undefined) continue;
        const what = `entry ${missing.entry.index}, committed in term ${missing.term}`;
        assert.fail(`leader ${member.id} of term ${leader.term} lacks ${what}`);
      }
    };
  });
  const seen = `${committedEntries} committed, ${changes} changes, ${laterLeaders} later leaders`;
  assert.ok(committedEntries > 50 * seeds && changes > 10 * seeds && laterLeaders > 5 * seeds, seen);
});

test('§6: of each configuration in a leader’s log and the one before it, all quorums overlap', () => {
  let compared = 0;
  let joint = 0;
  explore(() => {
    const seen = new Set<string>();
    return (member, _, { firstVoters }) => {
      const { role, term } = stateOf(member);
      const entries = role === 'leader' ? member.log.filter(({ kind }) => kind === 'configuration') : [];
      let before: Configuration = { voters: firstVoters };
      for (const { index, term: of, data } of entries) {
        const after = decodeConfiguration(data);
        const name = `${index} ${of}`;
        if (!seen.has(name)) {
          const what = `${JSON.stringify(before)} and ${JSON.stringify(after)} in term ${term}`;
          assert.ok(!canDisagree(before, after), what);
          compared += 1;
          if (after.outgoing !== undefined) joint += 1;
        }
        seen.add(name);
        before = after;
      }
    };
  });
  assert.ok(compared > 15 * seeds && joint > 2 * seeds, `${compared} compared, ${joint} joint`);
});

test('§6: a leader begins no change before the one before is committed, applied, and its joint configuration left', () => {
  let begun = 0;
  explore(() => {
    const longest = new Map<MemberId, { readonly term: number; readonly length: number }>();
    return (member) => {
      const { role, term, commitIndex } = stateOf(member);
      if (role !== 'leader') return;
      const { log } = member;
      const known = longest.get(member.id);
      const before = known?.term === term ? known.length : log.length;
      longest.set(member.id, { term, length: log.length });
      const fresh = log.slice(before).filter(({ kind }) => kind === 'configuration');
      assert.ok(fresh.length <= 1);
      begun += fresh.length;
      const unsettled = log.slice(commitIndex).filter(({ kind }) => kind === 'configuration');
      assert.ok(unsettled.length <= 1, `leader ${member.id} of term ${term} has two changes uncommitted`);
      // What it began with must be its own: its no-op comes first (dissertation §4.1).
      const [change] = fresh;
      if (change !== undefined)
        assert.ok(log[commitIndex - 1]?.term === term, 'nothing of its own term is committed');
    };
  });
  assert.ok(begun > 15 * seeds, `${begun} begun`);
});

test('§6: once all is well again, whoever leads is a member, commits, and those who were removed disturb nobody', () => {
  let removed = 0;
  for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
    const size = 1 + (seed % 4);
    const cluster = new Cluster(seed, size, { ...faults, change: 0.3 }, () => {}, 6 - size);
    for (let step = 0; step < steps; step += 1) cluster.step();
    cluster.calm();
    for (let step = 0; step < 400; step += 1) cluster.step();
    const states = () => cluster.members.map(({ core }) => core?.status());
    const leaderOf = () =>
      states()
        .filter((state) => state?.role === 'leader')
        .reduce((one, other) => ((one?.term ?? 0) > (other?.term ?? 0) ? one : other), undefined);
    const before = leaderOf();
    assert.ok(before !== undefined, `seed ${seed}: nobody leads`);
    for (let step = 0; step < 200; step += 1) cluster.step();
    const after = leaderOf();
    assert.equal(after?.term, before.term, `seed ${seed}: the leader of a calm cluster was deposed`);
    assert.ok(after.commitIndex > before.commitIndex, `seed ${seed}: nothing was committed`);
    const { voters, outgoing, learners = [] } = after.configuration;
    assert.equal(outgoing, undefined, `seed ${seed}: a joint configuration was not left`);
    assert.ok(voters.includes(after.leader), `seed ${seed}: member ${after.leader} leads and is none`);
    for (const id of [...voters, ...learners]) {
      const state = cluster.members[id - 1]?.core?.status();
      assert.ok((state?.commitIndex ?? 0) > before.commitIndex, `seed ${seed}: member ${id} was left behind`);
    }
    removed += 6 - voters.length - learners.length;
  }
  assert.ok(removed > seeds, `${removed} removed`);
});
