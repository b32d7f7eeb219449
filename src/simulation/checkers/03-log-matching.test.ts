import { test } from 'node:test';
import { logMatching } from './03-log-matching.ts';
import { effects, entries, entry, handmadeLife, persist, violates, watching } from './testing.ts';

test('logs that agree up to where their terms agree pass, however they differ after it', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(logMatching, life);
  checker.drained(ann.holds(...entries(1, 1, 2)), effects({ persist: persist(entries(1, 1, 2)) }));
  checker.durable(ann);
  checker.drained(bob.holds(...entries(1, 1, 3)), effects({ persist: persist(entries(1, 1, 3)) }));
  checker.durable(bob);
  cid.holds(...entries(1, 1, 3));
  checker.durable(cid);
  cid.life = 2;
  checker.memberStarted(cid);
  bob.holds(...entries(1, 1, 2));
  checker.durable(bob);
});

test('two entries of one index and term that differ are found, in what is written and on disks', () => {
  const { life, ann, bob, cid } = handmadeLife();
  const checker = watching(logMatching, life);
  checker.drained(ann.holds(...entries(1, 1)), effects({ persist: persist(entries(1, 1)) }));
  violates(
    () => checker.drained(bob.holds(entry(1, 1)), effects({ persist: persist([entry(1, 1, 'other')]) })),
    /the log of bob holds an entry 1 of term 1 with digest \d+, the log of ann one with digest/,
  );
  cid.holds(entry(1, 1), entry(2, 1, 'other'));
  violates(() => checker.durable(cid), /the disk of cid holds an entry 2 of term 1/);
});

test('equal entries after different ones are found', () => {
  const { life, ann, bob } = handmadeLife();
  const checker = watching(logMatching, life);
  checker.drained(ann.holds(...entries(1, 1, 3)), effects({ persist: persist(entries(1, 1, 3)) }));
  bob.holds(...entries(1, 2, 3));
  violates(
    () => checker.drained(bob, effects({ persist: persist(entries(1, 2, 3)) })),
    /before entry 3 of term 3 the log of bob has term 2, but the log of ann has term 1/,
  );
});

test('a log that was read back other than it was written is found', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(logMatching, life);
  checker.drained(ann.holds(...entries(1, 1)), effects({ persist: persist(entries(1, 1)) }));
  ann.raft.entries = [entry(1, 1), entry(2, 1, 'y')];
  violates(() => checker.memberStarted(ann), /the log at the start of ann holds an entry 2/);
});

test('a disk that was wiped may fill again, and one that went bad is not read', () => {
  const { life, ann } = handmadeLife();
  const checker = watching(logMatching, life);
  ann.holds(...entries(1, 1));
  checker.durable(ann);
  ann.damaged = true;
  ann.holds(entry(1, 1, 'rotten'));
  checker.durable(ann);
  checker.memberWiped(ann);
  ann.holds(entry(1, 1));
  checker.durable(ann);
  ann.holds(entry(1, 1), entry(2, 1, 'other'));
  violates(() => checker.durable(ann), /the disk of ann holds an entry 2/);
});
