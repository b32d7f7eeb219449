import { test } from 'node:test';
import { removedStaysOut } from './removed-stays-out.ts';
import { change, changingLife, lead, violates, watching } from './testing.ts';

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

test('a leader that the committed configuration has, and one that was removed later, pass', () => {
  const { life, committed, configurations, ann, bob } = changingLife();
  const checker = watching(removedStaysOut, life);
  const removal = change(1, 2, [2, 3]);
  committed.add(removal, 0);
  configurations.add(removal);
  lead(checker, bob, 2);
  checker.committed(removal, bob);
  lead(checker, bob, 3);
  lead(checker, ann, 1);
});
