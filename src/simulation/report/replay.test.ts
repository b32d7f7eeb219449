import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LifeOptions } from '../life/types.ts';
import { replayCommand } from './replay.ts';

test('a life with nothing but defaults is lived again by its seed alone', () => {
  assert.equal(replayCommand({ seed: 7 }), 'conclave simulate --seed 7');
  const defaults = { faults: 'all', members: 3, clients: 8, candidates: 3, seconds: 30 } as const;
  assert.equal(replayCommand({ seed: 7, ...defaults, keepTrace: true }), 'conclave simulate --seed 7');
});

test('what differs from the defaults stands in the command', () => {
  const life = { seed: 9, faults: 'disk', members: 5, clients: 0, candidates: 1, seconds: 5 } as const;
  assert.equal(
    replayCommand({ ...life, only: [3, 7], calmLinks: true }, 'npm run simulate --'),
    'npm run simulate -- --seed 9 --faults disk --members 5 --clients 0 --candidates 1 --seconds 5 --only 3,7 --calm-links',
  );
  assert.equal(replayCommand({ seed: 9, only: [] }), 'conclave simulate --seed 9 --only none');
});

test('each option that changes a life changes the command', () => {
  const all: Required<Omit<LifeOptions, 'keepTrace'>> = {
    ...{ seed: 8, faults: 'disk', members: 5, clients: 1, candidates: 1, seconds: 1, only: [1] },
    ...{ calmLinks: true, sharing: 'log', divergence: false, users: false, compaction: 'by-time' },
    ...{ burst: 1, compareEveryMs: 0 },
  };
  for (const [name, value] of Object.entries(all)) {
    const one = { seed: 7, [name]: value };
    assert.notEqual(replayCommand(one), replayCommand({ seed: 7 }), name);
  }
});
