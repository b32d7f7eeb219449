import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oneOutcomeChecker } from './one-outcome.ts';
import { HandMadeSharing } from './testing.ts';

const found = (message: RegExp) => ({ name: 'Violation', checker: 'one-outcome', message });
const done = (effect: string) => `done ${JSON.stringify({ run: 'x', effect })}`;

function sharing(): HandMadeSharing {
  return new HandMadeSharing((reports) => oneOutcomeChecker(reports));
}

function ran(life: HandMadeSharing, token: number): void {
  const hold = life.life.hold({ token, forMs: 100, election: 'once/op' });
  life.reports.tell('operationRan', { operation: 'op', attempt: token, hold });
}

test('an operation that runs twice and has one effect and one outcome is no violation', () => {
  const life = sharing();
  ran(life, 1);
  life.reports.tell('effectTaken', 'op', 'first');
  ran(life, 2);
  life.reports.tell('operationTold', 'a', 'op', done('first'));
  life.reports.tell('operationTold', 'b', 'op', done('first'));
  life.reports.tell('operationTold', 'b', 'other', done('second'));
  life.settle();
});

test('two outcomes are found', () => {
  const life = sharing();
  life.reports.tell('operationTold', 'a', 'op', done('first'));
  life.reports.tell('operationTold', 'b', 'op', 'failed by plan');
  assert.throws(
    () => life.settle(),
    found(/b was told the outcome of op: failed by plan\. a was told before/),
  );
});

test('a run after the outcome is found', () => {
  const life = sharing();
  life.reports.tell('operationTold', 'a', 'op', done('first'));
  ran(life, 3);
  assert.throws(() => life.settle(), found(/holder-3 runs op, attempt 3, with token 3 after a was told/));
});

test('an effect that happened twice is found', () => {
  const life = sharing();
  life.reports.tell('effectTaken', 'op', 'first');
  life.reports.tell('effectTaken', 'op', 'second');
  assert.throws(() => life.settle(), found(/The effect of op happened twice: as first and as second/));
});

test('a result that tells of another effect is found', () => {
  const life = sharing();
  life.reports.tell('operationTold', 'a', 'op', done('first'));
  life.reports.tell('effectTaken', 'op', 'second');
  assert.throws(() => life.settle(), found(/The effect of op is second, and its result is another/));
});
