import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logKeptChecker } from './log-kept.ts';
import { HandMadeSharing } from './testing.ts';

const found = (message: RegExp) => ({ name: 'Violation', checker: 'log-kept', message });
const record = (sequence: number, token: number, text = `text ${sequence}`) => ({ sequence, token, text });

/** Which of these reports are no violation, but for the last. */
function sharing(): HandMadeSharing {
  const life = new HandMadeSharing(logKeptChecker);
  life.reports.appended('log', record(1, 1));
  life.reports.appended('log', record(2, 3));
  life.reports.tell('logClaimed', 'log', 2, 5);
  life.reports.tell('logRead', 'log', 'reader', [record(1, 1), record(2, 3), record(3, 5)], 2);
  life.settle();
  return life;
}

test('a log that ends before an acknowledged record is found', () => {
  const life = sharing();
  life.reports.tell('logRead', 'log', 'reader', [record(1, 1)], life.reports.acknowledged('log'));
  assert.throws(() => life.settle(), found(/read log up to record 1 after record 2 was acknowledged/));
});

test('another record in the place of one that was acknowledged or shown is found', () => {
  const first = sharing();
  first.reports.tell('logRead', 'log', 'reader', [record(1, 1, 'other'), record(2, 3)], 2);
  assert.throws(() => first.settle(), found(/Record 1 of log was shown to reader as other .* it was text 1/));
  const shown = sharing();
  shown.reports.appended('log', record(3, 6, 'other'));
  assert.throws(() => shown.settle(), found(/Record 3 of log was acknowledged as other/));
});

test('a record that is there twice is found', () => {
  const life = sharing();
  life.reports.appended('log', record(4, 6, 'text 1'));
  assert.throws(() => life.settle(), found(/text 1 is in log twice: as record 1 and as record 4/));
});

test('records that are missing between others, or whose tokens fall, are found', () => {
  const gap = sharing();
  gap.reports.tell('logRead', 'log', 'reader', [record(1, 1), record(3, 5)], 0);
  assert.throws(() => gap.settle(), found(/read record 3 of log after record 1/));
  const stale = sharing();
  stale.reports.appended('log', record(4, 4));
  assert.throws(() => stale.settle(), found(/Record 4 of log carries token 4, between 5 and none/));
});

test('a record with a token below that of a claim before it is found', () => {
  const life = new HandMadeSharing(logKeptChecker);
  life.reports.tell('logClaimed', 'log', 0, 5);
  life.reports.appended('log', record(1, 4));
  assert.throws(() => life.settle(), found(/Record 1 of log carries token 4, though token 5 had claimed it/));
});
