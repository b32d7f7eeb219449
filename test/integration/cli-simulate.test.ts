import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Conclave, run } from './cli.ts';

const patience = { timeout: 300_000 };

interface Summary {
  readonly ok: boolean;
  readonly interrupted: boolean;
  readonly seeds: number;
  readonly first: { readonly seed: number; readonly traceHash: string } | null;
  readonly coverage: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly failures: readonly { readonly message: string }[];
}

async function simulate(...words: string[]): Promise<{ code: number; summary: Summary; stderr: string }> {
  const { code, stdout, stderr } = await run(['simulate', '--json', ...words]);
  return { code, stderr, summary: JSON.parse(stdout) as Summary };
}

test('every claim holds in real lives, which see elections, work and faults', patience, async () => {
  const { code, summary, stderr } = await simulate('--seed', '2', '--seeds', '2', '--seconds', '5');
  assert.deepEqual(
    summary.failures.map(({ message }) => message),
    [],
  );
  assert.deepEqual([code, summary.ok, summary.seeds], [0, true, 2]);
  for (const what of ['elections', 'operations acknowledged', 'leaderships', 'fenced writes']) {
    assert.ok((summary.coverage[what] ?? 0) > 0, what);
  }
  assert.ok(Object.values(summary.faults).some((count) => count > 0));
  assert.match(stderr, /^2 seeds from 2 on: 3 members/m);
});

test('a seed is the same life in another process, on another thread', patience, async () => {
  const lives = [
    await simulate('--seed', '2', '--seconds', '2', '--faults', 'network'),
    await simulate('--seed', '2', '--seeds', '3', '--seconds', '2', '--faults', 'network', '--jobs', '3'),
  ];
  const [one, other] = lives.map(({ summary }) => summary.first);
  assert.equal(one?.seed, 2);
  assert.match(one.traceHash, /^[0-9a-f]{16}$/);
  assert.deepEqual(one, other);
});

test('interrupted, it ends with the summary of what was lived so far', patience, async () => {
  await using process = new Conclave([
    'simulate',
    '--minutes',
    '60',
    '--keep-going',
    '--seconds',
    '1',
    '--json',
  ]);
  await process.match('stderr', /^Seeds from \d+ on, for 1 h 0 min/m);
  process.process.kill('SIGINT');
  const code = await process.ended;
  const summary = JSON.parse(process.stdout) as Summary;
  assert.equal(summary.interrupted, true);
  assert.equal(code, summary.failures.length > 0 ? 1 : 130);
});
