import type { PlantedBug } from '../bug.ts';

/** Clients that compact all the time, close behind what is newest. */
const often = [
  {
    file: 'src/simulation/workload/rates.ts',
    find: '    compact: 1,\n',
    replace: '    compact: 15,\n',
  },
  {
    file: 'src/simulation/workload/operation-source.ts',
    find: 'const revision = this.#revision - draw.below(30);',
    replace: 'const revision = this.#revision - draw.below(4);',
  },
];

/** So many at once that what is written and what compacts it come in one entry. */
const crowded = [
  {
    file: 'src/simulation/workload/rates.ts',
    find: '    compact: 1,\n',
    replace: '    compact: 15,\n',
  },
  {
    file: 'src/simulation/workload/rates.ts',
    find: '  operationsPerSecond: 5,',
    replace: '  operationsPerSecond: 60,',
  },
  {
    file: 'src/simulation/workload/operation-source.ts',
    find: 'const revision = this.#revision - draw.below(30);',
    replace: 'const revision = this.#revision + 3 - draw.below(4);',
  },
];

/** Bugs in compaction, by clients and by itself. */
export const compactionBugs: readonly PlantedBug[] = [
  {
    id: 'compaction-drops-the-newest',
    title: 'Compaction drops what a key has now, where that was written before the revision',
    seen: 'nowhere yet: a base that is taken for history',
    edits: [
      {
        file: 'src/keyspace/compaction.ts',
        find: 'if (records.isTombstone(record) && store.keys.newest(key) === record) {',
        replace: 'if (store.keys.newest(key) === record) {',
      },
    ],
    life: { faults: 'none', compaction: 'by-clients' },
    checkers: ['log-witness', 'linearizability', 'final-state', '05-same-state-at-same-index'],
  },
  {
    id: 'snapshot-without-compaction',
    title: 'A snapshot does not say up to where its state is compacted',
    seen: 'nowhere yet: a compaction that a restart forgets',
    edits: [
      {
        file: 'src/keyspace/snapshot-writer.ts',
        find: '    this.install(this.state);',
        replace: '    this.state.store.compactRevision = 0;\n    this.install(this.state);',
      },
    ],
    life: { faults: 'process', compaction: 'by-clients' },
    settings: often,
    checkers: ['05-same-state-at-same-index', 'log-witness', '19-watches', 'progress'],
  },
  {
    id: 'live-watch-loses-to-compaction',
    title: 'A watch that is up to date loses what it has not read yet to a compaction right behind it',
    seen: 'here: etcd hands events over when they are applied',
    edits: [
      {
        file: 'src/keyspace/keyspace.ts',
        find: '      this.hub.keepUnread(revision);\n',
        replace: '',
      },
    ],
    life: { faults: 'none', compaction: 'by-clients', candidates: 0, seconds: 10 },
    settings: crowded,
    checkers: ['19-watches'],
  },
  {
    id: 'watch-told-another-compaction',
    title: 'A watch that is compacted is told from where it asked, not from where there is something',
    seen: 'nowhere yet: a client that begins where there is nothing',
    edits: [
      {
        file: 'src/keyspace/watch-cursor.ts',
        find: "return { type: 'compacted', compactRevision: store.compactRevision };",
        replace: "return { type: 'compacted', compactRevision: this.nextRevision + 1 };",
      },
    ],
    life: { faults: 'network', compaction: 'by-clients' },
    settings: often,
    checkers: ['19-watches'],
  },
  {
    id: 'compacts-to-now',
    title: 'Compaction by time takes the newest revision, not the one of so long ago',
    seen: 'nowhere yet: a retention of nothing',
    edits: [
      {
        file: 'src/member/auto-compaction.ts',
        find: '    return this.noted[0];',
        replace: '    return this.noted.at(-1);',
      },
    ],
    life: { faults: 'none', compaction: 'by-time' },
    checkers: ['compactions'],
  },
  {
    id: 'compacts-the-retention-too',
    title: 'Compaction by revisions counts them from the last compaction, not from the newest',
    seen: 'nowhere yet: a retention counted from the wrong end',
    edits: [
      {
        file: 'src/member/auto-compaction.ts',
        find: 'const to = this.context.revision() - retention;',
        replace: 'const to = Math.min(this.context.revision(), this.compactedTo + retention);',
      },
    ],
    life: { faults: 'none', compaction: 'by-revisions' },
    checkers: ['compactions'],
  },
];
