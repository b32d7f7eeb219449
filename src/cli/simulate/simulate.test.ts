import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LifeFailure, LifeOptions, LifeResult } from '../../simulation/life/types.ts';
import { fakeResult } from '../../simulation/report/testing.ts';
import { CommandFailure } from '../failure.ts';
import type { SimulateOptions } from './options.ts';
import { simulate } from './simulate.ts';
import { summaryData, summaryText } from './summary.ts';
import { checkTraceFile, writeTrace } from './trace-file.ts';

const life = { faults: 'all', members: 3, clients: 8, candidates: 3, seconds: 30 } as const;
const usual: SimulateOptions = {
  ...{ life, firstSeed: 1, seeds: 20, forMs: undefined, jobs: 2 },
  ...{ keepGoing: false, shrink: false, trace: undefined, json: false },
};

interface World {
  /** What a life breaks; lives are never lived. */
  readonly breaks?: (options: LifeOptions) => Partial<LifeFailure> | undefined;
  readonly change?: (result: LifeResult, run: number) => Partial<LifeResult>;
  readonly interruptAfter?: number;
}

async function outcomeOf(options: Partial<SimulateOptions>, world: World = {}) {
  const interrupted = new AbortController();
  const lived: LifeOptions[] = [];
  const told: number[] = [];
  const run = async (one: LifeOptions) => {
    lived.push(one);
    if (lived.length === world.interruptAfter) interrupted.abort();
    const result = fakeResult(one, world.breaks?.(one));
    return { ...result, ...world.change?.(result, lived.length) };
  };
  const outcome = await simulate(
    { ...usual, ...options },
    {
      ...{
        run,
        signal: interrupted.signal,
        enough: new AbortController().signal,
        program: 'conclave simulate',
      },
      monotonicMs: () => lived.length * 50,
      processorMs: () => lived.length * 100,
      onFailure: ({ seed }) => told.push(seed),
    },
  );
  const text = summaryText(outcome, 'conclave simulate');
  const data = JSON.parse(JSON.stringify(summaryData(outcome, 'conclave simulate'))) as Record<
    string,
    unknown
  >;
  return { outcome, lived, told, text, data };
}

const breaksAt =
  (...seeds: number[]) =>
  ({ seed, only }: LifeOptions) =>
    seeds.includes(seed) && (only === undefined || (only.includes(2) && only.includes(9))) ? {} : undefined;

test('a block in which every claim held says so, with what it covered and how fast it was', async () => {
  const { outcome, text, data } = await outcomeOf({});
  assert.equal(outcome.ok, true);
  assert.match(text, /^OK\. Every claim held in 20 seeds from 1 on\.$/m);
  assert.match(text, /^simulated time {2}10 min 0 s$/m);
  assert.match(text, /^processor time {2}2 s$/m);
  assert.match(text, /^speed {11}300 simulated seconds for each second of a core$/m);
  assert.match(text, /^leaderships +40$/m);
  assert.match(text, /^kill +240$/m);
  const { ok, seeds, speed, coverage, failures } = data;
  assert.deepEqual({ ok, seeds, speed, failures }, { ok: true, seeds: 20, speed: 300, failures: [] });
  assert.deepEqual(coverage, { elections: 20, leaderships: 40, 'operations acknowledged': 800 });
});

test('the first seed is lived again, and a life that comes out differently is a failure', async () => {
  const { outcome, lived, text, data } = await outcomeOf(
    { jobs: 1 },
    { change: (_, run) => ({ traceHash: run === 21 ? 'b' : 'a' }) },
  );
  assert.deepEqual([lived.length, lived[20]?.seed, outcome.ok], [21, 1, false]);
  assert.match(text, /^FAILED\. Seed 1 is not deterministic: lived twice, its traces are a and b\./m);
  assert.doesNotMatch(text, /^OK/m);
  assert.deepEqual(data.unsteady, { seed: 1, hashes: ['a', 'b'] });
});

test('a run that covered nothing is a failure', async () => {
  const { outcome, text } = await outcomeOf({}, { change: () => ({ coverage: {}, faults: {} }) });
  assert.equal(outcome.ok, false);
  assert.match(text, /^FAILED\. The run proves nothing: it saw no elections, no operations acknowledged/m);
});

test('a failing life is lived again with its trace, and told with its timeline and its command', async () => {
  const { outcome, lived, told, text, data } = await outcomeOf({}, { breaks: breaksAt(5, 9) });
  assert.equal(outcome.ok, false);
  assert.deepEqual(told, [5]);
  assert.deepEqual(lived.at(-1), { ...life, seed: 5, keepTrace: true });
  assert.match(text, /^ {2}Claim {5}01-fake: One leader for a term\.$/m);
  assert.match(text, /m1 +event 58$/m);
  assert.match(text, /^Replay it: {2}conclave simulate --seed 5$/m);
  assert.match(text, /^FAILED\. 1 of \d+ seeds broke a claim\.$/m);
  const [failure] = data.failures as { seed: number; timeline: string[]; replay: string }[];
  assert.equal(failure?.seed, 5);
  assert.equal(failure?.replay, 'conclave simulate --seed 5');
  assert.ok((failure?.timeline.length ?? 0) > 10);
});

