import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Entry, encodeConfiguration } from '../../raft/index.ts';
import { oneChangeAtATime } from './13-one-change-at-a-time.ts';
import { Configurations } from './configurations.ts';
import { electedByAQuorum } from './elected-by-a-quorum.ts';
import { removedStaysOut } from './removed-stays-out.ts';
import { entry, type HandmadeLife, handmadeLife, lead, send, violates, watching } from './testing.ts';

const change = (index: number, term: number, voters: readonly number[]): Entry => ({
  ...entry(index, term),
  kind: 'configuration',
  data: encodeConfiguration({ voters }),
});

/** The handmade life, in which configurations are read from the logs. */
function changingLife(): HandmadeLife & { readonly configurations: Configurations } {
  const made = handmadeLife();
  const configurations = new Configurations(made.committed);
  configurations.begin(made.life.members);
  for (const member of made.life.members) configurations.started(member);
  Object.assign(made.life, { configurations });
  return { ...made, configurations };
}

test('the last configuration in a log is in force, and goes with a truncation', () => {
  const { ann, configurations } = changingLife();
  ann.holds(entry(1, 1), change(2, 1, [1, 2]), entry(3, 1));
  configurations.started(ann);
  assert.deepEqual(configurations.of(ann), { index: 2, term: 1, configuration: { voters: [1, 2] } });
  ann.holds(entry(1, 1));
  configurations.started(ann);
  assert.deepEqual(configurations.of(ann).configuration, { voters: [1, 2, 3] });
});

test('a member that acts by another configuration than the last in its log is found', () => {
  const { life, ann, configurations } = changingLife();
  const checker = watching(oneChangeAtATime, life);
  checker.memberStarted(ann);
  ann.holds(change(1, 1, [1, 2]));
  configurations.started(ann);
  violates(() => checker.memberStarted(ann), /ann acts by \(ann, bob, cid\), but .* at 1, is \(ann, bob\)/);
});

test('a leader with the vote of a quorum passes, one with its own alone is found', () => {
  const { life, ann, bob, cid } = changingLife();
  const checker = watching(electedByAQuorum, life);
  send(checker, bob, ann, 'vote-response', 2, { granted: true });
  lead(checker, ann, 2);
  violates(() => lead(checker, cid, 3), /cid leads in term 3 with the votes of itself and nobody/);
});

test('a leader that was removed in an earlier term is found', () => {
  const { life, committed, configurations, ann, bob } = changingLife();
  const checker = watching(removedStaysOut, life);
  lead(checker, ann, 1);
  const removal = change(1, 1, [2, 3]);
  committed.add(removal, 0);
  configurations.add(removal);
  checker.committed(removal, bob);
  violates(() => lead(checker, ann, 3), /ann leads in term 3, but the configuration at 1, .* leaves it out/);
});
