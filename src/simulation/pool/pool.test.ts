import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import type { LifeResult } from '../life/types.ts';
import { fakeResult } from '../report/testing.ts';
import { liveBlock, mostFailures } from './block.ts';
import { LifePool } from './pool.ts';
import { badSeeds } from './testing.ts';

const runner = new URL('./testing.ts', import.meta.url);
const pool = new LifePool({ jobs: 2, runner });
after(() => pool[Symbol.asyncDispose]());

/** Lives in this thread that take as many turns as `turns` says. */
function instantly(turns: (seed: number) => number = () => 1, failing: readonly number[] = []) {
  return async (options: { seed: number }): Promise<LifeResult> => {
    for (let left = turns(options.seed); left > 0; left--) await Promise.resolve();
    return fakeResult(options, failing.includes(options.seed) ? {} : undefined);
  };
}

const block = { life: {}, firstSeed: 10, seeds: 8, jobs: 3, keepGoing: false };

test('each seed gets its own result, more seeds than threads too', async () => {
  const seeds = [1, 2, 3, 4, 5];
  const lived = await Promise.all(seeds.map((seed) => pool.run({ seed, members: 5 })));
  assert.deepEqual(
    lived,
    seeds.map((seed) => fakeResult({ seed, members: 5 })),
  );
});

test('what throws, leaves a rejection behind or ends the thread fails its own seed and no other', async () => {
  const { throws, rejects, exits, breaksClaim } = badSeeds;
  const seeds = [1, throws, 2, rejects, 3, exits, 4, breaksClaim, 5];
  const lived = await Promise.all(seeds.map((seed) => pool.run({ seed })));
  const failures = lived.map(({ seed, failure }) => [seed, failure?.checker]);
  const expected = new Map([throws, rejects, exits].map((seed) => [seed, 'program'] as const));
  assert.deepEqual(
    failures,
    seeds.map((seed) => [seed, seed === breaksClaim ? 'planted' : expected.get(seed)]),
  );
  const messages = lived.map(({ failure }) => failure?.message ?? '');
  assert.equal(messages[1], 'no such thing');
  assert.equal(messages[3], 'left alone');
  assert.match(lived[1]?.failure?.stack ?? '', /TypeError[\s\S]*testing\.ts/);
});

for (const [how, seed, why] of [
  ['computes', badSeeds.hangs, /after 1 s of processor time/],
  ['waits', badSeeds.waits, /after 1 s in which it waited for something/],
] as const) {
  test(`a life that ${how} without end is a failure, and the next one gets a new thread`, async () => {
    await using impatient = new LifePool({ jobs: 1, runner, patienceMs: 1000 });
    const lives = [impatient.run({ seed }), impatient.run({ seed: 2 })];
    const [hung, next] = await Promise.all(lives);
    assert.equal(hung?.failure?.checker, 'hang');
    assert.match(hung?.failure?.message ?? '', why);
    assert.equal(next?.failure, undefined);
  });
}

test('a closed pool rejects what is under way and what comes after', async () => {
  const closing = new LifePool({ jobs: 1, runner });
  const lives = [closing.run({ seed: badSeeds.hangs }), closing.run({ seed: 1 })];
  const rejected = Promise.all(
    lives.map((life) => assert.rejects(life, (error) => ConclaveError.is(error) && error.code === 'closed')),
  );
  await closing[Symbol.asyncDispose]();
  await rejected;
});

test('a block lives its seeds once each and sums them up', async () => {
  const seeds: number[] = [];
  const onLived = ({ seed }: LifeResult) => void seeds.push(seed);
  const done = await liveBlock(
    instantly((seed) => seed % 5),
    { ...block, onLived, processorMs: () => 100 + 2 * seeds.length },
  );
  assert.deepEqual(seeds.toSorted(), [10, 11, 12, 13, 14, 15, 16, 17]);
  assert.deepEqual([done.totals.seeds, done.usedMs, done.failures, done.interrupted], [8, 16, [], false]);
  assert.equal(done.first?.seed, 10);
});

test('the first failure of a block is its lowest seed, whatever fails sooner', async () => {
  const slowFirst = instantly((seed) => 100 - seed, [10, 11, 12, 15]);
  const done = await liveBlock(slowFirst, block);
  assert.deepEqual(
    done.failures.map((result) => result.seed),
    [10, 11, 12],
  );
  assert.equal(done.first, undefined);
  const all = await liveBlock(slowFirst, { ...block, keepGoing: true });
  assert.deepEqual(
    all.failures.map((result) => result.seed),
    [10, 11, 12, 15],
  );
  assert.equal(all.totals.seeds, 8);
});

test('a block in which everything fails keeps only so many failures', async () => {
  const everything = async (options: { seed: number }) => fakeResult(options, {});
  const done = await liveBlock(everything, { ...block, seeds: mostFailures + 500, keepGoing: true });
  assert.deepEqual([done.failures.length, done.totals.failures], [mostFailures, mostFailures + 500]);
});

test('a block without a number of seeds goes on until it is enough; what is under way is waited for', async () => {
  const enough = new AbortController();
  const done = await liveBlock(instantly(), {
    ...{ ...block, seeds: undefined, enough: enough.signal },
    onLived: (_, { totals }) => {
      if (totals.seeds === 50) enough.abort();
    },
  });
  assert.equal(done.totals.seeds, 52);
  assert.equal(done.interrupted, false);
});

test('an interrupted block does not wait for a life that hangs', async () => {
  const interrupted = new AbortController();
  const hang = async (options: { seed: number }): Promise<LifeResult> =>
    options.seed === 12 ? await new Promise<LifeResult>(() => {}) : await instantly()(options);
  const done = await liveBlock(hang, {
    ...{ ...block, seeds: undefined, signal: interrupted.signal },
    onLived: ({ seed }) => {
      if (seed === 30) interrupted.abort();
    },
  });
  assert.equal(done.interrupted, true);
  assert.ok(done.totals.seeds >= 20);
});
