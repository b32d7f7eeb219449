import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeLines, fakeResult } from './testing.ts';
import { describeFailure, lastEvents } from './timeline.ts';

test('the last events of each process stay in the order in which they took place', () => {
  const kept = lastEvents(fakeLines, 2);
  assert.deepEqual(
    kept.map((line) => `${line.who}: ${line.text}`),
    [': event 54', 'm1: event 55', 'm2: event 56', ': event 57', 'm1: event 58', 'm2: event 59'],
  );
});

test('a process that fell silent long before the end is still there', () => {
  const early = { atUs: 0, who: 'm3', text: 'is killed' };
  assert.deepEqual(lastEvents([early, ...fakeLines], 1)[0], early);
});

test('what a process repeats takes one line, so that the rest has room', () => {
  const beat = (atUs: number) => ({ atUs, who: 'm1', text: 'sends a heartbeat' });
  const lines = [{ atUs: 1, who: 'm1', text: 'is elected' }, beat(2), beat(3), beat(4)];
  assert.deepEqual(
    lastEvents(lines, 2).map(({ atUs, text }) => [atUs, text]),
    [
      [1, 'is elected'],
      [4, 'sends a heartbeat (3 times)'],
    ],
  );
});

test('a change of role stays, however much is said after it, and a long line is cut', () => {
  const talk = Array.from({ length: 100 }, (_, at) => ({
    ...{ atUs: at + 2, who: 'member-1', text: `to member-2: append ${at} ${'x'.repeat(300)}` },
  }));
  const turn = { atUs: 1, who: 'member-1', text: 'The Raft state changed. role="leader" term=2' };
  assert.deepEqual(lastEvents([turn, ...talk])[0], turn);
  const failed = { ...fakeResult({ seed: 7, keepTrace: true }, {}), lines: [turn, ...talk] };
  const lines = describeFailure(failed, 'again').split('\n');
  assert.ok(lines.some((line) => line.endsWith('role="leader" term=2')));
  assert.ok(
    lines.every((line) => line.length <= 182),
    `${Math.max(...lines.map(({ length }) => length))}`,
  );
});

test('a failure is told with its claim, what was seen, the events that led to it, and how to see it again', () => {
  const text = describeFailure(fakeResult({ seed: 7, keepTrace: true }, {}), 'conclave simulate --seed 7');
  assert.match(text, /^Seed 7 breaks a claim after 29\.999999 s of simulated time\.$/m);
  assert.match(text, /^ {2}Claim {5}01-fake: One leader for a term\.$/m);
  assert.match(text, /^ {2}Seen {6}m1 and m2 lead in term 4\.$/m);
  assert.match(text, /^ {5}0\.058000 s {2}m1 +event 58$/m);
  assert.match(text, /^Replay it: {2}conclave simulate --seed 7$/m);
});

test('what the code itself threw has its stack, what a checker threw has not', () => {
  const of = (checker: string) =>
    describeFailure(fakeResult({ seed: 7 }, { checker, stack: 'Error: x\n    at y' }), 'again');
  assert.match(of('program'), /at y/);
  assert.doesNotMatch(of('01-one-leader'), /at y/);
});

test('a life without a failure says so', () => {
  assert.equal(describeFailure(fakeResult({ seed: 7 }), 'again'), 'Seed 7: every claim held.');
});
