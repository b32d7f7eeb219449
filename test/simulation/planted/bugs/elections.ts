import type { PlantedBug } from '../bug.ts';

/** Bugs in election and fencing. */
export const electionBugs: readonly PlantedBug[] = [
  {
    id: 'validity-from-receipt',
    title: 'A lease counts as valid from when the answer came, not from when the request was sent',
    seen: 'Jepsen, etcd 3.4.3',
    edits: [
      {
        file: 'src/election/live-session.ts',
        find: '        this.#validity.extend(sentAt);',
        replace: '        this.#validity.extend(readMoment(runtime.clock));',
      },
    ],
    life: { faults: 'network', clients: 1, candidates: 5 },
    // The last renewal before it is cut off must have been answered late.
    settings: [
      {
        file: 'src/simulation/faults/options.ts',
        find: "    'isolate-candidate': 4,",
        replace: "    'isolate-candidate': 40,",
      },
      {
        file: 'src/simulation/faults/options.ts',
        find: 'if (random.chance(share)) perMinute',
        replace: "if (kind === 'isolate-candidate' || random.chance(share)) perMinute",
      },
      {
        file: 'src/simulation/faults/options.ts',
        find: 'leaderBias: random.pick([0.2, 0.5, 0.9]),',
        replace: 'leaderBias: 0.9,',
      },
    ],
    checkers: ['grace-kept', '21-one-holder', '22-fencing', 'tokens-rise'],
  },
  {
    id: 'sleep-not-counted',
    title:
      'A holder measures its lease by the monotonic clock alone, which stands still while its host sleeps',
    seen: 'nextlyhq/nextly#777',
    edits: [
      {
        file: 'src/election/validity.ts',
        find: 'return Math.max(clock.monotonicMs() - since.monotonicMs, clock.wallMs() - since.wallMs);',
        replace: 'return clock.monotonicMs() - since.monotonicMs;',
      },
    ],
    life: { faults: 'clock', clients: 1, candidates: 5 },
    checkers: ['21-one-holder', 'tokens-rise'],
  },
  {
    id: 'blocked-loop-not-seen',
    title: 'assertHeld() asks a flag that a timer sets, and no timer fires in a blocked loop',
    seen: 'taskforcesh/bullmq#2857, swarthy/redis-semaphore#9',
    edits: [
      {
        file: 'src/election/leadership.ts',
        find: '    if (this.#cause === undefined) this.#parts.live.check();\n',
        replace: '',
      },
    ],
    life: { faults: 'process', clients: 1, candidates: 5 },
    checkers: ['21-one-holder', 'grace-kept'],
  },
  {
    id: 'waiter-does-not-look-again',
    title: 'Who waited long says that it won, without a look at its own lease',
    seen: 'apache/curator#1211',
    edits: [
      {
        file: 'src/election/candidate.ts',
        find: '    if (signal.aborted || !live.check()) return undefined;\n    this.#usedToken = token;',
        replace: '    this.#usedToken = token;',
      },
      {
        file: 'src/election/candidate.ts',
        find: '      if (signal.aborted || !live.check()) return undefined;\n      if (turn.given)',
        replace:
          '      if (signal.aborted || !(turn.given || live.check())) return undefined;\n      if (turn.given)',
      },
    ],
    life: { faults: 'process', clients: 1, candidates: 2 },
    // Whoever is next must stand still when its turn comes, and longer than its lease lasts.
    settings: [
      {
        file: 'src/simulation/faults/options.ts',
        find: "    'pause-candidate': 6,",
        replace: "    'pause-candidate': 24,",
      },
      {
        file: 'src/simulation/faults/options.ts',
        find: 'leaderBias: random.pick([0.2, 0.5, 0.9]),',
        replace: 'leaderBias: 0,',
      },
      {
        file: 'src/simulation/faults/schedule.ts',
        find: "'pause-candidate': [20, 3000],",
        replace: "'pause-candidate': [1000, 3000],",
      },
      {
        file: 'src/simulation/elections/candidate.ts',
        find: 'random.pick([3, 10, 40])',
        replace: 'random.pick([2, 5])',
      },
    ],
    checkers: ['tokens-rise', '21-one-holder', 'grace-kept'],
  },
  {
    id: 'token-from-a-counter',
    title: 'The token comes from a counter of the process',
    seen: 'awslabs/amazon-dynamodb-lock-client#1',
    edits: [
      {
        file: 'src/election/leadership.ts',
        find: '    this.token = token;\n',
        replace: '    this.token = (parts as LeadershipParts & { counted: number }).counted;\n',
      },
      {
        file: 'src/election/candidate.ts',
        find: '    const leadership = new Leadership(parts);',
        replace:
          '    this.#counted += 1;\n    const counted: typeof parts & { counted: number } = { ...parts, counted: this.#counted };\n    const leadership = new Leadership(counted);',
      },
      {
        file: 'src/election/candidate.ts',
        find: '  #usedToken = -1;\n',
        replace: '  #usedToken = -1;\n  #counted = 0;\n',
      },
    ],
    life: { faults: 'none' },
    checkers: ['tokens-rise', '22-fencing'],
  },
  {
    id: 'fence-checked-before',
    title: 'The token is checked before the write is published, not in the same step',
    seen: 'Jepsen, etcd 3.4.3',
    edits: [
      {
        file: 'src/fencing/versioned-file.ts',
        find: '    if ((await this.#folder.newest()) !== expectedVersion) throw await this.#refusal(writer, expectedVersion);\n',
        replace: '',
      },
      {
        file: 'src/fencing/version-folder.ts',
        find: "      if (ConclaveError.is(error, 'already-exists') || ConclaveError.is(error, 'not-found')) return false;",
        replace:
          "      if (ConclaveError.is(error, 'already-exists')) {\n        await this.#removeIfThere(this.pathOf(version));\n        return this.publish(temporary, version);\n      }\n      if (ConclaveError.is(error, 'not-found')) return false;",
      },
    ],
    life: { faults: 'process', clients: 1, candidates: 5 },
    checkers: ['22-fencing'],
  },
  {
    id: 'fence-not-checked',
    title: 'A versioned file takes a write with an older token, as long as the version fits',
    seen: 'etcd-io/etcd#11788',
    edits: [
      {
        file: 'src/fencing/versioned-file.ts',
        find: '    checkToken(this.path, writer, newest);\n',
        replace: '',
      },
    ],
    life: { faults: 'process', clients: 1, candidates: 5 },
    checkers: ['22-fencing'],
  },
  {
    id: 'renewal-not-bounded',
    title: 'A renewal that hangs is waited for without end, and nobody looks at the clock meanwhile',
    seen: 'kubernetes/kubernetes#44887',
    edits: [
      {
        file: 'src/election/live-session.ts',
        find: '        await callBounded(runtime, bounds, (options) => this.stored.renew(options));',
        replace:
          '        await callBounded(runtime, { ...bounds, timeoutMs: 3_600_000 }, () => this.stored.renew({ timeoutMs: 3_600_000 }));',
      },
      {
        file: 'src/election/live-session.ts',
        find: '    void this.#watchClock(() => true);\n',
        replace: '',
      },
    ],
    life: { faults: 'network' },
    checkers: ['21-one-holder', 'elections-complete'],
  },
  {
    id: 'grace-ignored',
    title: 'The next leader does not wait out the grace of one that ended uncleanly',
    seen: 'hashicorp/consul, lock-delay',
    edits: [
      {
        file: 'src/election/grace.ts',
        find: '    let leftMs = this.#servedFor === token ? 0 : pendingMs;',
        replace: '    let leftMs = 0;',
      },
    ],
    life: { faults: 'process', clients: 1, candidates: 5 },
    checkers: ['grace-kept'],
  },
  {
    id: 'resign-deletes-anothers',
    title: 'A resignation that is tried again deletes the leadership of whoever came after',
    seen: 'etcd-io/etcd#22082',
    edits: [
      {
        file: 'src/stores/conclave/requests.ts',
        find: '    compare: stillLeads(keys, own),\n    success: [\n      remove(keys.leader),',
        replace: '    compare: [],\n    success: [\n      remove(keys.leader),',
      },
    ],
    life: { faults: 'network', clients: 1, candidates: 3 },
    // The answer to a resignation must be late.
    settings: [
      {
        file: 'src/simulation/faults/options.ts',
        find: "    'slow-candidate': 4,",
        replace: "    'slow-candidate': 24,",
      },
    ],
    checkers: ['21-one-holder', 'tokens-rise', '22-fencing', 'grace-kept'],
  },
  {
    id: 'withdrawal-forgets-leadership',
    title: 'Who gives up waiting does not look whether it has won meanwhile',
    seen: 'google/trillian#3789',
    edits: [
      {
        file: 'src/election/withdrawing.ts',
        find: '    if (leader?.holder === settings.holder) await live.stored.release(name, leader.token, options);',
        replace: '    if (leader === undefined) return;',
      },
      {
        file: 'src/stores/conclave/own-parts.ts',
        find: 'withdrawTransaction(keys, part.place, lease, part.token === undefined);',
        replace: 'withdrawTransaction(keys, part.place, lease, false);',
      },
    ],
    life: { faults: 'network', clients: 0, candidates: 0, sharing: 'permits' },
    // Who comes back finds what it forgot; so nobody does, all have a session that goes on, and hear late that they won.
    settings: [
      {
        file: 'src/simulation/faults/options.ts',
        find: "    'slow-candidate': 4,",
        replace: "    'slow-candidate': 24,",
      },
      {
        file: 'src/simulation/sharing/lock-user.ts',
        find: 'const goesElsewhereShare = 0.2;',
        replace: 'const goesElsewhereShare = 1;',
      },
      {
        file: 'src/simulation/sharing/settings.ts',
        find: 'oneSession: random.chance(0.6),',
        replace: 'oneSession: random.chance(1),',
      },
    ],
    checkers: ['sharing-completes', 'permits-kept'],
  },
  {
    id: 'published-before-synced',
    title: 'A version of the fenced file is published before its data is on the disk',
    seen: 'Pillai et al., OSDI 2014: link and rename before fsync, in eleven applications',
    edits: [{ file: 'src/fencing/version-folder.ts', find: '      await file.sync();\n', replace: '' }],
    life: { faults: 'disk', clients: 1, candidates: 5 },
    checkers: ['22-fencing'],
  },
  {
    id: 'acknowledged-before-its-name',
    title: 'A write of the fenced file is acknowledged before its name is on the disk',
    seen: 'Pillai et al., OSDI 2014: folders that are not synced',
    edits: [
      {
        file: 'src/fencing/versioned-file.ts',
        find: '      await this.#sync(content.version);\n',
        replace: '',
      },
    ],
    life: { faults: 'disk', clients: 1, candidates: 5 },
    checkers: ['22-fencing'],
  },
  {
    id: 'win-without-absence',
    title: 'A candidate takes the leadership without looking whether somebody has it',
    seen: 'apache/druid#16528',
    edits: [
      {
        file: 'src/stores/conclave/requests.ts',
        find: '      absent(keys.leader, keys.leaderEnd),\n      createdAt(place, createRevision),',
        replace: '      createdAt(place, createRevision),',
      },
    ],
    life: { faults: 'none' },
    checkers: ['21-one-holder', 'tokens-rise', '22-fencing'],
  },
];
