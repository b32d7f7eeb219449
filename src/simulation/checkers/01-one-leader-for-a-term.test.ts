import { test } from 'node:test';
import { oneLeaderForATerm } from './01-one-leader-for-a-term.ts';
import { handmadeLife, lead, send, violates, watching } from './testing.ts';

test('leaders of different terms follow each other, and each may say so more than once', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(oneLeaderForATerm, life);
  lead(checker, ann, 1);
  send(checker, ann, bob, 'heartbeat', 1);
  lead(checker, bob, 2);
  lead(checker, ann, 3);
  send(checker, bob, ann, 'append', 2);
});

test('a second leader of a term is found, by what it says and by what it sends', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(oneLeaderForATerm, life);
  lead(checker, ann, 4);
  lead(checker, cid, 5);
  violates(() => lead(checker, bob, 4), /bob says that it leads in term 4, but ann is the leader/);
  violates(() => send(checker, ann, bob, 'append', 5), /ann sent append in term 5, but cid is the leader/);
});
