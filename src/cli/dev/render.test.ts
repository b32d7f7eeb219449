import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import type { DevEvent } from './events.ts';
import { entryLine, eventLine, newEntries, verdictText } from './plain.ts';
import { render } from './render.ts';
import { settled, stateAfter } from './testing.ts';
import { bar, paint, span } from './text-line.ts';

const pausedStory: DevEvent[] = [
  ...settled(),
  { type: 'member-killed', atMs: 1000, member: 'm3' },
  { type: 'candidate-paused', atMs: 1200, candidate: 'job-1' },
  { type: 'elected', atMs: 2700, candidate: 'job-2', token: 9, validUntilMs: 4660 },
  { type: 'written', atMs: 2710, candidate: 'job-2', token: 9, version: 2 },
  { type: 'candidate-woken', atMs: 3300, candidate: 'job-1' },
  {
    ...{ type: 'refused', atMs: 3305, candidate: 'job-1', token: 5, version: 2, code: 'stale-token' },
    ...{ reason: 'token 9 has written.', stale: true },
  },
];

test('the whole view on a terminal of 80 by 24', () => {
  const lines = render(stateAfter(pausedStory), { width: 80, height: 24, colour: false, nowMs: 3660 });
  assert.deepEqual(lines, [
    'Conclave  3 members, 3 candidates, one leader at a time  00:03',
    '',
    'MEMBERS       role               term   commit  applied      pid',
    '★ m1          Raft leader           2       40       40      101',
    '● m2          follower              2       40       40      102',
    '✗ m3          killed',
    '',
    'LEADERSHIP    of "demo"',
    '  holder      job-2  token 9',
    '  time left   ████████████████████···················· 1.0 of 2.0 s',
    '',
    'CANDIDATES    state             token  written  refused      pid',
    '● job-1       waiting               5        1        1      201',
    '★ job-2       LEADS                 9        1        0      202',
    '● job-3       waiting               -        0        0      203',
    '  shared file version 2, by job-2 with token 9; 1 refused',
    '',
    'TIMELINE',
    '    2.70 s  job-2 leads with token 9, 1.50 s after job-1 was paused',
    '    3.30 s  job-1 wakes (SIGCONT) and goes on where it was',
    '    3.31 s  job-1 tried to write version 2 with token 5: REFUSED, stale-token:',
    '            token 9 has written.',
    '',
    ' k  kill Raft   j  kill job   p  pause   h  heal   q  quit',
  ]);
});

test('whatever the size of the terminal, no line is wider and no view is higher', () => {
  const state = stateAfter(pausedStory);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 60 }),
      fc.boolean(),
      (width, height, colour) => {
        const lines = render(state, { width, height, colour, nowMs: 3660 });
        assert.ok(lines.length <= height);
        for (const line of lines) assert.ok([...stripVTControlCharacters(line)].length <= width, line);
      },
    ),
  );
});

test('the keys and the members stay on a small terminal, and the timeline goes', () => {
  const lines = render(stateAfter(pausedStory), { width: 80, height: 10, colour: false, nowMs: 3660 });
  assert.match(lines.join('\n'), /m1[\s\S]*kill Raft/);
  assert.doesNotMatch(lines.join('\n'), /TIMELINE/);
});

test('nobody leads until somebody does', () => {
  const lines = render(stateAfter([]), { width: 80, height: 24, colour: false, nowMs: 0 });
  assert.match(lines.join('\n'), /holder {6}nobody/);
});

test('without a majority the view says so, and what to do', () => {
  const events: DevEvent[] = [
    ...settled(),
    { type: 'member-killed', atMs: 1000, member: 'm1' },
    { type: 'ended', atMs: 2660, candidate: 'job-1', token: 5, validUntilMs: 2660, cause: 'expired' },
  ];
  const view = (...more: DevEvent[]) =>
    render(stateAfter([...events, ...more]), { width: 80, height: 24, colour: false, nowMs: 3000 }).join(
      '\n',
    );
  assert.match(view(), /holder {6}nobody; job-1 had token 5\n {2}time left\s*\n/);
  const text = view({ type: 'member-killed', atMs: 2700, member: 'm2' });
  assert.match(text, /time left {3}1 of 3 members run, no majority: press h to heal/);
});

test('colours are put around what was cut, so no escape sequence is', () => {
  assert.equal(paint([span('abc', 'red'), span('def')], 4, true), '\u001B[31mabc\u001B[39m…');
  assert.equal(paint([span('abcdef')], 4, false), 'abc…');
});

test('a bar is full to the eighth', () => {
  assert.deepEqual(bar(0.5, 4), { filled: '██', empty: '··' });
  assert.deepEqual(bar(0.53125, 4), { filled: '██▏', empty: '·' });
  assert.deepEqual(bar(7, 4), { filled: '████', empty: '' });
  assert.deepEqual(bar(-1, 4), { filled: '', empty: '····' });
});

test('without a terminal the timeline comes as lines, each once', () => {
  const state = stateAfter(pausedStory);
  const lines = newEntries(state, state.timeline[1]).map((entry) => entryLine(state, entry));
  assert.equal(lines[0], '   1.00 s  m3 is killed (SIGKILL)\n');
  assert.equal(lines.length, 5);
  assert.deepEqual(newEntries(state, state.timeline.at(-1)), []);
});

test('events are JSON lines, without those that only tick', () => {
  const state = stateAfter([]);
  const elected: DevEvent = { type: 'elected', atMs: 12.34, candidate: 'job-1', token: 5, validUntilMs: 99 };
  assert.deepEqual(JSON.parse(eventLine(state, elected) ?? ''), { ...elected, atMs: 12.3 });
  const held: DevEvent = { type: 'held', atMs: 1, candidate: 'job-1', token: 5, validUntilMs: 99 };
  assert.equal(eventLine(state, held), undefined);
});

test('the verdict says what was violated', () => {
  const summary = 'All went well.';
  assert.equal(
    verdictText({ ok: true, figures: ['a'], violations: [], summary }),
    '  a\nOK. All went well.\n',
  );
  assert.equal(
    verdictText({ ok: false, figures: [], violations: ['b', 'c'], summary }),
    'VIOLATED:\n  b\n  c\n',
  );
});
