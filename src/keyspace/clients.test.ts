import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ClientTable,
  idleLimitMs,
  maxClients,
  maxKeptBytes,
  maxKeptResultBytes,
  maxOutstanding,
  resultOverheadBytes,
} from './clients.ts';
import { Keyspace } from './keyspace.ts';
import { applyOne, copyState, putCommand } from './testing/requests.ts';
import type { Command, CommandOutcome } from './types.ts';

const register: Command = { type: 'registerClient', name: 'a client' };

function submit(
  keyspace: Keyspace,
  sequence: number,
  { acknowledgedBelow = 0, incarnation = 1, timeMs = keyspace.timeMs } = {},
): CommandOutcome {
  const identity = { incarnation, sequence, acknowledgedBelow };
  return applyOne(keyspace, putCommand('a', String(sequence), { prevKv: true }), timeMs, identity);
}

function failure(outcome: CommandOutcome): string | undefined {
  return outcome.type === 'failed' ? outcome.failure : undefined;
}

test('incarnations are never given out twice', () => {
  const keyspace = new Keyspace();
  assert.deepEqual(applyOne(keyspace, register), { type: 'registerClient', incarnation: 1 });
  assert.deepEqual(applyOne(keyspace, register), { type: 'registerClient', incarnation: 2 });
  const copy = new Keyspace();
  copyState(keyspace, copy);
  assert.deepEqual(applyOne(copy, register), { type: 'registerClient', incarnation: 3 });
});

test('a command that comes again is not applied again and gets the same answer', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, register);
  submit(keyspace, 0);
  const first = submit(keyspace, 1);
  const { revision } = keyspace;
  submit(keyspace, 2);
  assert.deepEqual(submit(keyspace, 1), first);
  assert.equal(keyspace.revision, revision + 1);
  const copy = new Keyspace();
  copyState(keyspace, copy);
  assert.deepEqual(submit(copy, 1), first);
});

test('a failure is an answer too: the command is not tried again', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, register);
  const identity = { incarnation: 1, sequence: 0, acknowledgedBelow: 0 };
  const command = putCommand('a', '', { lease: 7n });
  assert.equal(failure(applyOne(keyspace, command, 0, identity)), 'lease-not-found');
  applyOne(keyspace, { type: 'leaseGrant', lease: 7n, ttlMs: 1000 });
  assert.equal(failure(applyOne(keyspace, command, 0, identity)), 'lease-not-found');
});

test('sequences may arrive in any order', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, register);
  for (const sequence of [5, 3, 4, 0]) assert.equal(submit(keyspace, sequence).type, 'put');
  assert.equal(keyspace.revision, 5);
});

test('acknowledged sequences are refused, as is an incarnation that nobody registered', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, register);
  submit(keyspace, 0);
  submit(keyspace, 1, { acknowledgedBelow: 1 });
  assert.equal(failure(submit(keyspace, 0)), 'sequence-forgotten');
  assert.equal(failure(submit(keyspace, 1)), undefined);
  assert.equal(failure(submit(keyspace, 0, { incarnation: 2 })), 'unknown-incarnation');
  // A floor far away must not take a step for each number below it.
  assert.equal(failure(submit(keyspace, 2 ** 52, { acknowledgedBelow: 2 ** 52 })), undefined);
  assert.equal(failure(submit(keyspace, 2)), 'sequence-forgotten');
});

test('a client that acknowledges nothing keeps its last results only', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, register);
  for (let sequence = 0; sequence <= maxOutstanding; sequence++) submit(keyspace, sequence);
  assert.equal(failure(submit(keyspace, 0)), 'sequence-forgotten');
  assert.equal(failure(submit(keyspace, 1)), undefined);
  assert.equal(keyspace.revision, maxOutstanding + 2);
});

test('a client is forgotten after a day without use, by cluster time', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, register);
  applyOne(keyspace, register);
  submit(keyspace, 0, { timeMs: 10 });
  submit(keyspace, 0, { incarnation: 2, timeMs: 20 });
  assert.equal(failure(submit(keyspace, 1, { timeMs: 10 + idleLimitMs })), undefined);
  assert.equal(
    failure(submit(keyspace, 1, { incarnation: 2, timeMs: 21 + idleLimitMs })),
    'unknown-incarnation',
  );
  assert.equal(failure(submit(keyspace, 2)), undefined);
});

