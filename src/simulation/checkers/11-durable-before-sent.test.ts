import { test } from 'node:test';
import { durableBeforeSent } from './11-durable-before-sent.ts';
import { entries, entry, handmadeLife, send, violates, watching } from './testing.ts';

test('messages that need no more than what is on disk pass', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(durableBeforeSent, life);
  Object.assign(ann.durable, { term: 3, votedFor: 1, entries: entries(1, 2, 2) });
  send(checker, ann, bob, 'vote', 3);
  send(checker, ann, bob, 'append', 3, { entries: entries(1, 2, 2, 3, 3), commitIndex: 3 });
  send(checker, ann, bob, 'heartbeat', 3);
  send(checker, ann, bob, 'pre-vote', 4);
  send(checker, ann, cid, 'pre-vote-response', 9, { granted: true });
  send(checker, ann, cid, 'append-response', 3, { accepted: true, matchIndex: 3 });
  send(checker, ann, cid, 'append-response', 3, { accepted: false, matchIndex: 70 });
  Object.assign(bob.durable, { term: 3, votedFor: 1, snapshotIndex: 8 });
  send(checker, bob, ann, 'vote-response', 3, { granted: true });
  send(checker, bob, cid, 'vote-response', 3, { granted: false });
  send(checker, bob, ann, 'append-response', 3, { accepted: true, matchIndex: 8 });
});

test('what was promised in an older term may leave when the disk has moved on', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(durableBeforeSent, life);
  Object.assign(ann.durable, { term: 4, votedFor: 0, entries: entries(1) });
  send(checker, ann, bob, 'vote-response', 3, { granted: true });
  send(checker, ann, bob, 'append-response', 3, { accepted: true, matchIndex: 3 });
});

test('a message of a term, a vote or an acknowledgement that is not yet durable is found', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(durableBeforeSent, life);
  Object.assign(ann.durable, { term: 3, votedFor: 2, entries: entries(1, 2) });
  violates(
    () => send(checker, ann, bob, 'heartbeat-response', 4),
    /ann sent .* to bob, but its disk is in term 3 only/,
  );
  violates(() => send(checker, ann, bob, 'pre-vote', 5), /its disk is in term 3 only/);
  violates(() => send(checker, ann, bob, 'vote', 3), /its disk says that it voted for bob in that term/);
  violates(() => send(checker, ann, bob, 'append', 3), /its disk says that it voted for bob/);
  violates(
    () => send(checker, ann, cid, 'vote-response', 3, { granted: true }),
    /ann sent vote-response of term 3 to cid, but its disk says that it voted for bob/,
  );
  violates(
    () => send(checker, ann, bob, 'append-response', 3, { accepted: true, matchIndex: 3 }),
    /it acknowledges entry 3 and its disk ends at 2/,
  );
});

test('an acknowledgement of entries in whose places the disk still has others is found', () => {
  const { life, committed, ann, bob, cid } = handmadeLife();
  const checker = watching(durableBeforeSent, life);
  Object.assign(ann.durable, { term: 3, votedFor: 1 });
  Object.assign(bob.durable, { term: 3, entries: entries(1, 2, 2) });
  Object.assign(cid.durable, { term: 3, entries: entries(1, 3, 3) });
  const append = { previousIndex: 1, previousTerm: 1, entries: [entry(2, 3), entry(3, 3)] };
  send(checker, ann, bob, 'append', 3, append);
  send(checker, ann, cid, 'append', 3, append);
  const acknowledged = { accepted: true, matchIndex: 3 };
  send(checker, cid, ann, 'append-response', 3, acknowledged);
  violates(
    () => send(checker, bob, ann, 'append-response', 3, acknowledged),
    /bob sent .* it acknowledges entry 3 of term 3 and its disk still has one of term 2 there/,
  );
  committed.add(entry(2, 3), 0);
  violates(
    () => send(checker, bob, ann, 'append-response', 3, { accepted: true, matchIndex: 2 }),
    /it acknowledges entry 2 of term 3 and its disk still has one of term 2/,
  );
});

test('a member whose disk went bad is left out, and looked at again once the disk is replaced', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(durableBeforeSent, life);
  Object.assign(ann.durable, { term: 0 });
  ann.damaged = true;
  send(checker, ann, bob, 'heartbeat-response', 4);
  checker.memberWiped(ann);
  violates(() => send(checker, ann, bob, 'heartbeat-response', 4), /its disk is in term 0 only/);
});