test('a failure that is another life the second time is told as that too', async () => {
  const { text } = await outcomeOf(
    { seeds: 1 },
    { breaks: breaksAt(1), change: (_, run) => ({ traceHash: `${run}` }) },
  );
  assert.match(text, /^Seed 1 breaks a claim/m);
  assert.match(text, /^FAILED\. 1 of 1 seed broke a claim\.$/m);
  assert.match(text, /^FAILED\. Seed 1 is not deterministic: lived twice, its traces are 1 and 2\./m);
});

test('shrunk, the life that is told has the two faults that matter', async () => {
  const { text, data } = await outcomeOf({ shrink: true, seeds: 1 }, { breaks: breaksAt(1) });
  const replay = 'conclave simulate --seed 1 --clients 0 --candidates 0 --only 2,9 --calm-links';
  assert.match(text, new RegExp(`^Replay it: {2}${replay}$`, 'm'));
  assert.match(text, /^Shrunk in \d+ tries, from 12 faults to 2:\n +2 {2}5\.000 s {2}kill, for 10 ms\n +9 /m);
  const [failure] = data.failures as { replay: string; shrunk: { only: number[] } }[];
  assert.deepEqual([failure?.replay, failure?.shrunk.only], [replay, [2, 9]]);
});

test('a claim that breaks without any fault is told as that, apart from the figures of the whole run', async () => {
  const breaks = ({ seed }: LifeOptions) => (seed === 1 ? { checker: 'a' } : undefined);
  const { text } = await outcomeOf({ shrink: true, seeds: 1 }, { breaks });
  assert.match(text, /^Shrunk in \d+ tries, from 12 faults to 0: it takes no fault to break this claim\.$/m);
  assert.match(text, /^The whole run:\n\nfirst seed {6}1$/m);
  assert.doesNotMatch(text, / 0$/m);
});

test('going on after failures, the first of each claim is looked at and the others are listed', async () => {
  const breaks = ({ seed }: LifeOptions) =>
    seed % 4 === 0 ? { checker: seed === 12 ? 'b' : 'a' } : undefined;
  const { outcome, text, data } = await outcomeOf({ keepGoing: true }, { breaks });
  assert.deepEqual(
    outcome.block.failures.map(({ seed }) => seed),
    [4, 8, 12, 16, 20],
  );
  assert.deepEqual(
    outcome.examined.map(({ failed }) => failed.seed),
    [4, 12],
  );
  assert.match(text, /^a +conclave simulate --seed 16$/m);
  assert.match(text, /^FAILED\. 5 of 20 seeds broke a claim\.$/m);
  assert.equal((data.failures as unknown[]).length, 5);
});

test('a life that hangs is told, but neither lived again nor shrunk', async () => {
  const breaks = ({ seed }: LifeOptions) =>
    seed === 1 ? { checker: 'hang', message: 'never ended' } : undefined;
  const { lived, text } = await outcomeOf({ seeds: 1, shrink: true }, { breaks });
  assert.equal(lived.length, 1);
  assert.match(text, /never ended[\s\S]*Replay it: {2}conclave simulate --seed 1$/m);
});

test('an interrupted run tells what it lived until then, and claims nothing of the rest', async () => {
  const { outcome, lived, text } = await outcomeOf({}, { interruptAfter: 7 });
  assert.equal(outcome.block.interrupted, true);
  assert.ok(lived.length <= 8);
  assert.match(text, /^Interrupted after \d seeds\.$/m);
});

test('the trace of the life, or of the first that failed, is written whole', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-test-'));
  t.after(() => rm(folder, { recursive: true }));
  const trace = join(folder, 'trace');
  for (const world of [{}, { breaks: breaksAt(1) }]) {
    const { outcome } = await outcomeOf({ seeds: 1, trace }, world);
    assert.equal(await writeTrace(outcome), trace);
    const lines = (await readFile(trace, 'utf8')).trimEnd().split('\n');
    assert.equal(lines.length, 60);
    assert.match(lines[59] ?? '', /^ +0\.059000 s {2}m2 +event 59$/);
  }
  assert.equal(await writeTrace((await outcomeOf({ trace })).outcome), undefined);
});

test('a file that no trace can be written to is refused before anything is lived', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-trace-'));
  try {
    await checkTraceFile(undefined);
    await checkTraceFile(true);
    await checkTraceFile(join(folder, 'one.trace'));
    const isUsage = (error: unknown) => error instanceof CommandFailure && error.reason === 'usage';
    await assert.rejects(checkTraceFile(join(folder, 'none', 'one.trace')), isUsage);
    await assert.rejects(checkTraceFile(folder), isUsage);
  } finally {
    await rm(folder, { recursive: true });
  }
});
