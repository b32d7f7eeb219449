import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DevEvent } from './events.ts';
import { jobLeader, raftLeader } from './model.ts';
import { settled, stateAfter } from './testing.ts';

const texts = (events: readonly DevEvent[]) => stateAfter(events).timeline.map((entry) => entry.text);
const story = (events: readonly DevEvent[]) =>
  texts([...settled(), ...events]).slice(texts(settled()).length);

test('the first leaders are told without a failover', () => {
  assert.deepEqual(texts(settled()), ['m1 is the Raft leader of term 2', 'job-1 leads with token 5']);
});

test('a killed Raft leader is a failover until another member leads a higher term', () => {
  const killed: DevEvent[] = [...settled(), { type: 'member-killed', atMs: 1000, member: 'm1' }];
  assert.equal(stateAfter(killed).failovers[0]?.endMs, undefined);
  const reading = { term: 3, commitIndex: 42, appliedIndex: 42 };
  const replaced: DevEvent[] = [
    ...killed,
    // Still on its way when m1 was killed: it must not count as life.
    {
      type: 'member-state',
      atMs: 1001,
      member: 'm1',
      role: 'leader',
      term: 2,
      commitIndex: 41,
      appliedIndex: 41,
    },
    { type: 'member-exited', atMs: 1002, member: 'm1', detail: 'SIGKILL' },
    { type: 'member-state', atMs: 1025, member: 'm3', role: 'leader', ...reading },
  ];
  const state = stateAfter(replaced);
  assert.equal(raftLeader(state)?.name, 'm3');
  assert.equal(state.failovers[0]?.endMs, 1025);
  assert.deepEqual(
    state.timeline.slice(-2).map((entry) => entry.text),
    [
      'm1 is killed (SIGKILL): it was the Raft leader',
      'm3 is the Raft leader of term 3, 25 ms after m1 was killed',
    ],
  );
});

test('a killed follower is no failover', () => {
  assert.equal(
    stateAfter([...settled(), { type: 'member-killed', atMs: 1000, member: 'm2' }]).failovers.length,
    0,
  );
});

test('a member that is started again keeps its place, and is up when it says so', () => {
  const state = stateAfter([
    ...settled(),
    { type: 'member-killed', atMs: 1000, member: 'm1' },
    { type: 'member-started', atMs: 2000, member: 'm1', pid: 999, clientUrl: 'http://127.0.0.1:1' },
  ]);
  assert.deepEqual(
    state.members.map(({ name, pid, status }) => [name, pid, status]),
    [
      ['m1', 999, 'starting'],
      ['m2', 102, 'up'],
      ['m3', 103, 'up'],
    ],
  );
});

test("a killed job's leader holds nothing from that instant on, and the next one completes the failover", () => {
  const state = stateAfter([
    ...settled(),
    { type: 'candidate-killed', atMs: 1500, candidate: 'job-1' },
    { type: 'elected', atMs: 1520, candidate: 'job-2', token: 9, validUntilMs: 3480 },
  ]);
  assert.equal(state.leaderships[0]?.endMs, 1500);
  assert.equal(jobLeader(state)?.candidate.name, 'job-2');
  assert.deepEqual(state.failovers[0], {
    ...{ of: 'job', cause: 'killed', from: 'job-1', above: 5, startMs: 1500, endMs: 1520, to: 'job-2' },
  });
});

test('a pause past the lease is told from the pause to the refusal', () => {
  assert.deepEqual(
    story([
      { type: 'candidate-paused', atMs: 1000, candidate: 'job-1' },
      { type: 'elected', atMs: 2700, candidate: 'job-2', token: 9, validUntilMs: 4660 },
      { type: 'written', atMs: 2710, candidate: 'job-2', token: 9, version: 2 },
      { type: 'candidate-woken', atMs: 3300, candidate: 'job-1' },
      {
        ...{ type: 'refused', atMs: 3305, candidate: 'job-1', token: 5, version: 2, code: 'stale-token' },
        ...{ reason: 'token 9 has written.', stale: true },
      },
      { type: 'ended', atMs: 3306, candidate: 'job-1', token: 5, validUntilMs: 2660, cause: 'expired' },
    ]),
    [
      'job-1 is paused (SIGSTOP) in the middle of a write',
      'job-2 leads with token 9, 1.70 s after job-1 was paused',
      'job-1 wakes (SIGCONT) and goes on where it was',
      'job-1 tried to write version 2 with token 5: REFUSED, stale-token: token 9 has written.',
      'job-1 leads no more: expired',
    ],
  );
});

test('renewals move the end of a leadership on, never back', () => {
  const held = (validUntilMs: number): DevEvent => ({
    ...{ type: 'held', atMs: 900, candidate: 'job-1', token: 5, validUntilMs },
  });
  assert.equal(stateAfter([...settled(), held(3000), held(2900)]).leaderships[0]?.validUntilMs, 3000);
});

test('what a process that nobody started reports is ignored', () => {
  const state = stateAfter(settled());
  assert.equal(
    stateAfter([...settled(), { type: 'campaigning', atMs: 1, candidate: 'job-9' }]).candidates.length,
    3,
  );
  assert.deepEqual(state, stateAfter(settled()));
});
