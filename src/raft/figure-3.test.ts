import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster, type ClusterMember, type Faults, type Observer } from './testing/cluster.ts';
import type { Entry, MemberId } from './types.ts';

/**
 * The five properties of figure 3 of the extended Raft paper, each on random histories of small clusters, and each looked
 * at from outside, after every single thing that a member does. Every test also counts what makes its property hard to
 * keep, so that it cannot pass because nothing happened. SEED and SEEDS choose other histories.
 */

const firstSeed = Number(process.env.SEED ?? 1);
const seeds = Number(process.env.SEEDS ?? 40);
const steps = 500;

const faults: Faults = {
  drop: 0.05,
  repeat: 0.1,
  crash: 0.01,
  restart: 0.1,
  isolate: 0.01,
  heal: 0.05,
  disconnect: 0.02,
  transfer: 0.005,
  preVote: 0.3,
  write: 0.5,
};

/** Many candidates at once; and votes that a crash may take back. */
const rivals: readonly Partial<Faults>[] = [
  { crash: 0.1, restart: 0.5, drop: 0.2, repeat: 0.3, disconnect: 0, preVote: 1 },
  { crash: 0.2, restart: 1, drop: 0.1, repeat: 0.3, write: 0.3, disconnect: 0, preVote: 1 },
];

/** Leaders that are gone before all have their entries, and come back. */
const deposed: readonly Partial<Faults>[] = [
  { crash: 0.06, restart: 0.5, isolate: 0.05, heal: 0.1, drop: 0.1, write: 0.3 },
  { crash: 0.1, restart: 1, isolate: 0.1, heal: 0.2, disconnect: 0, preVote: 1 },
];

/** Runs a history for each seed and each of these mixtures of chances. `observe` makes what watches one. */
function explore(
  sizes: readonly number[],
  mixtures: readonly Partial<Faults>[],
  observe: () => Observer,
): void {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
    for (const chances of mixtures) {
      try {
        const size = sizes[seed % sizes.length] as number;
        const cluster = new Cluster(seed, size, { ...faults, ...chances }, observe());
        for (let step = 0; step < steps; step += 1) cluster.step();
      } catch (error) {
        const what = `seed ${seed} with ${JSON.stringify(chances)}`;
        throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
      }
    }
  }
}

function isSame(left: Entry | undefined, right: Entry | undefined): boolean {
  if (left === right) return true;
  if (left === undefined || right === undefined) return false;
  if (left.index !== right.index || left.term !== right.term || left.kind !== right.kind) return false;
  return left.data.length === right.data.length && left.data.every((byte, at) => byte === right.data[at]);
}

/** The first index at which `log` does not have what `prefix` has; 0: none. */
function firstDifference(prefix: readonly Entry[], log: readonly Entry[]): number {
  for (let at = 0; at < prefix.length; at += 1) if (!isSame(prefix[at], log[at])) return at + 1;
  return 0;
}

const stateOf = ({ core }: ClusterMember) => core?.status() ?? { role: 'follower', term: 0, commitIndex: 0 };

test('Figure 3, Election Safety: at most one leader is elected in a term', () => {
  let elections = 0;
  let rivalries = 0;
  explore([3, 4, 5], rivals, () => {
    const leaders = new Map<number, MemberId>();
    const candidates = new Map<number, Set<MemberId>>();
    return (member) => {
      const { role, term } = stateOf(member);
      if (role === 'candidate') {
        const rivals = candidates.get(term) ?? new Set();
        if (rivals.size === 1 && !rivals.has(member.id)) rivalries += 1;
        candidates.set(term, rivals.add(member.id));
      }
      if (role !== 'leader') return;
      if (!leaders.has(term)) elections += 1;
      const known = leaders.get(term) ?? member.id;
      assert.equal(known, member.id, `members ${known} and ${member.id} lead in term ${term}`);
      leaders.set(term, member.id);
    };
  });
  assert.ok(
    elections > 5 * seeds && rivalries > seeds / 2,
    `${elections} elections, ${rivalries} with rivals`,
  );
});

