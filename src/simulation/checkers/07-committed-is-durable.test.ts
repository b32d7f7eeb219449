import { test } from 'node:test';
import { committedIsDurable } from './07-committed-is-durable.ts';
import { effects, entries, handmadeLife, send, violates, watching } from './testing.ts';

test('what two disks of three hold may be committed, by whoever says so first', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(committedIsDurable, life);
  ann.raft.entries = entries(1, 1);
  for (const member of [bob, cid]) member.holds(...entries(1, 1));
  ann.raft.commitIndex = 2;
  send(checker, ann, bob, 'append', 1, { commitIndex: 2 });
  checker.drained(bob, effects({ committed: entries(1, 1) }));
});

test('a snapshot stands for the entries in it', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(committedIsDurable, life);
  ann.holds(...entries(1, 1));
  bob.durable.snapshotIndex = 2;
  bob.durable.snapshotTerm = 1;
  ann.raft.commitIndex = 2;
  checker.drained(ann, effects({ committed: entries(1, 1) }));
});

test('a commit index is found too early by what is said, handed out or told to others', () => {
  for (const how of ['says', 'told', 'handed out']) {
    const { life, ann, bob } = handmadeLife();
    const checker = watching(committedIsDurable, life);
    ann.holds(...entries(1, 1));
    bob.holds(...entries(1, 2));
    if (how !== 'told') ann.raft.commitIndex = how === 'says' ? 2 : 0;
    violates(() => {
      if (how === 'told') send(checker, ann, bob, 'heartbeat', 1, { commitIndex: 2 });
      else if (how === 'says')
        checker.drained(ann, effects({ state: { role: 'leader', term: 1, leader: 1 } }));
      else checker.drained(ann, effects({ committed: entries(1, 1) }));
    }, /entry 2 of term 1 is not on the disks of a quorum of the members: ann has term 1 .*, bob has term 2 .*, cid has none/);
  }
});

test('what a member had acknowledged before it lost its disk still counts', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(committedIsDurable, life);
  for (const member of [ann, bob]) checker.durable(member.holds(...entries(1, 1)));
  send(checker, bob, ann, 'append-response', 1, { accepted: true, matchIndex: 2 });
  bob.damaged = true;
  bob.holds();
  checker.memberWiped(bob);
  ann.raft.commitIndex = 2;
  checker.drained(ann, effects({ committed: entries(1, 1) }));
});

test('what a member had not acknowledged before it lost its disk does not count', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(committedIsDurable, life);
  for (const member of [ann, bob]) checker.durable(member.holds(...entries(1, 1)));
  send(checker, bob, ann, 'append-response', 1, { accepted: true, matchIndex: 1 });
  bob.damaged = true;
  bob.holds();
  checker.memberWiped(bob);
  bob.life = 2;
  send(checker, bob, ann, 'append-response', 1, { accepted: true, matchIndex: 2 });
  ann.raft.commitIndex = 2;
  violates(() => checker.drained(ann, effects({ committed: entries(1, 1) })), /entry 2 of term 1 is not on/);
});

test('a disk that goes bad under a running member is not held against it in that life', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(committedIsDurable, life);
  for (const member of [ann, bob]) checker.durable(member.holds(...entries(1)));
  bob.damaged = true;
  bob.durable.entries = [];
  checker.durable(bob);
  ann.holds(...entries(1, 1));
  bob.raft.entries = entries(1, 1);
  ann.raft.commitIndex = 2;
  checker.drained(ann, effects({ committed: entries(1, 1) }));
  bob.life = 2;
  ann.holds(...entries(1, 1, 1));
  bob.raft.entries = entries(1, 1, 1);
  ann.raft.commitIndex = 3;
  violates(
    () => checker.drained(ann, effects({ committed: entries(1, 1, 1) })),
    /entry 3 of term 1 is not on/,
  );
});
