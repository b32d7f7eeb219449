import type { PlantedBug } from '../bug.ts';

const few = { clients: 0, candidates: 0 } as const;

/** Bugs in partitions, operations, permits and locks, the fenced log and the token gate. */
export const sharingBugs: readonly PlantedBug[] = [
  {
    id: 'job-by-assignment',
    title: 'A process starts the job of a partition because it is assigned to it, without leading it',
    seen: 'typelevel/fs2-kafka#1200',
    edits: [
      {
        file: 'src/partitions/partition-run.ts',
        find: '      const leadership = await candidate.campaign({ signal: unwanted.signal });\n',
        replace: `      const gone = Promise.withResolvers<LossCause>();
      const { clock } = session.settings.runtime;
      const leadership = {
        ...{ name: candidate.name, holder: session.holder, token: Math.floor(clock.wallMs() * 1000) },
        ...{ signal: unwanted.signal, ended: gone.promise, assertHeld() {}, settle() {} },
        remainingMs: () => (unwanted.signal.aborted ? 0 : session.settings.ttlMs),
        resign: async () => gone.resolve('resigned'),
      } as unknown as Leadership;
`,
      },
    ],
    life: { ...few, sharing: 'partitions', faults: 'all' },
    checkers: ['21-one-holder', 'one-job-for-a-partition', 'tokens-rise', '22-fencing'],
  },
  {
    id: 'moved-partition-kept',
    title: 'A process keeps the partitions that were assigned to it once, whoever joins',
    seen: 'nowhere yet: what a lost wake-up would do',
    edits: [
      {
        file: 'src/partitions/partition-run.ts',
        find: '    if (this.#target === holder) return;\n',
        replace:
          "    if (this.#target === holder || (this.phase === 'leading' && holder !== undefined)) return;\n",
      },
    ],
    life: { ...few, sharing: 'partitions', faults: 'process' },
    checkers: ['partitions-balanced'],
  },
  {
    id: 'joiner-never-settles',
    title: 'The leader of the roster sees who joined, and does not look again when they have settled',
    seen: 'nowhere yet: what a lost timer would do',
    edits: [
      {
        file: 'src/partitions/roster.ts',
        find: '        await sleep(runtime, againInMs, news.signal, over.signal);\n',
        replace: '        await sleep(runtime, Math.max(againInMs, longMs), news.signal, over.signal);\n',
      },
    ],
    life: { ...few, sharing: 'partitions', faults: 'process' },
    checkers: ['partitions-balanced'],
  },
  {
    id: 'partition-handed-over-early',
    title: 'A partition that moves is released when its job was told to stop, not when it has stopped',
    seen: 'tulios/kafkajs#916',
    edits: [
      {
        file: 'src/partitions/partition-run.ts',
        find: '    leadership.settle(releasing);\n',
        replace: '',
      },
    ],
    life: { ...few, sharing: 'partitions', faults: 'process' },
    checkers: ['one-job-for-a-partition'],
  },
  {
    id: 'operation-record-unguarded',
    title: 'The outcome of an operation is recorded although another process owns it by now',
    seen: 'KanishJebaMathewM/Truxify#4623',
    edits: [
      {
        file: 'src/stores/conclave/requests.ts',
        find: '      ...(record === undefined ? [] : [putRecord(keys, record)]),\n    ],\n    failure: [],\n',
        replace:
          '      ...(record === undefined ? [] : [putRecord(keys, record)]),\n    ],\n    failure: record === undefined ? [] : [putRecord(keys, record)],\n',
      },
      {
        file: 'src/fencing/once/once.ts',
        find: '    if (!live.check()) return await this.#afterLoss(cause);\n    const verdict',
        replace: '    const verdict',
      },
      {
        file: 'src/fencing/once/recording.ts',
        find: '    const released = await retryOnSession(\n      { ...place, live },\n      { what, maxMs: Number.POSITIVE_INFINITY },\n      (options) => live.stored.release(name, token, { ...options, record, recordTtlMs }),\n    );\n',
        replace:
          '    const released = { value: await live.stored.release(name, token, { record, recordTtlMs }), what };\n',
      },
    ],
    life: { ...few, sharing: 'operations', faults: 'process' },
    checkers: ['one-outcome'],
  },
  {
    id: 'operation-runs-again',
    title: 'Who waited for an operation runs it when its turn comes, without a look at the record',
    seen: 'mastodon/mastodon#37879',
    edits: [
      {
        file: 'src/fencing/once/once.ts',
        find: '    if (before !== undefined && isFinal(before)) return record;\n',
        replace: '',
      },
    ],
    life: { ...few, sharing: 'operations', faults: 'process' },
    checkers: ['one-outcome'],
  },
  {
    id: 'old-owner-believes-itself',
    title: 'Who lost an operation while it ran returns its own result, which is in no record',
    seen: 'KanishJebaMathewM/Truxify#5846',
    edits: [
      {
        file: 'src/fencing/once/once.ts',
        find: '    if (!live.check()) return await this.#afterLoss(cause);\n    const verdict = judge(this.#settings, owned, ending);\n',
        replace:
          '    const verdict = judge(this.#settings, owned, ending);\n    if (!live.check()) return verdict ? encodeRecord(verdict.record) : await this.#afterLoss(cause);\n',
      },
    ],
    life: { ...few, sharing: 'operations', faults: 'process' },
    checkers: ['one-outcome'],
  },
  {
    id: 'turnstile-left-early',
    title: 'Who comes for a permit lets the next one through the turnstile before it has its own',
    seen: 'nowhere yet: the order is what the turnstile is for',
    edits: [
      {
        file: 'src/election/slots.ts',
        find: '  const link = linkSignals(signal, turnstile.signal);\n',
        replace: '  void turnstile.resign();\n  const link = linkSignals(signal);\n',
      },
      {
        file: 'src/election/slots.ts',
        find: '  // What was won while the turnstile went may not be in the order of its tokens.\n  if (link.signal.aborted) taken = undefined;\n',
        replace: '',
      },
    ],
    life: { ...few, sharing: 'permits', faults: 'process' },
    checkers: ['permits-kept', 'sharing-completes'],
  },
  {
    id: 'permit-without-validity',
    title:
      'A permit counts as held until its signal aborts, and no timer fires in a process that stands still',
    seen: 'dask/distributed#3690, swarthy/redis-semaphore#9',
    edits: [
      {
        file: 'src/election/held.ts',
        find: '    return Math.min(...this.#parts.leaderships.map((one) => one.remainingMs()));\n',
        replace: '    return this.signal.aborted ? 0 : 60_000;\n',
      },
      {
        file: 'src/election/held.ts',
        find: '      for (const leadership of this.#parts.leaderships) leadership.assertHeld();\n',
        replace: '      if (this.signal.aborted) throw this.signal.reason;\n',
      },
    ],
    life: { ...few, sharing: 'permits', faults: 'process' },
    checkers: ['permits-kept'],
  },
  {
    id: 'writer-beside-readers',
    title: 'A writer takes one place among the readers, and so only shuts out those who come after it',
    seen: 'apache/curator#1138',
    edits: [
      {
        file: 'src/election/read-write-lock.ts',
        find: "const wanted = mode === 'read' ? { any: anyOrder(slots) } : { all: anyOrder(slots) };",
        replace: 'const wanted = { any: anyOrder(slots) };',
      },
    ],
    life: { ...few, sharing: 'permits', faults: 'none' },
    checkers: ['permits-kept'],
  },
  {
    id: 'gate-without-compare-and-set',
    title: 'A token gate looks, then puts its token there, whatever came in between',
    seen: 'Jepsen, etcd 3.4.3',
    edits: [
      {
        file: 'src/fencing/token-gate-storage.ts',
        find: '        await fileOf(resource).write(data, { token, election, expectedVersion });\n        return true;\n',
        replace: `        for (let expected = expectedVersion; ; ) {
          try {
            await fileOf(resource).write(data, { token, election, expectedVersion: expected });
            return true;
          } catch (error) {
            if (!ConclaveError.is(error, 'version-conflict')) throw error;
            expected = (await fileOf(resource).read()).version;
          }
        }
`,
      },
      {
        file: 'src/fencing/versioned-file.ts',
        find: '    checkToken(this.path, writer, newest);\n',
        replace: '',
      },
    ],
    life: { ...few, sharing: 'log', faults: 'process' },
    checkers: ['gate-shut'],
  },
  {
    id: 'gate-believes-its-memory',
    title: 'A token gate asks its storage once for each resource, and remembers by itself from then on',
    seen: 'nowhere yet: a cache in front of a fence',
    edits: [
      {
        file: 'src/fencing/token-gate.ts',
        find: '      const seen = await this.#storage.load(resource);\n      if (seen !== undefined) {',
        replace:
          '      const seen = this.#seen.get(resource) ?? (await this.#storage.load(resource));\n      if (seen?.token === writer.token) this.#seen.set(resource, seen);\n      else this.#seen.delete(resource);\n      if (seen !== undefined) {',
      },
      {
        file: 'src/fencing/token-gate.ts',
        find: '  readonly #queue: Queue;\n',
        replace: '  readonly #queue: Queue;\n  readonly #seen = new Map<string, GateEntry>();\n',
      },
    ],
    life: { ...few, sharing: 'log', faults: 'process' },
    checkers: ['gate-shut'],
  },
  {
    id: 'log-checked-before',
    title:
      'An append to the fenced log is acknowledged by what was looked at before it, not by where it came to lie',
    seen: 'Jepsen, etcd 3.4.3',
    edits: [
      {
        file: 'src/fencing/log-file/appender.ts',
        find: '      if (found !== undefined) return found;\n',
        replace: '      if (found !== undefined) return true;\n',
      },
    ],
    life: { ...few, sharing: 'log', faults: 'process' },
    checkers: ['log-kept'],
  },
  {
    id: 'log-acknowledged-before-synced',
    title: 'An append to the fenced log is acknowledged before it is on the disk',
    seen: 'CorfuDB/CorfuDB#291',
    edits: [
      {
        file: 'src/fencing/log-file/appender.ts',
        find: '      await file.sync();\n',
        replace: '      void file;\n',
      },
    ],
    life: { ...few, sharing: 'log', faults: 'disk' },
    checkers: ['program', 'log-kept'],
  },
  {
    id: 'log-reader-ignores-the-fence',
    title: 'Readers of the fenced log show every whole record, also those that came too late to count',
    seen: 'nowhere yet: readers who trust the writers of a log',
    edits: [
      {
        file: 'src/fencing/log-file/fenced-log.ts',
        find: '      if (!accepted || frame',
        replace: '      if (frame',
      },
    ],
    life: { ...few, sharing: 'log', faults: 'process' },
    checkers: ['log-kept'],
  },
];
