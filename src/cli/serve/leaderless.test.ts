import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { tellLeaderlessEveryMs, tellWhileLeaderless, whyLeaderless } from './leaderless.ts';

type Status = Parameters<typeof whyLeaderless>[0];

function status(leader: number, connected: readonly number[]): Status {
  const members = [1, 2, 3, 4].map((memberId) => ({
    ...{ memberId, name: memberId === 4 ? '' : `m${memberId}`, isLearner: memberId === 4, clientUrls: [] },
    peerUrls: [`http://10.0.0.${memberId}:2380`],
  }));
  const peers = [2, 3, 4].map((memberId) => ({
    ...{ memberId, name: '', connected: connected.includes(memberId), matchIndex: 0, roundTripMs: 0 },
  }));
  return { memberId: 1, raft: { leader } as Status['raft'], members, peers };
}

test('nothing is said where a leader is known', () => {
  assert.equal(whyLeaderless(status(2, [])), undefined);
});

test('the voters that are not reached are named with their addresses, learners are not', () => {
  const why = whyLeaderless(status(0, [4])) ?? '';
  assert.match(why, /2 of 3 voters must/);
  assert.match(
    why,
    /does not reach m2 at http:\/\/10\.0\.0\.2:2380, m3 at http:\/\/10\.0\.0\.3:2380\. Start/,
  );
});

test('where a majority is connected, it is not said to be missing', () => {
  assert.match(whyLeaderless(status(0, [2])) ?? '', /enough members are connected/);
});

test('it is told ever more seldom, and from the beginning when a leader was known meanwhile', () => {
  mock.timers.enable({ apis: ['setInterval'] });
  let why: string | undefined = 'why';
  const told: number[] = [];
  let now = 0;
  const end = tellWhileLeaderless(
    () => why,
    () => told.push(now),
  );
  const pass = (intervals: number): void => {
    for (let count = 0; count < intervals; count++) {
      now++;
      mock.timers.tick(tellLeaderlessEveryMs);
    }
  };
  pass(9);
  why = undefined;
  pass(1);
  why = 'again';
  pass(2);
  end();
  pass(5);
  mock.timers.reset();
  assert.deepEqual(told, [1, 2, 4, 8, 11, 12]);
});
