// Random conversations with etcd and with our server, word for word: every answer, code, text and event is
// compared. A bounded number each time; CONCLAVE_DIFFERENTIAL_RUNS and CONCLAVE_DIFFERENTIAL_SEED ask for others.
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { after, before, describe, type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { peer } from '../../peers.ts';
import { startConclave, startEtcd, startFollower, type TestServer } from '../servers.ts';
import { differences, type Pair } from './differences.ts';
import { sequenceOfCalls, sequenceWithWatches } from './generate.ts';
import type { Step } from './requests.ts';
import { Talk } from './talk.ts';

const etcd = peer('etcd');
const runs = Number(process.env.CONCLAVE_DIFFERENTIAL_RUNS ?? 300);
const seed = Number(process.env.CONCLAVE_DIFFERENTIAL_SEED ?? randomInt(2 ** 31 - 1));

describe('random sequences of requests are answered as etcd answers them', {
  skip: etcd.missing ?? false,
  concurrency: false,
}, () => {
  const servers: TestServer[] = [];
  const talks: Talk[] = [];
  let expected: Talk;
  let answered: Talk;
  let followed: Talk;

  before(async () => {
    const start = async (starting: Promise<TestServer>) => {
      const server = await starting;
      servers.push(server);
      const talk = new Talk(server.endpoint);
      talks.push(talk);
      return talk;
    };
    expected = await start(startEtcd(etcd.path ?? '', { quick: true }));
    answered = await start(startConclave({ quick: true }));
    followed = await start(startFollower({ quick: true }));
  });
  after(async () => {
    for (const talk of talks) talk[Symbol.dispose]();
    for (const server of servers) await server[Symbol.asyncDispose]();
  });

  /** How often each difference that is decided on was met. */
  const met = new Map<string, number>();

  const check = (pair: Pair): void => {
    if (pair.theirs === pair.ours) return;
    const difference = differences.find((candidate) => candidate.explains(pair));
    if (difference !== undefined) met.set(difference.name, (met.get(difference.name) ?? 0) + 1);
    else assert.equal(pair.ours, pair.theirs, `what ${pair.step?.call ?? 'a watch'} gave`);
  };

  const compare = async (steps: readonly Step[], talk: Talk): Promise<void> => {
    const [theirs, ours] = await Promise.all([expected.run(steps), talk.run(steps)]);
    const { compacted } = theirs;
    for (const [at, step] of steps.entries()) {
      check({ step, theirs: theirs.answers[at] ?? '', ours: ours.answers[at] ?? '', compacted });
    }
    for (const id of new Set([...theirs.received.keys(), ...ours.received.keys()])) {
      const [expectedEvents, events] = [theirs.received.get(id) ?? '[]', ours.received.get(id) ?? '[]'];
      check({ step: undefined, theirs: expectedEvents, ours: events, compacted });
    }
  };

  const report = (t: TestContext): void => {
    for (const [name, times] of met) t.diagnostic(`${name}: ${times} times`);
    met.clear();
  };

  const few = Math.ceil(runs / 10);
  const subjects = [
    ['keys, transactions, leases and compaction', sequenceOfCalls, runs, () => answered],
    ['with watches', sequenceWithWatches, few, () => answered],
    ['at a follower', sequenceOfCalls, few, () => followed],
    ['at a follower, with watches', sequenceWithWatches, few, () => followed],
  ] as const;
  for (const [name, sequence, numRuns, talk] of subjects) {
    test(`${name}: ${numRuns} with seed ${seed}`, { timeout: 60_000 + numRuns * 2_000 }, async (t) => {
      const property = fc.asyncProperty(sequence, (steps) => compare(steps, talk()));
      await fc.assert(property, { numRuns, seed });
      report(t);
    });
  }
});
