import type { Edit, PlantedBug } from '../bug.ts';

/** Without it no life comes near a bound. */
const narrowQueues: Edit = {
  file: 'src/simulation/life/settings.ts',
  find: 'random.chance(0.2) ? narrow',
  replace: 'random.chance(0.95) ? narrow',
};

/** Bugs in the rules of figure 2 of the Raft paper, and around them. */
export const consensusBugs: readonly PlantedBug[] = [
  {
    id: 'unbounded-log',
    title: 'Without a quorum a leader takes proposals without end',
    seen: 'etcd-io/etcd#10167',
    edits: [
      {
        file: 'src/raft/leadership.ts',
        find: "return waiting > 0 && waiting + sizeBytes > limit ? 'too-many-uncommitted' : undefined;",
        replace: 'return waiting < 0 && waiting + sizeBytes > limit ? "too-many-uncommitted" : undefined;',
      },
    ],
    settings: [narrowQueues],
    life: { faults: 'network' },
    checkers: ['20-bounded-queues'],
  },
  {
    id: 'in-flight-without-bound',
    title: 'A leader sends to a slow follower without waiting for its acknowledgements',
    seen: 'Ongaro, dissertation, section 10.2.2: pipelines need flow control',
    edits: [
      {
        file: 'src/raft/replication.ts',
        find: 'inflight.bytes < (options.maxInflightBytes ?? DEFAULT_MAX_INFLIGHT_BYTES)',
        replace: 'inflight.bytes < Number.POSITIVE_INFINITY',
      },
    ],
    settings: [narrowQueues],
    life: { faults: 'network' },
    checkers: ['20-bounded-queues'],
  },
  {
    id: 'commit-earlier-term',
    title: 'An entry of an earlier term is committed by counting who holds it',
    seen: 'logcabin/logcabin#44, canonical/raft#220',
    edits: [
      {
        file: 'src/raft/leadership.ts',
        find: 'if (held > core.commitIndex && core.log.termAt(held) === core.term) commitHeld',
        replace: 'if (held > core.commitIndex) commitHeld',
      },
    ],
    life: { faults: 'all' },
    checkers: ['08-own-term-counting', '06-committed-stays', '04-leader-completeness'],
  },
  {
    id: 'commits-what-it-finds',
    title: 'A new leader takes all that it finds in its log for committed',
    seen: 'invariant 8',
    edits: [
      {
        file: 'src/raft/leadership.ts',
        find: "  appendOwn(core, leadership, 'empty', new Uint8Array(0));",
        replace:
          "  core.commitTo(core.log.lastIndex);\n  appendOwn(core, leadership, 'empty', new Uint8Array(0));",
      },
    ],
    life: { faults: 'all' },
    checkers: ['08-own-term-counting', '07-committed-is-durable'],
  },
  {
    id: 'commit-forgotten-at-start',
    title: 'A member that starts has forgotten what it knew to be committed',
    seen: 'invariant 9',
    edits: [
      {
        file: 'src/raft/core.ts',
        find: 'this.commitIndex = Math.max(this.log.baseIndex, Math.min(commitIndex, this.log.lastIndex));',
        replace: 'this.commitIndex = this.log.baseIndex;',
      },
    ],
    life: { faults: 'process' },
    checkers: ['09-nothing-goes-back'],
  },
  {
    id: 'match-from-hint',
    title: 'The hint in the answer to a probe counts as what the follower holds',
    seen: 'databendlabs/openraft#1802',
    edits: [
      {
        file: 'src/raft/replication.ts',
        find: '  progress.becomeProbe(Math.min(rejectedIndex, agreed + 1));',
        replace:
          '  progress.acknowledge(message.hintIndex);\n  progress.becomeProbe(Math.min(rejectedIndex, agreed + 1));',
      },
    ],
    life: { faults: 'network' },
    checkers: ['12-match-is-on-disk', '07-committed-is-durable', '14-heartbeat-commit', 'program'],
  },
  {
    id: 'stale-acknowledgements',
    title:
      'What a follower acknowledged in an earlier session still counts when it comes back without its disk',
    seen: 'tikv/raft-rs#571',
    edits: [
      {
        file: 'src/raft/replication.ts',
        find: 'if (progress === undefined || message.session !== progress.session) return;',
        replace: 'if (progress === undefined) return;',
      },
      {
        file: 'src/raft/progress.ts',
        find: '    this.matchIndex = 0;\n',
        replace: '',
      },
    ],
    life: { faults: 'process' },
    checkers: ['12-match-is-on-disk', '07-committed-is-durable', '14-heartbeat-commit', 'program'],
  },
  {
    id: 'counts-itself-early',
    title: 'A leader counts its own copy of an entry before that is durable',
    seen: 'etcd-io/etcd#14370',
    edits: [
      {
        file: 'src/raft/membership.ts',
        find: 'voter === core.id ? core.durability.durableIndex : (leadership',
        replace: 'voter === core.id ? core.log.lastIndex : (leadership',
      },
    ],
    life: { faults: 'process' },
    checkers: ['07-committed-is-durable'],
  },
  {
    id: 'single-member-acknowledges-early',
    title: 'A single member commits and applies what is not durable yet',
    seen: 'etcd-io/etcd#14370',
    edits: [
      {
        file: 'src/raft/membership.ts',
        find: 'voter === core.id ? core.durability.durableIndex : (leadership',
        replace: 'voter === core.id ? core.log.lastIndex : (leadership',
      },
      {
        file: 'src/raft/raft.ts',
        find: 'const end = Math.min(core.commitIndex, core.durability.durableIndex);',
        replace: 'const end = core.commitIndex;',
      },
    ],
    life: { faults: 'process', members: 1 },
    checkers: ['07-committed-is-durable', '10-indexes-in-order', '06-committed-stays'],
  },
  {
    id: 'truncates-what-agrees',
    title: 'An append that comes late deletes what follows it, although the logs agree',
    seen: 'the Raft paper, figure 2, AppendEntries rule 3',
    edits: [
      {
        file: 'src/raft/follower.ts',
        find: '(entries[known] as Entry).index) === (entries[known] as Entry).term',
        replace: '(entries[known] as Entry).index) === -1',
      },
    ],
    life: { faults: 'network' },
    checkers: [
      '11-durable-before-sent',
      '07-committed-is-durable',
      '12-match-is-on-disk',
      '14-heartbeat-commit',
      'program',
    ],
  },
  {
    id: 'log-matching-skipped',
    title: 'A follower appends without comparing the term of the entry before',
    seen: 'the Raft paper, figure 2, AppendEntries rule 2',
    edits: [
      {
        file: 'src/raft/follower.ts',
        find: '  if (core.log.termAt(previousIndex) !== previousTerm) {',
        replace: '  if (core.log.termAt(previousIndex) === undefined) {',
      },
    ],
    life: { faults: 'network' },
    // A deposed leader must have as many entries of its own as the next one has.
    settings: [
      {
        file: 'src/simulation/faults/options.ts',
        find: "    'isolate-from-members': 5,",
        replace: "    'isolate-from-members': 30,",
      },
    ],
    checkers: ['03-log-matching', '12-match-is-on-disk', '07-committed-is-durable', 'program'],
  },
  {
    id: 'votes-for-a-shorter-log',
    title: 'A vote goes to a candidate whose log is behind',
    seen: 'the Raft paper, §5.4.1',
    edits: [
      {
        file: 'src/raft/election.ts',
        find: '  return message.lastIndex >= core.log.lastIndex;',
        replace: '  return true;',
      },
    ],
    life: { faults: 'network' },
    checkers: ['04-leader-completeness', '07-committed-is-durable', '06-committed-stays', 'program'],
  },
  {
    id: 'two-votes-in-a-term',
    title: 'A member votes for whoever asks, also twice in a term',
    seen: 'the Raft paper, §5.2',
    edits: [
      {
        file: 'src/raft/election.ts',
        find: '  if (!free || !isUpToDate(core, message)) {',
        replace: '  if ((!free && core.leader !== 0) || !isUpToDate(core, message)) {',
      },
    ],
    life: { faults: 'all', members: 5 },
    checkers: ['01-one-leader-for-a-term', '09-nothing-goes-back', '11-durable-before-sent', 'program'],
  },
  {
    id: 'commit-told-on-faith',
    title: 'Heartbeats tell followers of a commit index above what they hold',
    seen: 'the Raft dissertation, §3.5; invariant 14',
    edits: [
      {
        file: 'src/raft/leadership.ts',
        find: 'commitIndex: Math.min(core.commitIndex, progress.matchIndex),',
        replace: 'commitIndex: core.commitIndex,',
      },
    ],
    life: { faults: 'network' },
    checkers: ['14-heartbeat-commit', 'program'],
  },
  {
    id: 'commit-told-of-what-was-sent',
    title: 'Heartbeats tell followers of the commit index as far as entries were sent, acknowledged or not',
    seen: 'the Raft dissertation, §3.5; invariant 14',
    edits: [
      {
        file: 'src/raft/leadership.ts',
        find: 'commitIndex: Math.min(core.commitIndex, progress.matchIndex),',
        replace: 'commitIndex: Math.min(core.commitIndex, progress.nextIndex - 1),',
      },
    ],
    // Where nothing is lost and links keep their order, what was sent is there before.
    life: { faults: 'none' },
    checkers: ['14-heartbeat-commit'],
  },
  {
    id: 'acknowledges-what-is-replaced',
    title: 'Entries that replace others are acknowledged as durable since the others were',
    seen: 'the Raft paper, figure 2; invariant 11',
    edits: [
      {
        file: 'src/raft/durability.ts',
        find: '    this.durableIndex = Math.min(this.durableIndex, fromIndex - 1);\n',
        replace: '',
      },
    ],
    life: { faults: 'network' },
    checkers: ['06-committed-stays', '11-durable-before-sent'],
  },
  {
    id: 'refused-candidate-resets-timer',
    title: 'The election timer is reset by every candidate that asks, also by those that are refused',
    seen: 'logcabin/logcabin#200',
    edits: [
      {
        file: 'src/raft/election.ts',
        find: "  const type = 'pre-vote-response';",
        replace:
          "  const type = 'pre-vote-response';\n  if (core.role !== 'leader') resetElectionTimer(core);",
      },
      {
        file: 'src/raft/election.ts',
        find: "  const type = 'vote-response';\n  if (message.term < core.term) {",
        replace:
          "  const type = 'vote-response';\n  if (core.role !== 'leader') resetElectionTimer(core);\n  if (message.term < core.term) {",
      },
    ],
    life: { faults: 'all', members: 5 },
    checkers: ['election-timer'],
  },
  {
    id: 'stuck-in-a-newer-term',
    title: 'A member with a newer term does not tell an old leader of it, and can never follow it',
    seen: "Cloudflare, 'A Byzantine failure in the real world' (no progress under a partial partition)",
    edits: [
      {
        file: 'src/raft/receiving.ts',
        find: "if (message.type === 'append' || message.type === 'heartbeat') answerStaleLeader(core, message);",
        replace: "if (message.type === 'append' || message.type === 'heartbeat') return;",
      },
    ],
    // What is stuck must be so until the end: many short lives. A leader that is silent for a moment gets a follower
    // elected by the pre-votes of others, whose votes are then lost.
    life: { faults: 'process', seconds: 4, clients: 1, candidates: 1 },
    settings: [
      {
        file: 'src/simulation/faults/options.ts',
        find: '    pause: 6,',
        replace: '    pause: 120,',
      },
      {
        file: 'src/simulation/faults/options.ts',
        find: 'if (random.chance(share)) perMinute',
        replace: "if (kind === 'pause' || random.chance(share / 4)) perMinute",
      },
      {
        file: 'src/simulation/faults/options.ts',
        find: 'lossRate: rate(0.3),',
        replace: 'lossRate: 0.3,',
      },
      {
        file: 'src/simulation/faults/options.ts',
        find: 'leaderBias: random.pick([0.2, 0.5, 0.9]),',
        replace: 'leaderBias: 0.9,',
      },
      {
        file: 'src/simulation/faults/options.ts',
        find: 'durationScale: random.pick([0.3, 1, 1, 2]),',
        replace: 'durationScale: 0.3,',
      },
    ],
    checkers: ['progress'],
  },
  {
    id: 'leads-without-a-quorum',
    title: 'A leader that hears no quorum goes on leading, and those who hear it elect nobody',
    seen: "Cloudflare, 'A Byzantine failure in the real world'",
    edits: [
      {
        file: 'src/raft/leadership.ts',
        find: '  if (core.nowMs >= quorumDeadlineMs(core, leadership) || core.diskIsStuck) {',
        replace: '  if (core.diskIsStuck) {',
      },
      {
        file: 'src/raft/leadership.ts',
        find: '    quorumDeadlineMs(core, leadership),\n    core.diskDeadlineMs,',
        replace: '    core.diskDeadlineMs,',
      },
    ],
    life: {},
    graphs: 5,
    checkers: ['link-graphs'],
  },
  {
    id: 'stuck-disk-leads-on',
    title: 'A leader whose disk hangs goes on sending heartbeats',
    seen: 'hashicorp/raft#503',
    edits: [
      {
        file: 'src/raft/leadership.ts',
        find: ' || core.diskIsStuck) {',
        replace: ') {',
      },
      {
        file: 'src/raft/leadership.ts',
        find: '    quorumDeadlineMs(core, leadership),\n    core.diskDeadlineMs,',
        replace: '    quorumDeadlineMs(core, leadership),',
      },
    ],
    life: { faults: 'disk' },
    checkers: ['stuck-disk'],
  },
];
