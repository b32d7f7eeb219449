import type { PlantedBug } from '../bug.ts';

/** Bugs in what is on disk when. */
export const diskBugs: readonly PlantedBug[] = [
  {
    id: 'vote-before-durable',
    title: 'A vote is sent before it is durable',
    seen: 'sofastack/sofa-jraft#1245',
    edits: [
      {
        file: 'src/raft/core.ts',
        find: 'const wait = dependsOnLog || !this.durability.isDurable(this.term, this.votedFor);',
        replace:
          "const depends = dependsOnLog || !this.durability.isDurable(this.term, this.votedFor);\n    const wait = depends && message.type !== 'vote-response';",
      },
    ],
    life: { faults: 'process' },
    checkers: ['11-durable-before-sent', '09-nothing-goes-back', '01-one-leader-for-a-term'],
  },
  {
    id: 'acknowledged-before-durable',
    title: 'A follower acknowledges entries that it has in memory only',
    seen: 'the Raft paper, figure 2; invariant 11',
    edits: [
      {
        file: 'src/raft/follower.ts',
        find: 'core.durability.installing || matchIndex > core.durability.durableIndex,',
        replace: 'core.durability.installing,',
      },
    ],
    life: { faults: 'process' },
    checkers: ['11-durable-before-sent', '12-match-is-on-disk', '07-committed-is-durable'],
  },
  {
    id: 'term-and-vote-apart',
    title: 'Term and vote are written one after the other',
    seen: 'sofastack/sofa-jraft#1241',
    edits: [
      {
        file: 'src/member/persist-queue.ts',
        find: '      hardState: request.hardState,',
        replace: '      hardState: request.hardState && { ...request.hardState, votedFor: 0 },',
      },
      {
        file: 'src/member/persist-queue.ts',
        find: '        this.pending.shift();',
        replace:
          '        this.pending.shift();\n        if (request.hardState) {\n          const vote: LogWrite = { group: this.context.group, entries: [], hardState: request.hardState };\n          this.context.log.append([vote], { sync: request.mustSync }).catch(() => {});\n        }',
      },
    ],
    life: { faults: 'process' },
    checkers: ['09-nothing-goes-back', '11-durable-before-sent', '01-one-leader-for-a-term'],
  },
  {
    id: 'write-error-ignored',
    title: 'An error while writing term, vote and entries is ignored',
    seen: 'sofastack/sofa-jraft#1245',
    edits: [
      {
        file: 'src/member/persist-queue.ts',
        find: '      .append([write], { sync: request.mustSync })\n',
        replace: '      .append([write], { sync: request.mustSync })\n      .catch(() => {})\n',
      },
    ],
    life: { faults: 'disk' },
    checkers: [
      '11-durable-before-sent',
      '12-match-is-on-disk',
      '07-committed-is-durable',
      '06-committed-stays',
    ],
  },
  {
    id: 'failed-sync-retried',
    title: 'After a sync that failed it is tried again, succeeds, and the data is gone',
    seen: 'Rebello et al., ATC 2020',
    edits: [
      {
        file: 'src/member/log/segment.ts',
        find: '    await this.#file.writeAt(this.end, [batch]);\n    this.end = end;',
        replace:
          '    await this.#file.writeAt(this.end, [batch]).catch(() => this.#file.sync());\n    this.end = end;',
      },
    ],
    life: { faults: 'disk' },
    checkers: [
      '11-durable-before-sent',
      '12-match-is-on-disk',
      '07-committed-is-durable',
      '06-committed-stays',
    ],
  },
  {
    id: 'zeroed-tail-accepted',
    title: 'Records of a torn or zeroed tail are read as if they were whole',
    seen: 'etcd-io/etcd#5230, #6515',
    edits: [
      {
        file: 'src/member/log/format.ts',
        find: '  if (end > limit || crc32(bytes, offset + 4, end, salt) !== crc) return undefined;',
        replace:
          '  if (end > limit || (crc !== crc32(bytes, offset + 4, end, salt) && reader.number() === 0)) return undefined;',
      },
    ],
    life: { faults: 'disk' },
    checkers: ['03-log-matching', '05-same-state-at-same-index', '06-committed-stays', 'program'],
  },
  {
    id: 'torn-tail-not-cut',
    title: 'What a crash left of a torn write stays behind the end of the log',
    seen: 'etcd-io/etcd#14143',
    edits: [
      {
        file: 'src/member/log/segment.ts',
        find: '    if (torn) await file.truncate(end);\n',
        replace: '',
      },
    ],
    life: { faults: 'disk' },
    checkers: ['program', '03-log-matching', '06-committed-stays', '09-nothing-goes-back'],
    outOfReach:
      'each batch says where it stands, and only one is written at a time: what is left of a torn one never begins with a batch',
  },
  {
    id: 'snapshot-ahead-of-its-content',
    title: 'A snapshot says that it holds an entry more than was applied to it',
    seen: 'etcd-io/etcd#13766',
    edits: [
      {
        file: 'src/member/snapshot-maker.ts',
        find: '    const index = keyspace.appliedIndex;',
        replace:
          '    const index = Math.max(keyspace.appliedIndex, Math.min(keyspace.appliedIndex + 1, raft.status().lastIndex));',
      },
      {
        file: 'src/member/snapshot-maker.ts',
        find: '    const reader = keyspace.snapshot();',
        replace:
          '    const reader = keyspace.snapshot();\n    (reader as unknown as { appliedIndex: number }).appliedIndex = meta.index;',
      },
    ],
    life: { faults: 'process' },
    checkers: ['05-same-state-at-same-index', '10-indexes-in-order', 'program'],
  },
  {
    id: 'snapshot-sent-unchecked',
    title: 'A leader sends what it reads of its snapshot without a look at the checksums',
    seen: 'etcd-io/etcd#13766: damage that spreads to other members',
    edits: [
      {
        file: 'src/member/snapshots/reading.ts',
        find: '    if (crc !== stated.crc) throw',
        replace: '    if (crc < 0) throw',
      },
    ],
    life: { faults: 'disk' },
    // Followers must want a snapshot while reads of it are wrong.
    settings: [
      {
        file: 'src/simulation/faults/options.ts',
        find: "    'rotten-read': 4,",
        replace: "    'rotten-read': 40,",
      },
      {
        file: 'src/simulation/life/settings.ts',
        find: 'snapshotCount: random.pick([20, 60, 200, 1000, 100_000]),',
        replace: 'snapshotCount: random.pick([20, 60]),',
      },
      {
        file: 'src/simulation/life/settings.ts',
        find: 'snapshotCatchUpEntries: random.pick([0, 10, 100, 5000]),',
        replace: 'snapshotCatchUpEntries: random.pick([0, 10]),',
      },
    ],
    checkers: ['05-same-state-at-same-index', '10-indexes-in-order', 'program'],
  },
  {
    id: 'snapshot-not-synced',
    title: 'A snapshot gets its name before its content is durable',
    seen: 'etcd-io/etcd#6515',
    edits: [
      {
        file: 'src/member/snapshots/sink.ts',
        find: '    await file.sync();\n    this.#closed = true;',
        replace: '    this.#closed = true;',
      },
    ],
    life: { faults: 'process' },
    checkers: [
      '02-leader-append-only',
      '06-committed-stays',
      '07-committed-is-durable',
      '09-nothing-goes-back',
      '10-indexes-in-order',
      'program',
    ],
  },
];
