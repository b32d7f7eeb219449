import type { PlantedBug } from '../bug.ts';

/** Small lives with nothing but the membership in them. */
const life: PlantedBug['life'] = {
  ...{ faults: 'membership', clients: 3, candidates: 0, seconds: 20 },
  divergence: false,
};

/** Bugs in how members join, leave and change their part. */
export const membershipBugs: readonly PlantedBug[] = [
  {
    id: 'learners-count',
    title: 'What learners hold counts for commitments',
    seen: 'Ongaro, dissertation, section 4.2.1: servers that catch up do not count toward majorities',
    edits: [
      {
        file: 'src/raft/leadership.ts',
        find: 'const held = quorumValue(core.configuration, (voter) =>',
        replace:
          'const held = quorumValue({ ...core.configuration, voters: [...core.configuration.voters, ...(core.configuration.learners ?? [])] }, (voter) =>',
      },
    ],
    life: { ...life, members: 1 },
    checkers: ['07-committed-is-durable'],
  },
  {
    id: 'joint-commit-by-the-new',
    title: 'In a joint configuration the majority of the new voters commits',
    seen: 'etcd-io/raft: quorum/joint.go takes the lower of both majorities; Raft paper, section 6',
    edits: [
      {
        file: 'src/raft/quorum.ts',
        find: 'return Math.min(value, majorityValue(configuration.outgoing, reachedBy));',
        replace: 'return value;',
      },
    ],
    life,
    checkers: ['07-committed-is-durable', '06-committed-stays', '04-leader-completeness'],
  },
  {
    id: 'joint-election-by-the-new',
    title: 'In a joint configuration the majority of the new voters elects',
    seen: 'Raft paper, section 6: agreement requires separate majorities from both',
    edits: [
      {
        file: 'src/raft/quorum.ts',
        find: "return before === 'won' ? result : before;",
        replace: "return before === 'won' ? before : result;",
      },
    ],
    life,
    checkers: ['elected-by-a-quorum', '01-one-leader-for-a-term'],
  },
  {
    id: 'joint-commit-by-the-new-in-the-core',
    title: 'In a joint configuration the majority of the new voters commits, as the core alone shows it',
    seen: 'etcd-io/raft: quorum/joint.go takes the lower of both majorities; Raft paper, section 6',
    edits: [
      {
        file: 'src/raft/quorum.ts',
        find: 'return Math.min(value, majorityValue(configuration.outgoing, reachedBy));',
        replace: 'return value;',
      },
    ],
    life: {},
    core: 'joint-changes',
    checkers: ['joint-changes'],
  },
  {
    id: 'joint-election-by-the-new-in-the-core',
    title: 'In a joint configuration the majority of the new voters elects, as the core alone shows it',
    seen: 'Raft paper, section 6: agreement requires separate majorities from both',
    edits: [
      {
        file: 'src/raft/quorum.ts',
        find: "return before === 'won' ? result : before;",
        replace: "return before === 'won' ? before : result;",
      },
    ],
    life: {},
    core: 'joint-changes',
    checkers: ['joint-changes'],
  },
  {
    id: 'two-changes-at-once',
    title: 'A change of the membership is taken before the one before is applied',
    seen: 'Ongaro, dissertation, section 4.1: at most one at a time',
    edits: [
      {
        file: 'src/raft/membership.ts',
        find: "if (index > core.appliedIndex || isJoint(configuration)) return 'in-progress';",
        replace: "if (isJoint(configuration)) return 'in-progress';",
      },
    ],
    life,
    checkers: ['13-one-change-at-a-time'],
  },
  {
    id: 'change-before-own-term',
    title: 'A new leader changes the membership before anything of its own term is committed',
    seen: 'Ongaro, "bug in single-server membership changes", raft-dev, 2015',
    edits: [
      {
        file: 'src/raft/membership.ts',
        find: 'if (core.commitIndex < leadership.ownTermIndex || core.transfer !== undefined)',
        replace: 'if (core.transfer !== undefined)',
      },
    ],
    life,
    checkers: ['13-one-change-at-a-time'],
  },
  {
    id: 'removed-leader-goes-on',
    title: 'A leader goes on leading when its own removal is committed',
    seen: 'Ongaro, dissertation, section 4.2.2',
    edits: [
      {
        file: 'src/raft/membership.ts',
        find: 'if (core.isVoter || core.transfer !== undefined) return;',
        replace: 'if (core.term >= 0) return;',
      },
      {
        file: 'src/raft/membership.ts',
        find: 'return !core.isVoter && core.transfer === undefined && core.commitIndex >= index;',
        replace: 'return core.term < 0 && core.commitIndex >= index;',
      },
    ],
    life,
    checkers: ['removed-stays-out'],
  },
  {
    id: 'removed-member-disturbs',
    title: 'Members that were removed are let in, campaign without asking, and depose leaders',
    seen: 'Raft paper, section 6: removed servers can disrupt the cluster; dissertation, section 4.2.3',
    edits: [
      {
        file: 'src/raft/election.ts',
        find: "  core.role = 'pre-candidate';\n  core.campaign = { votes: new Map(), transfer: false, hinted };",
        replace:
          "  if (core.term > 0) return startElection(core, { transfer: true, hinted });\n  core.role = 'pre-candidate';\n  core.campaign = { votes: new Map(), transfer: false, hinted };",
      },
      {
        file: 'src/member/membership/membership.ts',
        find: "if (this.removed.includes(from)) return { code: 'removed', text: removedText(from) };",
        replace: 'if (this.removed.includes(from)) return undefined;',
      },
    ],
    life,
    checkers: ['removed-stays-out'],
  },
  {
    id: 'configuration-at-commit',
    title: 'A configuration is in force when it is committed, not when it is in the log',
    seen: 'Raft paper, section 6: a server always uses the latest configuration in its log, committed or not',
    edits: [
      {
        file: 'src/raft/core.ts',
        find: "    if (entry.kind === 'configuration') this.configurations.append(entry);\n",
        replace: '',
      },
      {
        file: 'src/raft/core.ts',
        find: '    this.commitIndex = index;\n',
        replace:
          "    for (let at = this.commitIndex + 1; at <= index; at++) {\n      const entry = this.log.entryAt(at);\n      if (entry?.kind === 'configuration') this.configurations.append(entry);\n    }\n    this.commitIndex = index;\n",
      },
    ],
    life,
    checkers: ['13-one-change-at-a-time'],
  },
  {
    id: 'truncated-configuration-stays',
    title: 'When the end of the log is replaced, a configuration that was there stays in force',
    seen: 'Ongaro, dissertation, section 4.1: a server may fall back to the previous configuration',
    edits: [
      {
        file: 'src/raft/follower.ts',
        find: '    core.configurations.truncateFrom(first.index);\n',
        replace: '',
      },
    ],
    life,
    checkers: ['13-one-change-at-a-time'],
  },
  {
    id: 'snapshot-without-its-configuration',
    title: 'A snapshot carries the configuration that the group began with',
    seen: 'Ongaro, dissertation, section 5.1: the latest configuration as of last included index',
    edits: [
      {
        file: 'src/raft/raft.ts',
        find: 'return this.#core.configurations.at(index);',
        replace: 'return index < 0 ? this.#core.configuration : this.#core.options.configuration;',
      },
    ],
    life,
    checkers: ['13-one-change-at-a-time'],
  },
  {
    id: 'promoted-without-catching-up',
    title: 'A learner is made a voter whatever it lacks of the log',
    seen: 'etcd: ErrLearnerNotReady; Ongaro, dissertation, section 4.2.1',
    edits: [
      {
        file: 'src/raft/membership.ts',
        find: "return lags ? 'not-caught-up' : undefined;",
        replace: "return lags && index < 0 ? 'not-caught-up' : undefined;",
      },
    ],
    life: { ...life, members: 1 },
    checkers: ['13-one-change-at-a-time'],
  },
  {
    id: 'joined-member-does-not-vote',
    title: 'A member that joined votes for nobody but itself, also when it has become a voter',
    seen: 'etcd-io/raft, raft.go: learners must be allowed to cast votes, since a candidate may know of their promotion',
    edits: [
      {
        file: 'src/raft/election.ts',
        find: 'const free = core.votedFor === message.from || (core.votedFor === 0 && core.leader === 0);',
        replace:
          'const free = core.options.configuration.voters.length > 0 && (core.votedFor === message.from || (core.votedFor === 0 && core.leader === 0));',
      },
    ],
    life,
    checkers: ['progress'],
  },
  {
    id: 'removal-spoils-the-folder',
    title: 'The checksum of a folder that is marked as removed is not where it is looked for',
    seen: 'Conclave, found by seed 2 of lives with membership changes',
    edits: [
      {
        file: 'src/member/identity-file.ts',
        find: 'JSON.stringify({ ...fields, crc32: nothing }, null, 2)',
        replace: 'JSON.stringify({ ...identity, crc32: nothing }, null, 2)',
      },
    ],
    life,
    checkers: ['06-committed-stays', '02-leader-append-only', 'program', 'progress'],
  },
  {
    id: 'late-refusal-is-believed',
    title: 'A member that joins is refused for a greeting from before it had data, and stops',
    seen: 'Conclave, found by seed 18 of lives with membership changes',
    edits: [
      {
        file: 'src/member/membership/membership.ts',
        find: "code === 'lost-data' && !this.leaving && this.greeting().fresh)",
        replace: "code === 'lost-data' && !this.leaving)",
      },
    ],
    life,
    // Greetings must be on their way for long, while others arrive at once.
    settings: [
      {
        file: 'src/simulation/faults/options.ts',
        find: 'lossRate: rate(0.3),',
        replace: 'lossRate: 0.3,',
      },
      {
        file: 'src/simulation/faults/options.ts',
        find: "    'add-learner': 8,",
        replace: "    'add-learner': 20,",
      },
      {
        file: 'src/simulation/faults/options.ts',
        find: "    'remove-member': 12,",
        replace: "    'remove-member': 24,",
      },
    ],
    checkers: ['program'],
  },
  {
    id: 'no-change-after-a-snapshot',
    title: 'A snapshot gives the configuration in force another index, of which the member is not told',
    seen: 'Conclave, found by seed 4 of lives with membership changes',
    edits: [
      {
        file: 'src/raft/configuration.ts',
        find: 'isOurs ? inForce : base, ...later',
        replace: 'base, ...later',
      },
      {
        file: 'src/raft/raft.ts',
        find: 'if (latest === this.#reportedConfiguration) return undefined;',
        replace: 'if (latest.configuration === this.#reportedConfiguration.configuration) return undefined;',
      },
      {
        file: 'src/raft/raft.ts',
        find: 'core.configurations.latest !== this.#reportedConfiguration ||',
        replace: 'core.configuration !== this.#reportedConfiguration.configuration ||',
      },
    ],
    life,
    checkers: ['progress'],
  },
  {
    id: 'stale-acknowledgements-of-one-that-returns',
    title: 'What a member acknowledged before it was removed counts when it is added again',
    seen: 'tikv/raft-rs#571',
    edits: [
      {
        file: 'src/raft/membership.ts',
        find: 'if (progress.get(peer)?.departedAtIndex === 0) continue;',
        replace: 'if (progress.has(peer)) continue;',
      },
    ],
    life,
    checkers: ['12-match-is-on-disk', '07-committed-is-durable'],
    outOfReach:
      'no id is given twice: who comes back is another member, and the core test of section 6 adds one under its old id',
  },
];
