import assert from 'node:assert/strict';
import { test } from 'node:test';
import { electionsCompleteChecker } from './elections-complete.ts';
import { HandMadeLife } from './testing.ts';

const found = (checker: string, text: RegExp) => ({ name: 'Violation', checker, message: text });

test('whoever still waits in the end is named', () => {
  const round = { unfinished: () => ['candidate-2 to lead'] };
  const life = new HandMadeLife((reports) => electionsCompleteChecker(reports, round));
  life.reports.healedUs = 1000;
  assert.throws(() => life.checker.ended?.(), found('elections-complete', /since 1 ms: candidate-2 to lead/));
});

test('a round in which nobody waits any more is over', () => {
  const life = new HandMadeLife((reports) => electionsCompleteChecker(reports, { unfinished: () => [] }));
  life.reports.healedUs = 1000;
  life.checker.ended?.();
});
