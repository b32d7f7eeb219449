import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualRuntime } from '../../runtime/testing.ts';
import type { ScryptParameters } from '../../runtime/types.ts';
import { failure } from '../status.ts';
import { TestingCall } from '../testing.ts';
import { acceptedHash, Passwords } from './passwords.ts';

test('a hash tells the right password from a wrong one, and never contains it', async () => {
  const passwords = new Passwords(manualRuntime(), 4);
  const call = new TestingCall();
  const hash = await passwords.hash('correct horse', call);
  assert.match(hash, /^\$scrypt\$ln=4,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.equal(await passwords.matches('correct horse', hash, call), true);
  assert.equal(await passwords.matches('correct horsf', hash, call), false);
  assert.equal(await passwords.matches('', hash, call), false);
  assert.notEqual(await passwords.hash('correct horse', call), hash);
  assert.equal(acceptedHash(hash), hash);
});

test('the work is the same without a user to compare with', async () => {
  const runtime = manualRuntime();
  const asked: ScryptParameters[] = [];
  const { keyDerivation } = runtime;
  const counting = {
    ...runtime,
    keyDerivation: {
      scrypt(password: Uint8Array, salt: Uint8Array, parameters: ScryptParameters) {
        asked.push(parameters);
        return keyDerivation.scrypt(password, salt, parameters);
      },
    },
  };
  const passwords = new Passwords(counting, 4);
  const call = new TestingCall();
  const hash = await passwords.hash('one', call);
  assert.equal(await passwords.matches('two', hash, call), false);
  assert.equal(await passwords.matches('two', undefined, call), false);
  assert.equal(asked.length, 3);
  assert.deepEqual(asked[1], asked[2]);
  // Also where the users' passwords were hashed under another setting.
  const later = new Passwords(counting, 6);
  assert.equal(await later.matches('two', undefined, call, hash), false);
  assert.deepEqual(asked[3], asked[1]);
});

test('a caller that has gone costs no work, and hashes that cannot be checked are refused', async () => {
  const passwords = new Passwords(manualRuntime(), 4);
  const call = new TestingCall();
  call.abort(failure('cancelled'));
  await assert.rejects(passwords.hash('one', call), /context canceled/);
  for (const foreign of [
    'JDJhJDEwJEtpN2J5Q3Fk',
    '$2a$10$Ki7byCqdEXAMPLEEXAMPLE',
    '$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA',
    '$scrypt$ln=14,r=64,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA',
  ]) {
    assert.throws(() => acceptedHash(foreign), /cannot be checked here/);
  }
});
