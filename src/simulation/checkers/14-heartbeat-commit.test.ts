import { test } from 'node:test';
import { heartbeatCommit } from './14-heartbeat-commit.ts';
import { entries, entry, handmadeLife, lead, send, violates, watching } from './testing.ts';

test('a heartbeat that tells of what the follower holds passes', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(heartbeatCommit, life);
  lead(checker, ann.holds(...entries(1, 1, 2)), 2);
  bob.holds(...entries(1, 1));
  send(checker, ann, bob, 'heartbeat', 2, { commitIndex: 2 });
  send(checker, ann, cid, 'heartbeat', 2, { commitIndex: 0 });
  Object.assign(cid.durable, { snapshotIndex: 3, snapshotTerm: 2 });
  send(checker, ann, cid, 'heartbeat', 2, { commitIndex: 3 });
});

test('a heartbeat that tells of more than the follower holds is found', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(heartbeatCommit, life);
  lead(checker, ann.holds(...entries(1, 1, 2)), 2);
  bob.holds(...entries(1, 1));
  cid.holds(...entries(1, 1, 1));
  violates(
    () => send(checker, ann, bob, 'heartbeat', 2, { commitIndex: 3 }),
    /tells bob that entry 3 of term 2 is committed, but the disk of bob ends at 2 and has no such entry/,
  );
  violates(
    () => send(checker, ann, cid, 'heartbeat', 2, { commitIndex: 3 }),
    /cid ends at 3 and has one of term 1/,
  );
});

test('an append that tells of more than it carries is found', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(heartbeatCommit, life);
  lead(checker, ann.holds(...entries(1, 1, 2)), 2);
  const carried = { previousIndex: 1, entries: [entry(2, 1)] };
  send(checker, ann, bob, 'append', 2, { ...carried, commitIndex: 2 });
  violates(
    () => send(checker, ann, bob, 'append', 2, { ...carried, commitIndex: 3 }),
    /ann sent bob entries up to 2 in term 2, but says with them that 3 is committed/,
  );
});

test('a follower that came to harm under this leader is left out, under the next one not', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(heartbeatCommit, life);
  lead(checker, ann.holds(...entries(1, 1)), 2);
  life.nowUs = 5;
  bob.damaged = true;
  checker.memberWiped(bob);
  bob.damaged = false;
  life.nowUs = 6;
  send(checker, ann, bob, 'heartbeat', 2, { commitIndex: 2 });
  lead(checker, cid.holds(...entries(1, 1)), 3);
  violates(() => send(checker, cid, bob, 'heartbeat', 3, { commitIndex: 2 }), /tells bob that entry 2/);
});
