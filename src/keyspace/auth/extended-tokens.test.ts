import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Keyspace } from '../keyspace.ts';
import { applyOne } from '../testing/requests.ts';
import type { AuthChange } from '../types.ts';

const count = 10_000;
const id = (number: number): Uint8Array => Uint8Array.of(number & 255, (number >> 8) & 255, 7);

function extend(keyspace: Keyspace, number: number, timeMs: number): void {
  const login = { user: 'root', ...credentials(keyspace) };
  const { outcome } = {
    outcome: applyOne(keyspace, { type: 'extendToken', tokenId: id(number), login, ttlMs: 1e6 }, timeMs),
  };
  assert.equal(outcome.type, 'extendToken');
}

function credentials(keyspace: Keyspace) {
  const { enabledRevision } = keyspace.auth;
  return { enabledRevision, credentialRevision: keyspace.auth.user('root')?.credentialRevision ?? 0 };
}

test('a snapshot has its tokens in frames of bounded size, as they were when it was taken', () => {
  const keyspace = new Keyspace();
  const changes: AuthChange[] = [
    { kind: 'userAdd', user: 'root', passwordHash: 'x', noPassword: false },
    { kind: 'userGrantRole', user: 'root', role: 'root' },
    { kind: 'enable', tokenKey: Uint8Array.of(1) },
  ];
  for (const change of changes) applyOne(keyspace, { type: 'auth', change }, 1);
  for (let number = 0; number < count; number++) extend(keyspace, number, 10);
  const hash = keyspace.stateHash();
  const reader = keyspace.snapshot();
  const restored = new Keyspace();
  const writer = restored.restore();
  let largest = 0;
  let frames = 0;
  for (let chunk = reader.next(); chunk !== undefined; chunk = reader.next()) {
    // What comes meanwhile is no part of it.
    extend(keyspace, frames, 20 + frames);
    largest = Math.max(largest, chunk.length);
    frames += 1;
    writer.write(chunk);
  }
  writer.finish();
  assert.ok(largest < 64 * 1024, `${largest} bytes in one frame`);
  assert.equal(restored.stateHash(), hash);
  assert.equal(restored.auth.tokenExpiresMs(id(0)), 10 + 1e6);
  assert.equal(restored.auth.tokenExpiresMs(id(count - 1)), 10 + 1e6);
  assert.equal(keyspace.auth.tokenExpiresMs(id(0)), 20 + 1e6);
});
