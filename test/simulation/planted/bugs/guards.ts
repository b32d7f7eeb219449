import type { PlantedBug } from '../bug.ts';

/** Short lives with nobody else in them. */
const few = { members: 1, clients: 0, candidates: 0, seconds: 15 } as const;

/** Many requests come late, so late that nobody waits for them any more. */
const late = {
  file: 'src/simulation/sharing/guards/wire.ts',
  find: '      slow: random.pick([0, 0.02, 0.06, 0.12]),\n',
  replace: '      slow: random.pick([0.2, 0.3]),\n',
};
/** Most commits come after the guard has given them up. */
const lateCommits = {
  file: 'src/simulation/sharing/guards/wire.ts',
  find: 'random.chance(slow) ? random.between(20, latestMs) * 1000 : 0;',
  replace: "random.chance(what === 'COMMIT' ? 0.7 : slow) ? random.between(1500, 4000) * 1000 : 0;",
};
/** Half of the clients go away while the service is at work, which takes long. */
const impatient = [
  {
    file: 'src/simulation/sharing/guards/request-server.ts',
    find: 'this.#wire.chance(0.05)',
    replace: 'this.#wire.chance(0.5)',
  },
  {
    file: 'src/simulation/sharing/guards/request-server.ts',
    find: 'random.between(0, random.chance(0.2) ? 800 : 20)',
    replace: 'random.between(0, 1500)',
  },
];
/** Many answers are lost, and some requests with them. */
const lossy = {
  file: 'src/simulation/sharing/guards/wire.ts',
  find: '      loss: random.pick([0, 0.02, 0.06, 0.12]),\n',
  replace: '      loss: random.pick([0.1, 0.2]),\n',
};
/** Many requests come twice. */
const repeated = {
  file: 'src/simulation/sharing/guards/wire.ts',
  find: '      repeat: random.pick([0, 0.02, 0.06]),\n',
  replace: '      repeat: 0.3,\n',
};
/** Every leader claims first, and looks around for long. */
const claims = [
  {
    file: 'src/simulation/sharing/guard-writer.ts',
    find: 'const claimsFirst = 0.4;',
    replace: 'const claimsFirst = 1;',
  },
  {
    file: 'src/simulation/sharing/guard-writer.ts',
    find: 'random.between(0, settings.paceMs), leadership.signal',
    replace: 'random.between(1000, 3000), leadership.signal',
  },
];
/** Writes are few, so that one that is late meets what it was meant for. */
const seldom = {
  file: 'src/simulation/sharing/settings.ts',
  find: '    paceMs: random.between(150, 700),\n',
  replace: '    paceMs: random.between(1500, 3000),\n',
};
/** Single documents, by a driver that sends once. */
const sentOnce = [
  {
    file: 'src/simulation/sharing/guards/document-store.ts',
    find: '    this.#retries = random.chance(0.7);\n',
    replace: '    this.#retries = false;\n',
  },
  {
    file: 'src/simulation/sharing/guards/document-store.ts',
    find: '    this.#inTransactions = random.chance(0.4);\n',
    replace: '    this.#inTransactions = false;\n',
  },
];
const inTransactions = {
  file: 'src/simulation/sharing/guards/document-store.ts',
  find: '    this.#inTransactions = random.chance(0.4);\n',
  replace: '    this.#inTransactions = true;\n',
};