test('beyond the bound the least recently used client is forgotten', () => {
  const clients = new ClientTable();
  for (let i = 0; i < maxClients; i++) clients.register('', 0);
  const identity = (incarnation: number) => ({ incarnation, sequence: 0, acknowledgedBelow: 0 });
  assert.equal(clients.admit(identity(1), 0).type, 'apply');
  clients.register('', 0);
  assert.equal(clients.count, maxClients);
  assert.equal(clients.admit(identity(1), 0).type, 'apply');
  assert.deepEqual(clients.admit(identity(2), 0), { type: 'refuse', failure: 'unknown-incarnation' });
});

test('results take a bounded amount of memory, and what was applied is never applied again for that', () => {
  const keyspace = new Keyspace();
  for (let client = 0; client < 3; client++) applyOne(keyspace, register);
  const large = 'x'.repeat(maxKeptResultBytes - 100);
  const replace = putCommand('large', large, { prevKv: true });
  applyOne(keyspace, replace);
  const read = (incarnation: number, sequence: number, command = replace) =>
    applyOne(keyspace, command, keyspace.timeMs, { incarnation, sequence, acknowledgedBelow: 0 });
  const many = Math.ceil(maxKeptBytes / maxKeptResultBytes) + 10;
  for (let sequence = 1; sequence <= many; sequence++) assert.equal(read(1, sequence).type, 'put');
  const lastOfFirst = read(1, many + 1);
  const small = submit(keyspace, 1, { incarnation: 3 });
  for (let sequence = 1; sequence <= 5; sequence++) assert.equal(read(2, sequence).type, 'put');
  const { revision } = keyspace;
  // The oldest of the client that was used longest ago are gone; the newest, and those of the others, are not.
  assert.equal(failure(read(1, 1)), 'sequence-forgotten');
  assert.deepEqual(read(1, many + 1), lastOfFirst);
  assert.equal(read(2, 1).type, 'put');
  assert.deepEqual(submit(keyspace, 1, { incarnation: 3 }), small);
  assert.equal(keyspace.revision, revision);
  // One that is larger than may be is not kept at all.
  applyOne(keyspace, putCommand('huge', 'x'.repeat(maxKeptResultBytes)));
  const replaceHuge = putCommand('huge', '', { prevKv: true });
  assert.equal(read(2, 9, replaceHuge).type, 'put');
  const after = keyspace.revision;
  assert.equal(failure(read(2, 9, replaceHuge)), 'sequence-forgotten');
  assert.equal(keyspace.revision, after);
  // A restored replica forgets at the same moments.
  const copy = new Keyspace();
  copyState(keyspace, copy);
  assert.equal(copy.stateHash(), keyspace.stateHash());
  for (let sequence = 20; sequence < 20 + many; sequence++) {
    const identity = { incarnation: 2, sequence, acknowledgedBelow: 0 };
    for (const replica of [keyspace, copy]) applyOne(replica, replace, replica.timeMs, identity);
  }
  assert.equal(copy.stateHash(), keyspace.stateHash());
  assert.equal(failure(read(1, many + 1)), 'sequence-forgotten');
});

test('results of a few bytes are bounded by what they take beside', () => {
  const clients = new ClientTable();
  const results = 1000;
  const enough = Math.ceil(maxKeptBytes / resultOverheadBytes / results);
  for (let client = 0; client <= enough; client++) {
    const incarnation = clients.register('', 0);
    for (let sequence = 1; sequence <= results; sequence++) {
      const admission = clients.admit({ incarnation, sequence, acknowledgedBelow: 0 }, 0);
      assert.ok(admission.type === 'apply');
      clients.keep(admission.client, sequence, Uint8Array.of(1));
    }
  }
  const kept = [...clients.inOrderOfUse()].map((client) => client.results.size);
  const sum = kept.reduce((all, size) => all + size, 0);
  assert.ok(sum <= maxKeptBytes / resultOverheadBytes, `${sum} results`);
  assert.ok(sum > maxKeptBytes / resultOverheadBytes / 3, `${sum} results`);
  assert.deepEqual([kept[0], kept.at(-1)], [0, results]);
  const again = { incarnation: 1, sequence: 1, acknowledgedBelow: 0 };
  assert.deepEqual(clients.admit(again, 0), { type: 'refuse', failure: 'sequence-forgotten' });
});
