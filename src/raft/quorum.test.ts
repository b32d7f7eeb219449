import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { majorityOf, quorumValue, tally } from './quorum.ts';

test('a majority is more than half', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(majorityOf), [1, 2, 2, 3, 3, 4, 4]);
});

test('what a majority has reached', () => {
  const cases: [number[], number][] = [
    [[7], 7],
    [[7, 3], 3],
    [[7, 3, 5], 5],
    [[0, 9, 9], 9],
    [[0, 0, 9], 0],
    [[1, 2, 3, 4], 2],
    [[1, 2, 3, 4, 5], 3],
    [[], Number.NEGATIVE_INFINITY],
  ];
  for (const [values, reached] of cases) {
    const voters = values.map((_, position) => position + 1);
    assert.equal(
      quorumValue({ voters }, (voter) => values[voter - 1] as number),
      reached,
    );
  }
});

test('it is the largest value that a majority has at least, whatever the order of voters', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 9 }), (values) => {
      const voters = values.map((_, position) => position + 1);
      const at = (voter: number) => values[voter - 1] as number;
      const reached = quorumValue({ voters }, at);
      const holders = (value: number) => values.filter((each) => each >= value).length;
      assert.ok(holders(reached) >= majorityOf(values.length));
      assert.ok(holders(reached + 1) < majorityOf(values.length));
      assert.equal(quorumValue({ voters: voters.toReversed() }, at), reached);
    }),
  );
});

test('an election is won by a majority and lost when none is possible any more', () => {
  const count = (votes: string) =>
    tally(
      { voters: [...votes].map((_, position) => position + 1) },
      new Map(
        [...votes].flatMap((vote, position) => (vote === '.' ? [] : [[position + 1, vote === 'y'] as const])),
      ),
    );
  const cases = {
    y: 'won',
    n: 'lost',
    '..': 'open',
    'y.': 'open',
    'n.': 'lost',
    yy: 'won',
    'yn.': 'open',
    'nn.': 'lost',
  };
  for (const [votes, result] of Object.entries(cases)) assert.equal(count(votes), result, votes);
  assert.equal(count('yy...'), 'open');
  assert.equal(count('yyy..'), 'won');
  assert.equal(count('nnn..'), 'lost');
});

test('votes of members outside the configuration do not count', () => {
  const votes = new Map([1, 8, 9].map((voter) => [voter, true] as const));
  assert.equal(tally({ voters: [1, 2, 3] }, votes), 'open');
});

test('a joint configuration takes both majorities, for what is reached and for votes', () => {
  const joint = { voters: [1, 2, 3], outgoing: [3, 4, 5] };
  const votesOf = (...voters: number[]) => new Map(voters.map((voter) => [voter, true] as const));
  assert.equal(tally(joint, votesOf(1, 2)), 'open');
  assert.equal(tally(joint, votesOf(4, 5, 3)), 'open');
  assert.equal(tally(joint, votesOf(1, 3, 5)), 'won');
  assert.equal(tally(joint, new Map([1, 2].map((voter) => [voter, false] as const))), 'lost');
  assert.equal(tally(joint, new Map([4, 5].map((voter) => [voter, false] as const))), 'lost');
  const reached = (...holders: number[]) => quorumValue(joint, (voter) => (holders.includes(voter) ? 7 : 2));
  assert.deepEqual([reached(1, 2), reached(3, 4), reached(1, 3, 5), reached(1, 2, 4, 5)], [2, 2, 7, 7]);
});