/** Bugs in the guards of foreign servers: objects, documents, keys, rows, requests. */
export const guardBugs: readonly PlantedBug[] = [
  {
    id: 'cell-compares-no-token',
    title: 'A write of an object replaces what it has read, whoever wrote that: no token is compared',
    seen: 'johanhaleby/occurrent#665',
    edits: [
      {
        file: 'src/fencing/fenced-cell.ts',
        find: '    checkToken(this.#cell.name, writer, current.fence ?? noFence);\n',
        replace: '',
      },
    ],
    life: { ...few, sharing: 'objects', faults: 'process' },
    checkers: ['fence-kept'],
  },
  {
    id: 'object-condition-from-a-later-read',
    title: 'The token is compared with one read of an object, and the If-Match is taken from a later one',
    seen: 'nowhere yet: a HEAD right before the PUT',
    edits: [
      {
        file: 'src/fencing/s3/object-cell.ts',
        find: '    { etag }: ObjectState,\n',
        replace: '    _current: ObjectState,\n',
      },
      {
        file: 'src/fencing/s3/object-cell.ts',
        find: '    const { PutObjectCommand } = await this.#commands();\n',
        replace:
          '    const { etag } = await this.load(signal);\n    const { PutObjectCommand } = await this.#commands();\n',
      },
    ],
    life: { ...few, sharing: 'objects', faults: 'process' },
    checkers: ['fence-kept'],
  },
  {
    id: 'object-without-stamp',
    title: 'Two writes of equal data give an object one ETag, so the If-Match of the first still holds',
    seen: 'nowhere yet: an ETag that is a digest',
    edits: [
      {
        file: 'src/fencing/s3/object-cell.ts',
        find: '      Body: this.#stamped(data, fence.writeId),\n',
        replace: '      Body: data,\n',
      },
      {
        file: 'src/fencing/s3/object-cell.ts',
        find: '      const data = stamped ? removeStamp(this.name, body, fence.writeId) : body;\n',
        replace: '      const data = stamped ? body : body;\n',
      },
    ],
    life: { ...few, sharing: 'objects', faults: 'all' },
    settings: [late, ...claims],
    checkers: ['fence-kept'],
  },
  {
    id: 'object-refusal-of-its-own-write',
    title: 'A PUT that the SDK sent twice is refused by what its first copy did, and counts as not written',
    seen: 'aws/aws-sdk-java-v2#6580',
    edits: [
      {
        file: 'src/fencing/s3/failures.ts',
        find: "  return attempts > 1 ? 'unclear' : 'refused';\n",
        replace: "  return 'refused';\n",
      },
    ],
    life: { ...few, sharing: 'objects', faults: 'network' },
    checkers: ['fence-kept'],
  },
  {
    id: 'unchanged-means-not-written',
    title:
      'A write without an answer counts as failed where a read does not show it, although it is on its way',
    seen: 'nowhere yet: a read that answers too early',
    edits: [
      {
        file: 'src/fencing/fenced-cell.ts',
        find: "      if (verdict === 'beaten') return undefined;\n",
        replace:
          "      if (verdict === 'beaten') return undefined;\n      if (verdict === 'unchanged') throw new ConclaveError('unavailable', 'Nothing was written.');\n",
      },
    ],
    life: { ...few, sharing: 'documents', faults: 'network' },
    settings: [late, seldom, ...sentOnce],
    checkers: ['fence-kept'],
  },
  {
    id: 'lost-answer-is-a-refusal',
    title: 'A write whose answer was lost counts as refused, and is made anew',
    seen: 'nowhere yet: an error taken for a no',
    edits: [
      {
        file: 'src/fencing/fenced-cell.ts',
        find: "        ambiguous = error.outcome === 'unknown' ? error : ambiguous;\n",
        replace: '        return undefined;\n',
      },
    ],
    life: { ...few, sharing: 'documents', faults: 'network' },
    settings: [lossy],
    checkers: ['fence-kept'],
  },
  {
    id: 'document-replaced-by-token-alone',
    title: 'A document is replaced wherever the token may write, not only where it is what was read',
    seen: 'nowhere yet: a filter that lacks the version',
    edits: [
      {
        file: 'src/fencing/mongodb/document-cell.ts',
        find: '      const filter = { _id: this.#id, ...seen };\n',
        replace:
          '      void seen;\n      const filter = { _id: this.#id, ...mayWrite(this.#field, fence) };\n',
      },
    ],
    life: { ...few, sharing: 'documents', faults: 'process' },
    checkers: ['fence-kept'],
  },
  {
    id: 'operators-without-token',
    title:
      'Update operators are applied to a document after a look at its token, which is not in their filter',
    seen: 'nowhere yet: a check before the write',
    edits: [
      {
        file: 'src/fencing/mongodb/document-cell.ts',
        find: '      const filter = { _id: this.#id, $or: allowed };\n',
        replace:
          '      const seen = (await this.load(signal)).fence;\n      if (seen !== undefined && seen.token > token) return false;\n      void allowed;\n      const filter = { _id: this.#id };\n',
      },
    ],
    life: { ...few, sharing: 'documents', faults: 'all' },
    settings: [late],
    checkers: ['fence-kept'],
  },
  {
    id: 'transaction-only-reads-the-fence',
    title:
      'A transaction whose token the fence has already reads it without writing, so it conflicts with none',
    seen: 'nowhere yet: write skew under snapshot isolation',
    edits: [
      {
        file: 'src/fencing/mongodb/fenced-transaction.ts',
        find: '  if ((await fences.updateOne(filter, update, { session })).matchedCount === 1) return;\n',
        replace:
          '  const before: Document | null = await fences.findOne({ _id: resource }, { session });\n  if (before?.fence?.token === writer.token) return;\n  if ((await fences.updateOne(filter, update, { session })).matchedCount === 1) return;\n',
      },
    ],
    life: { ...few, sharing: 'documents', faults: 'all' },
    settings: [...claims, inTransactions],
    // Two that both think they are first insert the same entry: the server refuses the second, unforeseen.
    checkers: ['fence-kept', 'program'],
  },
  {
    id: 'script-keeps-the-old-token',
    title: 'The script of Redis compares the token, and does not keep the one that it lets in',
    seen: 'nowhere yet: a check without its memory',
    edits: [
      {
        file: 'src/fencing/redis/scripts.ts',
        find: "  token, version = ARGV[2], string.format('%.0f', tonumber(version) + 1)\n",
        replace: "  version = string.format('%.0f', tonumber(version) + 1)\n",
      },
    ],
    life: { ...few, sharing: 'keys', faults: 'process' },
    checkers: ['fence-kept'],
  },
  {
    id: 'script-compares-texts',
    title: 'The script of Redis compares tokens as texts, in which 100 comes before 99',
    seen: 'nowhere yet: ARGV are texts',
    edits: [
      {
        file: 'src/fencing/redis/scripts.ts',
        find: 'if tonumber(ARGV[2]) < tonumber(token) or',
        replace: 'if ARGV[2] < token or',
      },
    ],
    life: { ...few, sharing: 'keys', faults: 'process' },
    checkers: ['program', 'fence-kept'],
  },
  {
    id: 'script-runs-again',
    title: 'A script that is sent again, since its answer was lost, takes effect again',
    seen: 'redis/redis-rb#953',
    edits: [
      {
        file: 'src/fencing/redis/scripts.ts',
        find: 'if place then\n',
        replace: 'if place and false then\n',
      },
    ],
    life: { ...few, sharing: 'keys', faults: 'network' },
    settings: [lossy],
    checkers: ['fence-kept'],
  },
  {
    id: 'fence-row-takes-any-token',
    title: 'The fence row of PostgreSQL takes the token that comes, and answers that it is the highest',
    seen: 'nowhere yet: an upsert without its GREATEST',
    edits: [
      {
        file: 'src/fencing/sql/postgres-dialect.ts',
        find: '  token = GREATEST(fence.token, excluded.token),\n',
        replace: '  token = excluded.token,\n',
      },
    ],
    life: { ...few, sharing: 'postgres', faults: 'process' },
    checkers: ['fence-kept'],
  },
  {
    id: 'fence-looked-at-without-lock',
    title: 'After a lost commit the fence row is read without waiting for who may still commit',
    seen: 'nowhere yet: a SELECT in place of a lock',
    edits: [
      {
        file: 'src/fencing/sql/postgres-dialect.ts',
        find: `    text: \`INSERT INTO \${quoteTable(table, '"')} AS fence (resource, election, token) VALUES ($1, '', 0)
ON CONFLICT (resource) DO UPDATE SET attempt = fence.attempt
RETURNING attempt, previous_attempt\`,
`,
        replace: `    text: \`SELECT attempt, previous_attempt FROM \${quoteTable(table, '"')} WHERE resource = $1\`,
`,
      },
    ],
    life: { ...few, sharing: 'postgres', faults: 'network' },
    settings: [lateCommits],
    checkers: ['fence-kept'],
  },
  {
    id: 'lost-commit-is-a-failure',
    title: 'A commit without an answer counts as rolled back',
    seen: 'vitessio/vitess#2085',
    edits: [
      {
        file: 'src/fencing/sql/commit.ts',
        find: "  const fate = driver.reopens ? await lookUntilKnown(driver, settings, ours) : 'unknown';\n",
        replace:
          "  const fate = driver.reopens ? ('not-committed' as Fate) : await lookUntilKnown(driver, settings, ours);\n",
      },
    ],
    life: { ...few, sharing: 'mysql', faults: 'network' },
    settings: [lossy],
    checkers: ['fence-kept'],
  },
  {
    id: 'fence-taken-before-the-work',
    title: 'The fence row is taken in a transaction of its own, and free again while the work runs',
    seen: 'nowhere yet: a check before, instead of a lock',
    edits: [
      {
        file: 'src/fencing/sql/fenced.ts',
        find: "  await bounded(settings, dialect.mark(query), 'A savepoint');\n",
        replace:
          "  await session.commit();\n  await session.begin(settings);\n  await bounded(settings, dialect.mark(query), 'A savepoint');\n",
      },
    ],
    life: { ...few, sharing: 'mysql', faults: 'process' },
    checkers: ['fence-kept'],
  },
  {
    id: 'sqlite-fence-lowered',
    title: 'The fence row of SQLite takes the token that comes, and answers that it is the highest',
    seen: 'nowhere yet: an upsert without its max',
    edits: [
      {
        file: 'src/fencing/sql/sqlite-dialect.ts',
        find: '  token = max(fence.token, excluded.token),\n',
        replace: '  token = excluded.token,\n',
      },
    ],
    life: { ...few, sharing: 'sqlite', faults: 'process' },
    checkers: ['fence-kept'],
  },
  {
    id: 'passage-ends-with-the-response',
    title: 'A request whose client went away leaves the gate while its handler is still at work',
    seen: 'nowhere yet: work that outlives its response',
    edits: [
      {
        file: 'src/fencing/http/middleware.ts',
        find: "    const work = (async () => await handler(request, response))();\n    if (judgement.kind === 'inside') judgement.stay.holdUntil(work);\n",
        replace: '    const work = (async () => await handler(request, response))();\n',
      },
    ],
    life: { ...few, sharing: 'requests', faults: 'all' },
    settings: impatient,
    checkers: ['fence-kept'],
  },
  {
    id: 'unanswered-request-is-a-refusal',
    title: 'A fenced request without an answer counts as not carried out',
    seen: 'nowhere yet: an error taken for a no',
    edits: [
      {
        file: 'src/fencing/http/client.ts',
        find: "  return new ConclaveError('unavailable', message, { cause, outcome: 'unknown', retryable: true, details });\n",
        replace: "  return new ConclaveError('unavailable', message, { cause, retryable: true, details });\n",
      },
    ],
    life: { ...few, sharing: 'requests', faults: 'network' },
    settings: [lossy],
    checkers: ['fence-kept'],
  },
  {
    id: 'refusal-of-one-copy',
    title: 'A PUT that came to the service twice counts as not carried out where its second copy is refused',
    seen: 'here: seed 15 of the block with network faults',
    edits: [
      {
        file: 'src/fencing/http/client.ts',
        find: "    outcome: mayRepeat || outcome === 'unknown' ? 'unknown' : 'not-applied',\n",
        replace: "    outcome: outcome === 'unknown' ? 'unknown' : 'not-applied',\n",
      },
    ],
    life: { ...few, sharing: 'requests', faults: 'network' },
    settings: [repeated, ...impatient],
    checkers: ['fence-kept'],
  },
];
