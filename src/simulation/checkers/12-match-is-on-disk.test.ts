import { test } from 'node:test';
import { matchIsOnDisk } from './12-match-is-on-disk.ts';
import { effects, entries, handmadeLife, lead, peer, persist, violates, watching } from './testing.ts';

/** Ann leads in term 2, and believes that Bob holds all of her log, as he does. */
function leading() {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(matchIsOnDisk, life);
  for (const member of [ann, bob]) member.holds(...entries(1, 2, 2));
  lead(checker, ann, 2);
  ann.raft.peers = [peer(bob, 3)];
  checker.drained(ann, effects({ persist: persist([]) }));
  return { checker, bob };
}

test('a leader may believe what is on the follower’s disk, also when it knows less', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(matchIsOnDisk, life);
  for (const member of [ann, bob, cid]) member.holds(...entries(1, 2, 2));
  lead(checker, ann, 2);
  ann.raft.peers = [peer(bob, 3), peer(cid, 1)];
  checker.drained(ann, effects({ persist: persist([]) }));
  Object.assign(bob.durable, { snapshotIndex: 3, snapshotTerm: 2, entries: [] });
  checker.durable(bob);
});

test('a belief beyond the disk, or in another entry than is there, is found', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(matchIsOnDisk, life);
  lead(checker, ann.holds(...entries(1, 2, 2)), 2);
  bob.holds(...entries(1, 2));
  ann.raft.peers = [peer(bob, 3)];
  violates(
    () => checker.drained(ann, effects({ persist: persist([]) })),
    /ann, leader of term 2, believes that bob holds its log up to entry 3 .*ends at 2 and has no such entry/,
  );
  bob.holds(...entries(1, 1, 1));
  violates(() => checker.drained(ann, effects({ persist: persist([]) })), /has one of term 1/);
});

test('a follower that drops what its leader counts on is found, unless it follows a newer one', () => {
  const { checker, bob } = leading();
  bob.durable.entries = entries(1, 2);
  bob.durable.term = 3;
  checker.durable(bob);
  bob.durable.term = 2;
  violates(() => checker.durable(bob), /believes that bob holds its log up to entry 3/);
});

test('a follower that puts an entry of another term where its leader counts on one is found', () => {
  const { checker, bob } = leading();
  bob.durable.term = 2;
  bob.durable.entries = entries(1, 2, 1, 1);
  violates(() => checker.durable(bob), /believes that bob holds its log up to entry 3 .*has one of term 1/);
});

test('a follower that came to harm is left out until the next leadership', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(matchIsOnDisk, life);
  lead(checker, ann.holds(...entries(1, 2, 2)), 2);
  life.nowUs = 5;
  bob.damaged = true;
  checker.memberWiped(bob);
  checker.durable(bob);
  bob.damaged = false;
  ann.raft.peers = [peer(bob, 3)];
  life.nowUs = 6;
  checker.drained(ann, effects({ persist: persist([]) }));
  ann.raft.peers = [];
  lead(checker, ann, 3);
  ann.raft.peers = [peer(bob, 3)];
  violates(
    () => checker.drained(ann, effects({ persist: persist([]) })),
    /believes that bob holds its log up to entry 3/,
  );
});
