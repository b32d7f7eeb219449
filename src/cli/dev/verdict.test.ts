import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DevEvent } from './events.ts';
import { mergeHistory, parseLines, withLine } from './job-file.ts';
import { settled, stateAfter } from './testing.ts';
import { checkHistory, type VerdictInput, verdictOf } from './verdict.ts';

const failover: DevEvent[] = [
  { type: 'candidate-killed', atMs: 1500, candidate: 'job-1' },
  { type: 'elected', atMs: 1520, candidate: 'job-2', token: 9, validUntilMs: 3480 },
  { type: 'observed', atMs: 1521, holder: 'job-2', token: 9 },
  { type: 'written', atMs: 1530, candidate: 'job-2', token: 9, version: 2 },
];
const history = [
  { version: 1, token: 5, writer: 'job-1' },
  { version: 2, token: 9, writer: 'job-2' },
];

function judge(events: readonly DevEvent[], change: Partial<VerdictInput> = {}) {
  const state = stateAfter([...settled(), ...events]);
  return verdictOf({ state, history, historyViolations: [], complete: true, unfinishedSteps: [], ...change });
}

test('a run in which all went well is told with its figures', () => {
  assert.deepEqual(judge(failover), {
    ok: true,
    figures: [
      'job failover: job-1 killed, job-2 took over after 20 ms',
      'leaderships: 2, with tokens 5, 9',
      'writes to the file: 2 accepted, 0 refused (0 by a stale leader)',
    ],
    violations: [],
    summary: 'One leader at a time, every failover completed, no stale write got through.',
  });
});

test('two leaders at a time are a violation', () => {
  const { ok, violations } = judge([
    { type: 'elected', atMs: 1520, candidate: 'job-2', token: 9, validUntilMs: 3480 },
    { type: 'ended', atMs: 1600, candidate: 'job-1', token: 5, validUntilMs: 2660, cause: 'resigned' },
  ]);
  assert.equal(ok, false);
  assert.deepEqual(violations, [
    'two leaders at a time: job-1 with token 5 and job-2 with token 9, for 80.0 ms',
  ]);
});

test('a paused leader whose lease had run out was no second one, although it learnt that late', () => {
  const { ok } = judge([
    { type: 'candidate-paused', atMs: 1000, candidate: 'job-1' },
    { type: 'elected', atMs: 2700, candidate: 'job-2', token: 9, validUntilMs: 4660 },
    { type: 'ended', atMs: 4000, candidate: 'job-1', token: 5, validUntilMs: 2660, cause: 'expired' },
  ]);
  assert.equal(ok, true);
});

test('a stale write that got through is a violation', () => {
  const stale = [...history, { version: 3, token: 5, writer: 'job-1' }];
  assert.deepEqual(judge(failover, { history: stale }).violations, [
    'a stale write got through: version 3 by job-1 with token 5, after token 9',
  ]);
});

test('a version that is missing, and a token of two writers, are violations', () => {
  assert.deepEqual(
    checkHistory([
      { version: 1, token: 5, writer: 'job-1' },
      { version: 3, token: 5, writer: 'job-2' },
    ]),
    ['the file has version 3 after version 1', 'token 5 was used by job-1 and by job-2'],
  );
});

test('a writer whose token was never won is a violation', () => {
  const strange = [...history, { version: 3, token: 11, writer: 'job-3' }];
  assert.deepEqual(judge(failover, { history: strange }).violations, [
    'version 3 by job-3 has token 11, which it never won',
  ]);
});

test('tokens that fall before an observer are a violation', () => {
  const { violations } = judge([...failover, { type: 'observed', atMs: 1600, holder: 'job-1', token: 5 }]);
  assert.deepEqual(violations, ['observe showed token 5 after token 9']);
});

test('a failover or a step that did not come about counts only in a run that was to show it', () => {
  const cutShort: DevEvent[] = [{ type: 'candidate-killed', atMs: 1500, candidate: 'job-1' }];
  const broken = judge(cutShort, { complete: false, history: history.slice(0, 1) });
  assert.equal(broken.ok, true);
  assert.equal(broken.summary, 'One leader at a time, no stale write got through.');
  assert.deepEqual(
    judge(cutShort, { history: history.slice(0, 1), unfinishedSteps: ['the pause'] }).violations,
    ['job failover after job-1 was killed never completed', 'the script did not come to its end: the pause'],
  );
});

test('lines of the file are read as they were written, and the oldest go', () => {
  let content = '';
  for (let version = 1; version <= 1003; version++)
    content = withLine(content, { version, token: 5, writer: 'job-1' }, 0);
  const lines = parseLines(content);
  assert.equal(lines.length, 1000);
  assert.deepEqual(lines.at(-1), { version: 1003, token: 5, writer: 'job-1' });
  assert.throws(() => parseLines('1 token=x'), /a line that nobody writes/);
});

test('a history that was rewritten shows in the next reading', () => {
  const next = [
    ...history.slice(0, 1),
    { version: 2, token: 5, writer: 'job-1' },
    { version: 3, token: 9, writer: 'job-2' },
  ];
  const merged = mergeHistory(history, next);
  assert.deepEqual(merged.violations, ['version 2 was by job-2, and is by job-1 in a later reading']);
  assert.deepEqual(
    merged.history.map((line) => line.version),
    [1, 2, 3],
  );
});
