import type { PlantedBug } from '../bug.ts';

const readCheckers = ['15-read-index', '15-linearizable-reads', 'linearizability', 'log-witness'];

/** Most lives read without leases, as most clusters will. */
const leaseReads = [
  {
    file: 'src/simulation/life/settings.ts',
    find: 'leaseReads: random.chance(0.15),',
    replace: 'leaseReads: random.chance(0.95),',
  },
];

/** Of its followers only: clients still ask it. */
const leadersCutOff = [
  {
    file: 'src/simulation/faults/options.ts',
    find: "    'isolate-from-members': 5,",
    replace: "    'isolate-from-members': 40,",
  },
  {
    file: 'src/simulation/faults/options.ts',
    find: 'leaderBias: random.pick([0.2, 0.5, 0.9]),',
    replace: 'leaderBias: 0.9,',
  },
];

/** In all lives, and not only in some. */
const always = {
  file: 'src/simulation/faults/options.ts',
  find: 'if (random.chance(share)) perMinute',
  replace: "if (kind === 'isolate-from-members' || random.chance(share)) perMinute",
};

/** A deposed leader answers for a tenth of a second: many ask it then, who wait for nothing but reads. */
const muchAsked = [
  {
    file: 'src/simulation/workload/rates.ts',
    find: '  operationsPerSecond: 5,',
    replace: '  operationsPerSecond: 20,',
  },
  {
    file: 'src/simulation/workload/rates.ts',
    find: '  readers: 0.15,',
    replace: '  readers: 0.7,',
  },
];

/** With adaptive timeouts followers elect another before a leader that they do not hear gives up. */
const electedEarly = [
  {
    file: 'src/simulation/life/settings.ts',
    find: 'const fixed = random.chance(0.25);',
    replace: 'const fixed = false;',
  },
  {
    file: 'src/simulation/life/settings.ts',
    find: 'random.chance(0.2) ? 50 : 100;',
    replace: '50;',
  },
];

/** The lease of an adaptive timeout is far below any timeout that is drawn: nothing shows then. */
const fixedTimeouts = [
  {
    file: 'src/simulation/life/settings.ts',
    find: 'const fixed = random.chance(0.25);',
    replace: 'const fixed = random.chance(0.95);',
  },
];

