import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommandFailure } from '../failure.ts';
import { raceSeed } from './race.ts';

const flags = {
  ...{ members: '3', clients: '8', candidates: '3', seconds: '30', faults: 'all' },
  race: true,
};

test('the race has the seed that is given, or a drawn one', () => {
  assert.equal(raceSeed({ ...flags, seed: '7' }), 7);
  const drawn = raceSeed(flags);
  assert.ok(Number.isInteger(drawn) && drawn >= 0 && drawn < 2 ** 32);
});

test('what is for whole lives does not go with the race', () => {
  const others = { seeds: '5', minutes: '1', only: '3', trace: true, shrink: true, keepGoing: true } as const;
  for (const [name, value] of Object.entries(others)) {
    assert.throws(() => raceSeed({ ...flags, [name]: value }), CommandFailure, name);
  }
  assert.throws(() => raceSeed({ ...flags, keepGoing: true }), /--keep-going/);
  assert.throws(() => raceSeed({ ...flags, seed: 'x' }), CommandFailure);
});
