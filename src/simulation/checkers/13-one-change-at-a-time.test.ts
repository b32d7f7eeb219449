import { test } from 'node:test';
import { oneChangeAtATime } from './13-one-change-at-a-time.ts';
import { change, changingLife, violates, watching } from './testing.ts';

test('a member that acts by another configuration than the last in its log is found', () => {
  const { life, ann, configurations } = changingLife();
  const checker = watching(oneChangeAtATime, life);
  checker.memberStarted(ann);
  ann.holds(change(1, 1, [1, 2]));
  configurations.started(ann);
  violates(() => checker.memberStarted(ann), /ann acts by \(ann, bob, cid\), but .* at 1, is \(ann, bob\)/);
});
