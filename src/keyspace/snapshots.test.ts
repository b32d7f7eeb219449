import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvariantViolation } from './errors.ts';
import { Keyspace } from './keyspace.ts';
import { applyAll, applyOne, copyState, keysOf, putCommand, rangeRequest, text } from './testing/requests.ts';
import type { Command } from './types.ts';

const all = rangeRequest('\0', '\0');

function chunksOf(keyspace: Keyspace): Uint8Array[] {
  const reader = keyspace.snapshot();
  const chunks: Uint8Array[] = [];
  for (let chunk = reader.next(); chunk !== undefined; chunk = reader.next()) chunks.push(chunk);
  return chunks;
}

function filled(): Keyspace {
  const keyspace = new Keyspace();
  const commands: Command[] = [
    { type: 'registerClient', name: 'π' },
    { type: 'leaseGrant', lease: -3n, ttlMs: 5000 },
    putCommand('a', 'one', { lease: -3n }),
    putCommand('b', 'two'),
    putCommand('a', 'three', { lease: -3n }),
    { type: 'attach', lease: -3n },
    { type: 'compact', revision: 3 },
  ];
  applyAll(keyspace, commands, 1000);
  applyOne(keyspace, putCommand('c'), 1000, { incarnation: 1, sequence: 4, acknowledgedBelow: 2 });
  return keyspace;
}

function restoreFrom(target: Keyspace, data: Uint8Array): void {
  const writer = target.restore();
  writer.write(data);
  writer.finish();
}

test('a restored keyspace has history, leases with their keys, clients and time', () => {
  const source = filled();
  const target = new Keyspace();
  applyOne(target, putCommand('gone'));
  copyState(source, target, 7);
  assert.equal(target.stateHash(), source.stateHash());
  assert.equal(target.appliedIndex, source.appliedIndex);
  assert.equal(target.timeMs, 1000);
  assert.deepEqual(keysOf(target, all), ['a', 'b', 'c']);
  assert.deepEqual(keysOf(target, { ...all, revision: 3 }), ['a', 'b']);
  assert.equal(keysOf(target, { ...all, revision: 2 }), 'compacted');
  assert.deepEqual(target.lease(-3n, true), source.lease(-3n, true));
  assert.deepEqual(target.lease(-3n, true)?.keys.map(text), ['a']);
  assert.deepEqual(applyOne(target, { type: 'tick' }, 7000), applyOne(source, { type: 'tick' }, 7000));
  assert.equal(target.stateHash(), source.stateHash());
  assert.deepEqual(keysOf(target, all), ['b', 'c']);
});

test('a cut, damaged or lengthened snapshot is refused by finish and changes nothing', () => {
  const [...chunks] = chunksOf(filled());
  const data = Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
  const target = new Keyspace();
  applyOne(target, putCommand('kept'));
  const hash = target.stateHash();
  const refused = (damaged: Uint8Array) => {
    assert.throws(() => restoreFrom(target, damaged), InvariantViolation);
    assert.equal(target.stateHash(), hash);
  };
  for (let size = 0; size < data.length; size++) refused(data.subarray(0, size));
  for (let at = 0; at < data.length; at++) {
    const damaged = data.slice();
    damaged[at] = (damaged[at] as number) ^ 0x40;
    refused(damaged);
  }
  refused(Uint8Array.from([...data, ...(chunks.at(-1) as Uint8Array)]));
  refused(Uint8Array.from([...data, 0]));
  refused(Uint8Array.from(chunks.slice(1).flatMap((chunk) => [...chunk])));
  restoreFrom(target, data);
  assert.notEqual(target.stateHash(), hash);
});

test('random bytes are never taken for a snapshot', () => {
  const target = new Keyspace();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
      assert.throws(() => restoreFrom(target, data), InvariantViolation);
    }),
  );
});

