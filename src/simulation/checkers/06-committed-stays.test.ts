import { test } from 'node:test';
import { committedStays } from './06-committed-stays.ts';
import {
  effects,
  entries,
  entry,
  type HandmadeLife,
  handmadeLife,
  persist,
  violates,
  type Watching,
  watching,
} from './testing.ts';

/** Ann has reported two entries. */
function twoCommitted(): HandmadeLife & { readonly checker: Watching } {
  const made = handmadeLife();
  const checker = watching(committedStays, made.life);
  made.ann.holds(...entries(1, 1));
  checker.drained(made.ann, effects({ committed: entries(1, 1) }));
  for (const committed of entries(1, 1)) made.committed.add(committed, 0);
  return { ...made, checker };
}

test('others report the same later, and write other entries before they know', () => {
  const { checker, ann, bob } = twoCommitted();
  checker.drained(bob.holds(...entries(1, 2)), effects({ persist: persist([entry(2, 2)]) }));
  checker.drained(bob.holds(...entries(1, 1)), effects({ persist: persist([entry(2, 1)]) }));
  checker.drained(bob, effects({ committed: entries(1, 1) }));
  checker.durable(bob);
  ann.durable.entries = [];
  ann.durable.snapshotIndex = 2;
  checker.durable(ann);
});

test('another entry reported at a committed index is found', () => {
  const { checker, bob } = twoCommitted();
  violates(
    () => checker.drained(bob.holds(...entries(1, 2)), effects({ committed: [entry(2, 2)] })),
    /bob reports as committed entry 2 of term 2 .*, but entry 2 of term 1 .* was committed/,
  );
});

test('a member that writes over what it reported is found', () => {
  const { checker, ann } = twoCommitted();
  violates(
    () => checker.drained(ann, effects({ persist: persist([entry(2, 3)]) })),
    /ann writes, over what it reported as committed, entry 2 of term 3/,
  );
});

test('a disk that lost what its member reported is found, in a later life too, unless it came to harm', () => {
  const { checker, ann } = twoCommitted();
  ann.durable.entries = entries(1);
  ann.damaged = true;
  checker.durable(ann);
  ann.damaged = false;
  ann.life = 2;
  violates(() => checker.durable(ann), /ann reported entries up to 2 as committed, .* only those up to 1/);
  checker.memberWiped(ann);
  checker.durable(ann);
});
