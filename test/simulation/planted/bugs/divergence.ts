import type { PlantedBug } from '../bug.ts';

/** Small lives, in which the state of one member comes to differ. */
const life: PlantedBug['life'] = {
  faults: 'process',
  divergence: true,
  clients: 3,
  candidates: 0,
  seconds: 20,
};
const seenWhere = 'src/member/corruption-check.ts';

/** Bugs in how members find who of them differs, and what becomes of that one. */
export const divergenceBugs: readonly PlantedBug[] = [
  {
    id: 'compared-at-other-revisions',
    title: 'Members are compared by what each has now, and not by the revision that they are asked for',
    seen: 'nowhere yet: a hash without its revision',
    edits: [
      {
        file: seenWhere,
        find: 'const answer = keyspace.hashAt(revision);',
        replace: 'const answer = keyspace.hashAt(Math.max(keyspace.revision, revision - revision));',
      },
    ],
    life,
    checkers: ['taken-out'],
  },
  {
    id: 'the-majority-is-accused',
    title: 'The verdict names those who agree, instead of the one that differs from them',
    seen: 'nowhere yet: a comparison turned around',
    edits: [
      {
        file: 'src/member/corruption-verdict.ts',
        find: 'for (const one of group) if (read(one).hash !== majority)',
        replace: 'for (const one of group) if (read(one).hash === majority)',
      },
    ],
    life,
    checkers: ['taken-out'],
  },
  {
    id: 'the-leader-is-right',
    title: 'Who differs from the leader is taken out, also where it is the leader that differs',
    seen: 'etcd-io/etcd#14828',
    edits: [
      {
        file: 'src/member/corruption-verdict.ts',
        find: '    const majority = [...hashes].find((hash) => {',
        replace: '    const majority = [...hashes].find((hash, at) => {\n      if (at >= 0) return true;',
      },
    ],
    life,
    checkers: ['taken-out'],
  },
  {
    id: 'two-of-five-decide',
    title: 'The most of those who answered decide who differs, although they are no majority of the voters',
    seen: 'nowhere yet: a majority of those who are there',
    edits: [
      {
        file: 'src/member/corruption-verdict.ts',
        find: 'return agreeing.length * 2 > voters.length;',
        replace: 'return agreeing.length > 0;',
      },
    ],
    life,
    checkers: ['taken-out'],
  },
  {
    id: 'who-is-under-alarm-serves',
    title: 'A member that an alarm names goes on to answer reads that ask for no quorum',
    seen: 'nowhere yet: an alarm that nobody heeds',
    edits: [
      {
        file: seenWhere,
        find: "      this.takeOut(differs('an alarm names it'));",
        replace: "      this.context.setup.logger.warn({}, 'It differs.');",
      },
    ],
    life,
    checkers: ['taken-out'],
  },
  {
    id: 'who-lags-is-never-compared',
    title: 'A member that was behind when it was asked is left out for good',
    seen: 'etcd-io/etcd#13766: who answers that this is a future revision passes the check',
    edits: [
      {
        file: seenWhere,
        find: '  private nextQuestion = 1;\n',
        replace: '  private nextQuestion = 1;\n  private readonly lagging = new Set<number>();\n',
      },
      {
        file: seenWhere,
        find: "        if (answer?.outcome === 'compacted') return undefined;\n",
        replace:
          "        if (answer?.outcome === 'behind') this.lagging.add(member);\n        if (this.lagging.has(member) || answer?.outcome === 'compacted') return undefined;\n",
      },
    ],
    life: { ...life, faults: 'network' },
    checkers: ['progress', 'taken-out'],
  },
  {
    id: 'leases-are-not-compared',
    title: 'Only keys are compared, so a member whose leases differ is never found',
    seen: 'nowhere yet: what a hash leaves out',
    edits: [
      {
        file: seenWhere,
        find: 'const comparable = keyspace.appliedIndex === appliedIndex && keyspace.leaseCount <= mostLeasesToWalk;',
        replace: 'const comparable = appliedIndex < 0 && keyspace.leaseCount <= mostLeasesToWalk;',
      },
    ],
    life,
    checkers: ['progress'],
  },
  {
    id: 'memory-is-not-looked-at',
    title: 'What lies in memory is not held against the hashes that were taken of it',
    seen: 'nowhere yet: bits that flip in memory',
    edits: [
      {
        file: 'src/keyspace/verification.ts',
        find: "if (checked < 0) return 'damaged';",
        replace: 'if (checked < 0) continue;',
      },
    ],
    life,
    checkers: ['final-state', 'progress'],
  },
];
