import { test } from 'node:test';
import { readIndex } from './15-read-index.ts';
import { effects, entries, type HandmadeLife, handmadeLife, violates, watching } from './testing.ts';

function commit({ committed, life }: HandmadeLife, terms: readonly number[]): void {
  for (const entry of entries(...terms)) committed.add(entry, life.nowUs);
}

test('a read is answered at what was committed when it was asked, or later', () => {
  const made = handmadeLife();
  const checker = watching(readIndex, made.life);
  commit(made, [1, 1]);
  checker.asked(made.bob, 1);
  commit(made, [1, 1, 1]);
  checker.drained(made.bob, effects({ readsReady: [{ readId: 1, index: 2 }] }));
});

test('a read that is answered at less than was committed when it was asked is found', () => {
  const made = handmadeLife();
  const checker = watching(readIndex, made.life);
  commit(made, [1, 1, 1]);
  checker.asked(made.bob, 1);
  violates(
    () => checker.drained(made.bob, effects({ readsReady: [{ readId: 1, index: 2 }] })),
    /bob answers a read at index 2, but entry 3 was committed when it was asked/,
  );
});

test('a read that failed and one of an earlier life are over', () => {
  const made = handmadeLife();
  const checker = watching(readIndex, made.life);
  commit(made, [1, 1, 1]);
  checker.asked(made.bob, 1);
  checker.drained(made.bob, effects({ readsFailed: [{ readId: 1, reason: 'no-leader' }] }));
  checker.drained(made.bob, effects({ readsReady: [{ readId: 1, index: 1 }] }));
  checker.asked(made.bob, 2);
  checker.memberStarted(made.bob);
  checker.drained(made.bob, effects({ readsReady: [{ readId: 2, index: 1 }] }));
});
