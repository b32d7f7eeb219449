import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keyspace } from './keyspace.ts';
import type { State } from './state.ts';
import {
  applyAll,
  applyOne,
  bytes,
  copyState,
  deleteCommand,
  keysOf,
  putCommand,
  rangeRequest,
} from './testing/requests.ts';

const all = rangeRequest('\0', '\0');

function hashOf(keyspace: Keyspace, revision: number): number {
  const answer = keyspace.hashAt(revision);
  assert.ok(!('failed' in answer), JSON.stringify(answer));
  return answer.hash;
}

test('members that stand at different revisions give one hash for the same one', () => {
  const [ahead, behind] = [new Keyspace(), new Keyspace()];
  for (const keyspace of [ahead, behind])
    applyAll(keyspace, [putCommand('a'), putCommand('b'), putCommand('a')]);
  const at = behind.revision;
  applyAll(ahead, [putCommand('c'), deleteCommand('a')]);
  assert.equal(hashOf(ahead, at), hashOf(behind, 0));
  assert.notEqual(hashOf(ahead, 0), hashOf(behind, 0));
  assert.deepEqual(behind.hashAt(at + 1), { failed: 'future-revision' });
});

test('a hash is the same before and after what was compacted is dropped, and on a member that got a snapshot', () => {
  const [one, other] = [new Keyspace(), new Keyspace()];
  for (const keyspace of [one, other]) {
    applyAll(keyspace, [putCommand('a'), putCommand('b'), deleteCommand('a'), putCommand('b', 'two')]);
    applyOne(keyspace, { type: 'compact', revision: 4 });
  }
  while (!one.tidy());
  const restored = new Keyspace();
  copyState(other, restored);
  for (const revision of [4, 5]) {
    assert.equal(hashOf(one, revision), hashOf(other, revision));
    assert.equal(hashOf(one, revision), hashOf(restored, revision));
  }
  assert.deepEqual(one.hashAt(3), { failed: 'compacted' });
  assert.deepEqual(one.hashAt(5), { hash: hashOf(one, 0), revision: 5, compactRevision: 4 });
});

test('a compaction at a revision that deleted very many keys drops them a few at a time, with the same hash all along', () => {
  const [whole, one] = [new Keyspace(), new Keyspace()];
  for (const keyspace of [whole, one]) {
    for (let number = 0; number < 5000; number++) applyOne(keyspace, putCommand(`k${number}`));
    applyOne(keyspace, deleteCommand('k', 'l'));
    applyOne(keyspace, putCommand('a'));
  }
  const { revision } = one;
  applyOne(one, { type: 'compact', revision: revision - 1 });
  const records = () => (one as unknown as { state: State }).state.store.records.count;
  for (let done = false; !done; ) {
    const before = records();
    done = one.tidy();
    assert.ok(before - records() <= 4000, `${before - records()} records in one step`);
    const restored = new Keyspace();
    copyState(one, restored);
    assert.equal(hashOf(restored, 0), hashOf(one, 0));
  }
  assert.equal(records(), 5001);
  applyOne(whole, { type: 'compact', revision: revision - 1 });
  while (!whole.tidy());
  assert.equal(hashOf(one, 0), hashOf(whole, 0));
  for (const each of [one, whole]) {
    applyOne(each, { type: 'compact', revision });
    while (!each.tidy());
  }
  assert.equal(hashOf(one, 0), hashOf(whole, 0));
  assert.deepEqual(keysOf(one, all), ['a']);
  assert.equal(records(), 1);
});

test('one byte of one value makes another hash', () => {
  const [one, other] = [new Keyspace(), new Keyspace()];
  applyAll(one, [putCommand('a', 'value'), putCommand('b')]);
  applyAll(other, [putCommand('a', 'valuf'), putCommand('b')]);
  assert.notEqual(hashOf(one, 2), hashOf(other, 2));
});

test('a state that begins anew has the keys without a lease, raised and compacted, and all copies are alike', () => {
  const source = new Keyspace();
  applyAll(source, [
    { type: 'registerClient', name: 'old' },
    { type: 'leaseGrant', lease: 7n, ttlMs: 5000 },
    putCommand('bound', 'x', { lease: 7n }),
    putCommand('kept', 'one'),
    putCommand('kept', 'two'),
    { type: 'compact', revision: 3 },
  ]);
  const before = source.revision;
  const copies = [new Keyspace(), new Keyspace()];
  for (const copy of copies) {
    copyState(source, copy);
    copy.beginAnew();
  }
  const [copy, another] = copies as [Keyspace, Keyspace];
  assert.equal(copy.stateHash(), another.stateHash());
  assert.deepEqual(keysOf(copy, all), ['kept']);
  assert.equal(copy.leaseCount, 0);
  assert.ok(copy.revision >= before + 2 ** 32);
  assert.equal(copy.compactRevision, copy.revision);
  assert.equal(keysOf(copy, { ...all, revision: copy.revision - 1 }), 'compacted');
  const watcher = copy.watch(
    {
      ...{ key: all.key, rangeEnd: all.rangeEnd, startRevision: before + 1 },
      prevKv: false,
      noPut: false,
      noDelete: false,
    },
    () => {},
  );
  assert.deepEqual(watcher.next(10), { type: 'compacted', compactRevision: copy.revision });
  const identity = { incarnation: 1, sequence: 1, acknowledgedBelow: 0 };
  assert.deepEqual(applyOne(copy, putCommand('x'), 0, identity), {
    ...{ type: 'failed', failure: 'unknown-incarnation' },
  });
  applyOne(copy, putCommand('kept', 'three'));
  const restored = new Keyspace();
  copyState(copy, restored);
  assert.equal(restored.stateHash(), copy.stateHash());
});

test('a byte that changes in memory is found, in a key, a value or an old version', () => {
  const keyspace = new Keyspace();
  for (let number = 0; number < 500; number++)
    applyOne(keyspace, putCommand(`key-${number % 100}`, `v${number}`));
  const verify = () => {
    const verification = keyspace.verification();
    for (let steps = 1; ; steps++) {
      const found = verification.step(1000);
      if (found !== 'more') return { found, steps };
    }
  };
  const { found, steps } = verify();
  assert.equal(found, 'done');
  assert.ok(steps > 5);
  const { store } = (keyspace as unknown as { state: State }).state;
  const row = store.findRow(bytes('key-42'));
  const newest = store.keys.newest(row);
  for (const view of [
    store.keys.view(row),
    store.valueView(newest),
    store.valueView(store.records.previous(newest)),
  ]) {
    view[1] = (view[1] as number) ^ 4;
    assert.equal(verify().found, 'damaged');
    view[1] = (view[1] as number) ^ 4;
    assert.equal(verify().found, 'done');
  }
});