test('however often its keys were written, a snapshot looks at a bounded number of records for each chunk', () => {
  const keyspace = new Keyspace();
  for (const key of ['a', 'often', 'z']) applyOne(keyspace, putCommand(key, 'base'));
  applyOne(keyspace, putCommand('last'));
  applyOne(keyspace, { type: 'compact', revision: keyspace.revision });
  const often = Array.from({ length: 100_000 }, () => putCommand('often'));
  applyAll(keyspace, often);
  const hash = keyspace.stateHash();
  const { records } = (keyspace as unknown as { state: { store: { records: Records } } }).state.store;
  const previous = records.previous.bind(records);
  let looked = 0;
  records.previous = (record) => {
    looked++;
    return previous(record);
  };
  const reader = keyspace.snapshot();
  const target = new Keyspace();
  const writer = target.restore();
  let most = 0;
  for (let chunk = reader.next(); chunk !== undefined; chunk = reader.next()) {
    most = Math.max(most, looked);
    looked = 0;
    writer.write(chunk);
    applyAll(keyspace, [putCommand('often'), putCommand(`new ${most}`)]);
  }
  writer.finish();
  assert.ok(most > 1000 && most <= 20_000, `${most} records looked at for one chunk`);
  assert.equal(target.stateHash(), hash);
  assert.deepEqual(keysOf(target, { ...all, revision: target.compactRevision }), ['a', 'last', 'often', 'z']);
});

interface Records {
  previous: (record: number) => number;
}

test('a large store is written in many bounded chunks while it changes and is compacted', () => {
  const keyspace = new Keyspace();
  const value = 'v'.repeat(2000);
  for (let i = 0; i < 1500; i++) applyOne(keyspace, putCommand(`key ${i % 1000}`, value));
  applyOne(keyspace, { type: 'compact', revision: 1200 });
  const large = 'w'.repeat(600_000);
  applyOne(keyspace, putCommand('large', large));
  const hash = keyspace.stateHash();
  const reader = keyspace.snapshot();
  const target = new Keyspace();
  const writer = target.restore();
  let chunks = 0;
  for (let chunk = reader.next(); chunk !== undefined; chunk = reader.next(), chunks++) {
    assert.ok(chunk.length < 300_000 || chunk.length > 600_000);
    writer.write(chunk);
    applyOne(keyspace, putCommand(`key ${chunks}`, 'changed'));
    applyOne(keyspace, putCommand(`a new key ${chunks}`));
    applyOne(keyspace, { type: 'compact', revision: keyspace.revision });
  }
  writer.finish();
  assert.ok(chunks > 8);
  assert.equal(target.stateHash(), hash);
  assert.equal(target.compactRevision, 1200);
});

test('history is dropped once no snapshot is open any more', () => {
  const keyspace = new Keyspace();
  for (let i = 0; i < 500; i++) applyOne(keyspace, putCommand('a', 'x'.repeat(1000)));
  const reader = keyspace.snapshot();
  const other = keyspace.snapshot();
  applyOne(keyspace, { type: 'compact', revision: keyspace.revision });
  reader.close();
  reader.close();
  applyOne(keyspace, { type: 'tick' });
  assert.ok(keyspace.sizeBytes > 500_000);
  other.close();
  applyOne(keyspace, { type: 'tick' });
  assert.ok(keyspace.sizeBytes < 2000);
  assert.equal(other.next(), undefined);
});

test('a client that changes, goes or comes while a snapshot is read is in it as it was', () => {
  const keyspace = filled();
  const hash = keyspace.stateHash();
  const reader = keyspace.snapshot();
  const again = { incarnation: 1, sequence: 5, acknowledgedBelow: 5 };
  applyOne(keyspace, putCommand('d'), 2000, again);
  applyOne(keyspace, { type: 'registerClient', name: 'later' }, 2000);
  applyOne(keyspace, { type: 'tick' }, 2 * 24 * 3600 * 1000);
  const target = new Keyspace();
  const writer = target.restore();
  for (let chunk = reader.next(); chunk !== undefined; chunk = reader.next()) writer.write(chunk);
  writer.finish();
  assert.equal(target.stateHash(), hash);
});

test('the state hash tells replicas apart that differ in any one thing', () => {
  const commands: Command[] = [
    putCommand('x'),
    putCommand('x', 'y'),
    putCommand('b', 'two'),
    { type: 'leaseGrant', lease: 9n, ttlMs: 5000 },
    { type: 'attach', lease: -3n },
    { type: 'detach', lease: -3n, attachment: 1, graceMs: 10_000 },
    { type: 'compact', revision: 4 },
    { type: 'registerClient', name: '' },
    { type: 'tick' },
  ];
  const hashes = commands.map((command) => {
    const keyspace = filled();
    applyOne(keyspace, command);
    return keyspace.stateHash();
  });
  assert.equal(new Set(hashes).size, commands.length);
});
