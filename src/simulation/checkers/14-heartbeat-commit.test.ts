import { test } from 'node:test';
import { heartbeatCommit } from './14-heartbeat-commit.ts';
import { entries, entry, handmadeLife, lead, send, violates, watching } from './testing.ts';

test('a heartbeat that tells of what the follower has acknowledged passes', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(heartbeatCommit, life);
  lead(checker, ann.holds(...entries(1, 1, 2)), 2);
  send(checker, bob, ann, 'append-response', 2, { accepted: true, matchIndex: 2 });
  send(checker, ann, bob, 'heartbeat', 2, { commitIndex: 2 });
  send(checker, bob, ann, 'append-response', 2, { accepted: true, matchIndex: 1 });
  send(checker, ann, bob, 'heartbeat', 2, { commitIndex: 2 });
  send(checker, ann, cid, 'heartbeat', 2, { commitIndex: 0 });
});

test('a heartbeat that tells of more than the follower has acknowledged is found, also where it holds that', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(heartbeatCommit, life);
  lead(checker, ann.holds(...entries(1, 1, 2)), 2);
  bob.holds(...entries(1, 1, 2));
  send(checker, bob, ann, 'append-response', 2, { accepted: true, matchIndex: 2 });
  send(checker, bob, ann, 'append-response', 2, { accepted: false, matchIndex: 3 });
  violates(
    () => send(checker, ann, bob, 'heartbeat', 2, { commitIndex: 3 }),
    /tells bob that entry 3 is committed, but bob has acknowledged no more than entry 2 to it/,
  );
  send(checker, bob, cid, 'append-response', 2, { accepted: true, matchIndex: 3 });
  violates(() => send(checker, ann, cid, 'heartbeat', 2, { commitIndex: 1 }), /cid has acknowledged nothing/);
});

test('what a follower acknowledged in an earlier session or term counts no more', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(heartbeatCommit, life);
  lead(checker, ann.holds(...entries(1, 1)), 2);
  send(checker, bob, ann, 'append-response', 2, { accepted: true, matchIndex: 2, session: 4 });
  send(checker, ann, bob, 'heartbeat', 2, { commitIndex: 2, session: 4 });
  violates(
    () => send(checker, ann, bob, 'heartbeat', 2, { commitIndex: 2, session: 5 }),
    /bob has acknowledged nothing to it since they are connected/,
  );
  // What was on its way when the connection broke is still of the session before.
  send(checker, ann, bob, 'heartbeat', 2, { commitIndex: 2, session: 4 });
  violates(() => send(checker, ann, bob, 'heartbeat', 3, { commitIndex: 2, session: 4 }), /nothing/);
  // Late, of the term before: no claim about the present one.
  send(checker, bob, ann, 'append-response', 2, { accepted: true, matchIndex: 2, session: 4 });
  violates(() => send(checker, ann, bob, 'heartbeat', 3, { commitIndex: 2, session: 4 }), /nothing/);
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
