import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sharingCompletesChecker } from './sharing-completes.ts';
import { HandMadeSharing } from './testing.ts';

test('somebody who still waits in the end is found', () => {
  const waiting = ['sharer-1 to hold a permit and the lock'];
  const round = { unfinished: () => waiting };
  const { checker } = new HandMadeSharing((reports) => sharingCompletesChecker(reports, round)).life;
  const violation = { name: 'Violation', checker: 'sharing-completes', message: /sharer-1 to hold a permit/ };
  assert.throws(() => checker.ended?.(), violation);
  waiting.pop();
  checker.ended?.();
});