test('Figure 3, Leader Append-Only: a leader never overwrites or deletes entries of its log', () => {
  let appended = 0;
  let leaderships = 0;
  explore([3, 5], [{ isolate: 0.03 }], () => {
    const leading = new Map<MemberId, { readonly term: number; readonly log: readonly Entry[] }>();
    return (member) => {
      const { role, term } = stateOf(member);
      if (role !== 'leader') {
        leading.delete(member.id);
        return;
      }
      const { log } = member;
      const before = leading.get(member.id);
      if (before?.term === term) {
        const at = firstDifference(before.log, log);
        assert.equal(at, 0, `leader ${member.id} of term ${term} has changed entry ${at}`);
        appended += log.length - before.log.length;
      } else {
        leaderships += 1;
      }
      leading.set(member.id, { term, log });
    };
  });
  assert.ok(appended > 20 * seeds && leaderships > 3 * seeds, `${appended} in ${leaderships} leaderships`);
});

test('Figure 3, Log Matching: logs with an entry of the same index and term are the same up to it', () => {
  let compared = 0;
  let conflicts = 0;
  explore([3, 5], [{ drop: 0.1, repeat: 0.3, isolate: 0.03, disconnect: 0.05 }], () => {
    const before = new Map<MemberId, readonly Entry[]>();
    return (member, _, { members }) => {
      const { log } = member;
      const known = before.get(member.id) ?? [];
      if (known.length === log.length && known.at(-1) === log.at(-1)) return;
      if (member.core !== undefined && firstDifference(known, log) > 0) conflicts += 1;
      before.set(member.id, log);
      for (const other of members) {
        if (other === member) continue;
        const theirs = other.log;
        let shared = Math.min(log.length, theirs.length);
        while (shared > 0 && log[shared - 1]?.term !== theirs[shared - 1]?.term) shared -= 1;
        const at = firstDifference(log.slice(0, shared), theirs);
        assert.equal(at, 0, `members ${member.id} and ${other.id} share entry ${shared}, but not ${at}`);
        compared += shared;
      }
    };
  });
  assert.ok(compared > 1000 * seeds && conflicts > seeds, `${compared} entries, ${conflicts} conflicts`);
});

test('Figure 3, Leader Completeness: an entry committed in a term is in the logs of the leaders of all later terms', () => {
  let committedEntries = 0;
  let laterLeaders = 0;
  explore([3, 5], deposed, () => {
    /** By index less one: the entry, and the term of the leader that first called it committed. */
    const committed: { readonly entry: Entry; readonly term: number }[] = [];
    const elected = new Set<number>();
    return (changed, _, { members }) => {
      const { role, term, commitIndex } = stateOf(changed);
      if (role !== 'leader') return;
      const { log } = changed;
      const before = committed.length;
      for (const entry of log.slice(before, commitIndex)) committed.push({ entry, term });
      committedEntries += committed.length - before;
      if (!elected.has(term) && before > 0) laterLeaders += 1;
      elected.add(term);
      // All of them, as one may lead already in a later term than that in which an old leader commits.
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
  const seen = `${committedEntries} committed, ${laterLeaders} later leaders`;
  assert.ok(committedEntries > 20 * seeds && laterLeaders > 3 * seeds, seen);
});

test('Figure 3, State Machine Safety: no two members ever apply different entries at the same index', () => {
  let applications = 0;
  let again = 0;
  explore([3, 4, 5], [{ crash: 0.02, restart: 0.2, isolate: 0.02, repeat: 0.2 }], () => {
    const appliedAt = new Map<number, { readonly entry: Entry; readonly by: Set<MemberId> }>();
    return (member, { committed }) => {
      for (const [position, entry] of committed.entries()) {
        const index = member.applied.length - committed.length + position + 1;
        assert.equal(entry.index, index, `member ${member.id} applies ${entry.index} where ${index} is due`);
        const known = appliedAt.get(index) ?? { entry, by: new Set() };
        assert.ok(isSame(entry, known.entry), `member ${member.id} applies another entry at ${index}`);
        applications += 1;
        // After a crash, from its log.
        if (known.by.has(member.id)) again += 1;
        appliedAt.set(index, { entry, by: known.by.add(member.id) });
      }
    };
  });
  assert.ok(applications > 100 * seeds && again > 20 * seeds, `${applications} applied, ${again} again`);
});
