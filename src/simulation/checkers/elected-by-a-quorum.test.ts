import { test } from 'node:test';
import { electedByAQuorum } from './elected-by-a-quorum.ts';
import { changingLife, lead, send, violates, watching } from './testing.ts';

test('a leader with the vote of a quorum passes, one with its own alone is found', () => {
  const { life, ann, bob, cid } = changingLife();
  const checker = watching(electedByAQuorum, life);
  send(checker, bob, ann, 'vote-response', 2, { granted: true });
  lead(checker, ann, 2);
  violates(() => lead(checker, cid, 3), /cid leads in term 3 with the votes of itself and nobody/);
});
