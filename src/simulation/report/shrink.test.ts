import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LifeOptions, LifeResult } from '../life/types.ts';
import { type Shrunk, shrink } from './shrink.ts';
import { fakeResult, fakeSchedule } from './testing.ts';

const all = fakeSchedule(12, 30).map((fault) => fault.number);

/** A world in which a life fails where `breaks` says so. */
function world(breaks: (options: LifeOptions, strikes: ReadonlySet<number>) => string | undefined) {
  const lived: LifeOptions[] = [];
  const run = async (options: LifeOptions): Promise<LifeResult> => {
    lived.push(options);
    const checker = breaks(options, new Set(options.only ?? all));
    return fakeResult(options, checker === undefined ? undefined : { checker });
  };
  const shrunk = async (
    options: LifeOptions,
    more: { maxRuns?: number; signal?: AbortSignal } = {},
  ): Promise<Shrunk> => await shrink(options, await run(options), { run, ...more });
  return { lived, shrunk };
}

test('of twelve faults the two that fail together are found', async () => {
  const { shrunk } = world((_, strikes) => (strikes.has(2) && strikes.has(9) ? 'a' : undefined));
  const { options, result } = await shrunk({ seed: 7, faults: 'network' });
  assert.deepEqual(options.only, [2, 9]);
  assert.deepEqual([options.calmLinks, options.candidates, options.clients], [true, 0, 0]);
  assert.deepEqual([options.seed, options.faults, result.failure?.checker], [7, 'network', 'a']);
});

for (const needed of [[0], [11], [5, 6], [0, 11], [1, 4, 8], all]) {
  test(`exactly the faults ${needed} are kept where all of them are needed`, async () => {
    const { shrunk } = world((_, strikes) => (needed.every((one) => strikes.has(one)) ? 'a' : undefined));
    assert.deepEqual((await shrunk({ seed: 7 })).options.only ?? all, needed);
  });
}

test('a life that fails without any fault ends with none', async () => {
  const { shrunk } = world(() => 'a');
  assert.deepEqual((await shrunk({ seed: 7 })).options.only, []);
});

test('what fails by another claim is not what is looked for', async () => {
  const { shrunk } = world((_, strikes) => (strikes.has(3) && strikes.has(4) ? 'a' : 'b'));
  const { options, result } = await shrunk({ seed: 7 });
  assert.deepEqual(options.only, [3, 4]);
  assert.equal(result.failure?.checker, 'a');
});

test('clients, candidates and rough links that the failure needs are kept', async () => {
  const { shrunk } = world(({ clients = 8, candidates = 3, calmLinks }) =>
    clients >= 2 && candidates >= 1 && calmLinks !== true ? 'a' : undefined,
  );
  const { options } = await shrunk({ seed: 7 });
  assert.deepEqual([options.clients, options.candidates, options.calmLinks], [2, 1, undefined]);
});

test('faults that were to strike after the failure are left out first', async () => {
  const lived: LifeOptions[] = [];
  const failed = fakeResult({ seed: 7 }, { atUs: 6e6 });
  await shrink({ seed: 7 }, failed, {
    run: async (options) => {
      lived.push(options);
      return fakeResult(options);
    },
  });
  assert.deepEqual(lived[0]?.only, [0, 1, 2]);
});

test('no life is tried twice, none keeps its trace, and no more are tried than allowed', async () => {
  const { lived, shrunk } = world((_, strikes) => (strikes.size >= 5 ? 'a' : undefined));
  await shrunk({ seed: 7, keepTrace: true });
  const tried = lived.slice(1).map((options) => JSON.stringify({ ...options, keepTrace: undefined }));
  assert.equal(new Set(tried).size, tried.length);
  assert.ok(lived.slice(1).every((options) => options.keepTrace === false));
  const { tries } = await shrunk({ seed: 7 }, { maxRuns: 4 });
  assert.equal(tries, 4);
});

test('an abort ends the search with what it has', async () => {
  const { shrunk } = world(() => 'a');
  const { tries, options } = await shrunk({ seed: 7 }, { signal: AbortSignal.abort() });
  assert.deepEqual([tries, options.only], [0, undefined]);
});

test('a life in which every claim held is not shrunk', async () => {
  const { shrunk } = world(() => undefined);
  assert.equal((await shrunk({ seed: 7 })).tries, 0);
});