/** Bugs in reads, retries and watches. */
export const readBugs: readonly PlantedBug[] = [
  {
    id: 'read-before-own-commit',
    title: 'A new leader answers reads before it has committed an entry of its own term',
    seen: 'etcd-io/etcd#7331',
    edits: [
      {
        file: 'src/raft/reads.ts',
        find: '  if (core.commitIndex < leadership.ownTermIndex) leadership.reads.held.push(request);',
        replace: '  if (core.commitIndex < 0) leadership.reads.held.push(request);',
      },
    ],
    life: { faults: 'all' },
    checkers: readCheckers,
  },
  {
    id: 'read-one-short',
    title: 'A round of reads is answered at the entry before the last committed one',
    seen: 'invariant 15',
    edits: [
      {
        file: 'src/raft/reads.ts',
        find: 'context: reads.context, index: core.commitIndex, requests',
        replace: 'context: reads.context, index: core.commitIndex - 1, requests',
      },
    ],
    life: { faults: 'all' },
    checkers: ['15-read-index'],
  },
  {
    id: 'held-reads-forgotten',
    title:
      'Reads that wait for the first commit of a new leader are neither answered nor refused when it is deposed before',
    seen: 'invariant 20',
    edits: [
      {
        file: 'src/raft/reads.ts',
        find: '...reads.waiting, ...reads.held];',
        replace: '...reads.waiting];',
      },
    ],
    life: { faults: 'all' },
    checkers: ['20-queues-drain'],
  },
  {
    id: 'answered-proposals-kept',
    title: 'A member keeps its proposals after they were answered',
    seen: 'invariant 20',
    edits: [
      {
        file: 'src/member/proposer.ts',
        find: 'if (this.active.delete(proposal)) this.activeBytes -= proposal.sizeBytes;',
        replace: 'this.activeBytes -= proposal.sizeBytes;',
      },
    ],
    life: { faults: 'process' },
    checkers: ['20-queues-drain'],
  },
  {
    id: 'read-context-reused',
    title: 'A ReadIndex that is asked again goes under its old number, and so gets its old answer',
    seen: 'etcd-io/etcd#20418',
    edits: [
      {
        file: 'src/raft/reads.ts',
        find: '    this.waiting = [...this.#asked.readIds, ...this.waiting];\n    this.#asked = undefined;',
        replace:
          '    this.waiting = [...this.#asked.readIds, ...this.waiting];\n    this.#asked = undefined;\n    this.#lastContext -= 1;',
      },
    ],
    life: { faults: 'network' },
    checkers: readCheckers,
  },
  {
    id: 'read-without-quorum',
    title: 'A leader answers reads without asking whether it still leads',
    seen: 'hashicorp/consul#54',
    edits: [
      {
        file: 'src/raft/reads.ts',
        find: '  else leadership.reads.waiting.push(request);',
        replace: '  else answerRead(core, request, core.commitIndex);',
      },
    ],
    life: { faults: 'network' },
    settings: [...leadersCutOff, always, ...muchAsked, ...electedEarly],
    checkers: [...readCheckers, '16-lease-reads'],
  },
  {
    id: 'lease-read-from-receipt',
    title: 'The lease of lease reads runs from when an answer came, not from when the question was sent',
    seen: 'RedisLabs/redisraft#19',
    edits: [
      {
        file: 'src/raft/leadership.ts',
        find: 'progress.ackedSentAtMs = Math.max(progress.ackedSentAtMs, echo.sentAtMs);',
        replace: 'progress.ackedSentAtMs = core.nowMs;',
      },
    ],
    life: { faults: 'network' },
    settings: [...leaseReads, ...fixedTimeouts, ...leadersCutOff, always, ...muchAsked],
    checkers: [...readCheckers, '16-lease-reads'],
  },
  {
    id: 'lease-read-too-long',
    title: 'The lease of lease reads lasts as long as the longest election timeout, not the shortest',
    seen: 'RedisLabs/redisraft#19',
    edits: [
      {
        file: 'src/raft/timing.ts',
        find: 'const smallest = this.#fixedElectionMs ?? SMALLEST_ADAPTIVE_MS;',
        replace: 'const smallest = 2 * (this.#fixedElectionMs ?? LARGEST_ADAPTIVE_MS);',
      },
    ],
    life: { faults: 'network' },
    settings: [...leaseReads, ...leadersCutOff],
    checkers: [...readCheckers, '16-lease-reads'],
  },
  {
    id: 'compacted-is-read',
    title: 'A read of the past is answered from what a compaction has left of it',
    seen: 'nowhere yet: what etcd refuses as compacted',
    edits: [
      {
        file: 'src/keyspace/ranges.ts',
        find: "  return revision < store.compactRevision ? 'compacted' : undefined;",
        replace: '  return undefined;',
      },
    ],
    life: { faults: 'none' },
    checkers: ['log-witness'],
  },
  {
    id: 'lease-looked-up-locally',
    title: 'How long a lease has left is said by whichever member is asked, from what it has applied',
    seen: 'nowhere yet: a lookup without a quorum',
    edits: [
      {
        file: 'src/api/lease.ts',
        find: '[member.leaseRemainingMs(request.ID, options), member.readBarrier(options)]',
        replace:
          '[options.signal.aborted ? undefined : member.keyspace.lease(request.ID, false)?.grantedTtlMs]',
      },
    ],
    life: { faults: 'network' },
    checkers: ['lease-lookups'],
  },
  {
    id: 'retry-applied-twice',
    title: 'A command that is tried again is applied again',
    seen: 'the Raft paper, §8',
    edits: [
      {
        file: 'src/keyspace/clients.ts',
        find: "    return result === undefined ? { type: 'apply', client } : { type: 'repeat', result };",
        replace:
          "    return result === undefined || client !== undefined ? { type: 'apply', client } : { type: 'repeat', result };",
      },
    ],
    life: { faults: 'process' },
    checkers: ['17-retried-once', 'log-witness', 'linearizability'],
  },
  {
    id: 'watch-splits-a-revision',
    title: 'The changes of one revision go to a watcher in two answers',
    seen: 'etcd-io/etcd#18089',
    edits: [
      {
        file: 'src/api/watch-stream.ts',
        find: '      return watch.fragment ? this.#split(response) : response;',
        replace:
          '      const half = Math.ceil(response.events.length / 2);\n      if (half > 0 && half < response.events.length) this.#fragments.push({ ...response, events: response.events.slice(half) });\n      return { ...response, events: response.events.slice(0, half) };',
      },
    ],
    life: { faults: 'none' },
    checkers: ['19-watches'],
  },
  {
    id: 'watch-resumes-from-now',
    title: 'A watch whose connection broke goes on from now, not from where it was',
    seen: 'etcd-io/etcd#17529',
    edits: [
      {
        file: 'src/client/watches.ts',
        find: '    const startRevision = subscription.nextRevision;',
        replace: '    const startRevision = subscription.announced ? 0 : subscription.nextRevision;',
      },
    ],
    life: { faults: 'network' },
    checkers: ['19-watches'],
  },
  {
    id: 'watch-skips-what-is-compacted',
    title: 'A watcher that fell behind a compaction is not told, and goes on after it',
    seen: 'etcd-io/etcd#15271',
    edits: [
      {
        file: 'src/keyspace/watch-cursor.ts',
        find: '    if (this.nextRevision < store.compactRevision) {\n      this.close();',
        replace: '    if (this.nextRevision < 0) {\n      this.close();',
      },
    ],
    life: { faults: 'all' },
    checkers: ['19-watches'],
  },
  {
    id: 'watch-forgets-at-snapshot',
    title: 'When a snapshot replaces the state under a watcher, what came with it is not delivered',
    seen: 'etcd-io/etcd#18089',
    edits: [
      {
        file: 'src/keyspace/watches.ts',
        find: '      cursor.nextRevision = Math.max(cursor.nextRevision, cursor.deliveredRevision + 1);\n      if (cursor.nextRevision > store.revision) continue;',
        replace:
          '      cursor.nextRevision = store.revision + 1;\n      if (cursor.nextRevision > store.revision) continue;',
      },
    ],
    life: { faults: 'all' },
    checkers: ['19-watches'],
  },
  {
    id: 'skipped-ranges-are-kept',
    title:
      'A replica that answers nobody keeps, for when a transaction comes again, a result without what its ranges read',
    seen: 'nowhere yet: what skipping unneeded reads would do',
    edits: [
      {
        file: 'src/keyspace/keyspace.ts',
        find: "const tally = new RangeTally(rangesWanted ? 'answered' : 'kept');",
        replace: "const tally = new RangeTally(rangesWanted ? 'answered' : 'none');",
      },
    ],
    life: { faults: 'all' },
    checkers: ['05-same-state-at-same-index', 'log-witness', 'progress'],
  },
  {
    id: 'awaited-ranges-are-skipped',
    title: 'No replica reads the ranges of a transaction, not even the one whose client waits for it',
    seen: 'nowhere yet: what skipping unneeded reads would do',
    edits: [
      {
        file: 'src/member/group.ts',
        find: 'isAwaited: (entry) => this.local.awaits(entry),',
        replace: 'isAwaited: (entry) => this.local.awaits(entry) && entry.index === 0,',
      },
    ],
    settings: [
      {
        // Any range is too much to be kept for when its transaction comes again: so only who answers reads it.
        file: 'src/keyspace/range-tally.ts',
        find: 'const mostKeptKeys = 10_000;',
        replace: 'const mostKeptKeys = 0;',
      },
    ],
    life: { faults: 'none' },
    checkers: ['log-witness', 'linearizability'],
  },
];
