import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBatch } from '../codec-batch.ts';
import { Keyspace } from '../keyspace.ts';
import {
  applyOne,
  bytes,
  compare,
  copyState,
  deleteOperation,
  putCommand,
  putOperation,
  rangeOperation,
  txnRequest,
} from '../testing/requests.ts';
import type { Command, CommandAuthor, CommandOutcome, TxnRequest } from '../types.ts';
import { maxExtendedTokens } from './extended-tokens.ts';
import { covers, type Interval, intervalOf, mergeIntervals } from './intervals.ts';
import type { AuthChange, PermissionType } from './types.ts';

const tokenKey = bytes('secret');

function change(keyspace: Keyspace, change: AuthChange, author?: CommandAuthor): string {
  return verdict(apply(keyspace, { type: 'auth', change }, author));
}

function apply(keyspace: Keyspace, command: Command, author?: CommandAuthor): CommandOutcome {
  const commands = [{ command, identity: undefined, author }];
  const batch = encodeBatch({ timeMs: keyspace.timeMs, commands });
  const [result] = keyspace.apply(keyspace.appliedIndex + 1, batch);
  assert.ok(result !== undefined);
  return result.outcome;
}

function verdict(outcome: CommandOutcome): string {
  return outcome.type === 'failed' ? outcome.failure : 'done';
}

function userAdd(user: string): AuthChange {
  return { kind: 'userAdd', user, passwordHash: `hash of ${user}`, noPassword: false };
}

function grant(role: string, type: PermissionType, key: string, rangeEnd = ''): AuthChange {
  return {
    kind: 'roleGrantPermission',
    role,
    permission: { type, key: bytes(key), rangeEnd: bytes(rangeEnd) },
  };
}

/** Auth enabled, with root, and ann who may what `permissions` say. */
function guarded(...permissions: AuthChange[]): { keyspace: Keyspace; as: (user: string) => CommandAuthor } {
  const keyspace = new Keyspace();
  const changes: AuthChange[] = [
    userAdd('root'),
    { kind: 'userGrantRole', user: 'root', role: 'root' },
    userAdd('ann'),
    { kind: 'roleAdd', role: 'hers' },
    { kind: 'userGrantRole', user: 'ann', role: 'hers' },
    ...permissions,
    { kind: 'enable', tokenKey },
  ];
  for (const one of changes) assert.equal(change(keyspace, one), 'done');
  return { keyspace, as: (user) => ({ user, authRevision: keyspace.auth.revision }) };
}

test('auth is enabled only with a root user that has the root role, and both stay while it is', () => {
  const keyspace = new Keyspace();
  assert.equal(change(keyspace, { kind: 'enable', tokenKey }), 'root-user-missing');
  change(keyspace, userAdd('root'));
  assert.equal(change(keyspace, { kind: 'enable', tokenKey }), 'root-role-missing');
  change(keyspace, { kind: 'userGrantRole', user: 'root', role: 'root' });
  const { revision } = keyspace.auth;
  assert.equal(change(keyspace, { kind: 'enable', tokenKey }), 'done');
  assert.equal(keyspace.auth.revision, revision);
  assert.deepEqual(keyspace.auth.tokenKey, tokenKey);
  const root = { user: 'root', authRevision: revision };
  assert.equal(change(keyspace, { kind: 'userDelete', user: 'root' }, root), 'invalid-auth-management');
  const revoke = { kind: 'userRevokeRole', user: 'root', role: 'root' } as const;
  assert.equal(change(keyspace, revoke, root), 'invalid-auth-management');
  assert.equal(change(keyspace, { kind: 'disable' }, root), 'done');
  assert.equal(keyspace.auth.tokenKey.length, 0);
  assert.equal(change(keyspace, revoke), 'done');
});

test('each change that is refused changes nothing, and each that is made raises the auth revision', () => {
  const { keyspace } = guarded();
  const root = { user: 'root', authRevision: 0 };
  const cases: [AuthChange, string][] = [
    [userAdd(''), 'user-name-empty'],
    [userAdd('ann'), 'user-exists'],
    [{ kind: 'userDelete', user: 'bob' }, 'user-not-found'],
    [{ kind: 'userChangePassword', user: 'bob', passwordHash: '' }, 'user-not-found'],
    [{ kind: 'userGrantRole', user: 'bob', role: 'hers' }, 'user-not-found'],
    [{ kind: 'userGrantRole', user: 'ann', role: 'none' }, 'role-not-found'],
    [{ kind: 'userRevokeRole', user: 'ann', role: 'none' }, 'role-not-granted'],
    [{ kind: 'roleAdd', role: '' }, 'role-name-empty'],
    [{ kind: 'roleAdd', role: 'hers' }, 'role-exists'],
    [{ kind: 'roleDelete', role: 'none' }, 'role-not-found'],
    [{ kind: 'roleDelete', role: 'root' }, 'invalid-auth-management'],
    [grant('none', 'read', 'a'), 'role-not-found'],
    [
      { kind: 'roleRevokePermission', role: 'hers', key: bytes('a'), rangeEnd: bytes('') },
      'permission-not-granted',
    ],
    [grant('hers', 'read', 'a'), 'done'],
    [{ kind: 'roleRevokePermission', role: 'hers', key: bytes('a'), rangeEnd: bytes('') }, 'done'],
    [{ kind: 'userChangePassword', user: 'ann', passwordHash: 'new' }, 'done'],
    [{ kind: 'roleDelete', role: 'hers' }, 'done'],
    [{ kind: 'userDelete', user: 'ann' }, 'done'],
  ];
  for (const [one, expected] of cases) {
    const before = keyspace.auth.revision;
    assert.equal(change(keyspace, one, root), expected, JSON.stringify(one));
    assert.equal(keyspace.auth.revision, before + (expected === 'done' ? 1 : 0), JSON.stringify(one));
  }
});

test('only root changes users and roles while auth is enabled', () => {
  const { keyspace, as } = guarded();
  assert.equal(change(keyspace, userAdd('bob')), 'user-name-empty');
  assert.equal(change(keyspace, userAdd('bob'), as('ann')), 'permission-denied');
  assert.equal(change(keyspace, { kind: 'disable' }, as('ann')), 'permission-denied');
  assert.equal(change(keyspace, userAdd('bob'), as('root')), 'done');
});

test('a command is refused without its author, under an old auth revision, and without the permission', () => {
  const { keyspace, as } = guarded(grant('hers', 'write', 'a', 'c'));
  assert.equal(verdict(apply(keyspace, putCommand('a'))), 'user-name-empty');
  assert.equal(
    verdict(apply(keyspace, putCommand('a'), { user: 'ann', authRevision: keyspace.auth.revision - 1 })),
    'auth-revision-old',
  );
  assert.equal(verdict(apply(keyspace, putCommand('a'), as('ann'))), 'done');
  assert.equal(verdict(apply(keyspace, putCommand('c'), as('ann'))), 'permission-denied');
  assert.equal(verdict(apply(keyspace, putCommand('a'), as('nobody'))), 'permission-denied');
  assert.equal(
    verdict(apply(keyspace, putCommand('a', '', { prevKv: true }), as('ann'))),
    'permission-denied',
  );
  assert.equal(verdict(apply(keyspace, putCommand('z'), as('root'))), 'done');
  assert.equal(keyspace.revision, 3);
});

test('every operation and compare of a transaction counts, nested ones and both branches too', () => {
  const { keyspace, as } = guarded(grant('hers', 'write', 'w'), grant('hers', 'read', 'r'));
  const txns: [TxnRequest, string][] = [
    [txnRequest([compare('r', 'version', 'equal', 0)], [putOperation('w')], [rangeOperation('r')]), 'done'],
    [txnRequest([compare('w', 'version', 'equal', 0)], []), 'permission-denied'],
    [txnRequest([compare('r', 'version', 'equal', 0, 's')], []), 'permission-denied'],
    [txnRequest([], [], [rangeOperation('w')]), 'permission-denied'],
    [txnRequest([], [putOperation('w', '', { prevKv: true })]), 'permission-denied'],
    [txnRequest([], [deleteOperation('r')]), 'permission-denied'],
    [txnRequest([], [{ type: 'txn', request: txnRequest([], [putOperation('r')]) }]), 'permission-denied'],
    [txnRequest([], [], [{ type: 'txn', request: txnRequest([], [putOperation('w')]) }]), 'done'],
  ];
  for (const [request, expected] of txns) {
    assert.equal(verdict(apply(keyspace, { type: 'txn', request }, as('ann'))), expected);
  }
  const sequence = { type: 'txnSequence', requests: txns.map(([request]) => request) } as const;
  assert.equal(verdict(apply(keyspace, sequence, as('ann'))), 'permission-denied');
});

test('a lease with a key that one may not write can be neither ended, nor bound, nor given another key', () => {
  const { keyspace, as } = guarded(grant('hers', 'write', 'a'));
  applyOne(keyspace, { type: 'leaseGrant', lease: 1n, ttlMs: 1000 });
  const withLease = putCommand('a', '', { lease: 1n });
  assert.equal(verdict(apply(keyspace, withLease, as('ann'))), 'done');
  assert.equal(verdict(apply(keyspace, { type: 'attach', lease: 1n }, as('ann'))), 'done');
  assert.equal(verdict(apply(keyspace, putCommand('b', '', { lease: 1n }), as('root'))), 'done');
  for (const command of [
    withLease,
    { type: 'txn', request: txnRequest([], [putOperation('a', '', { lease: 1n })]) },
    { type: 'attach', lease: 1n },
    { type: 'leaseRevoke', lease: 1n },
  ] satisfies Command[]) {
    assert.equal(verdict(apply(keyspace, command, as('ann'))), 'permission-denied', command.type);
  }
  assert.equal(verdict(apply(keyspace, { type: 'leaseRevoke', lease: 1n }, as('root'))), 'done');
});

test('a refusal is not kept under the identity of a command, an answer is', () => {
  const { keyspace, as } = guarded(grant('hers', 'write', 'a'));
  const submit = (author: CommandAuthor, sequence: number) => {
    const identity = { incarnation: 1, sequence, acknowledgedBelow: 0 };
    const commands = [{ command: putCommand('a'), identity, author }];
    const [result] = keyspace.apply(keyspace.appliedIndex + 1, encodeBatch({ timeMs: 0, commands }));
    return verdict(result?.outcome as CommandOutcome);
  };
  apply(keyspace, { type: 'registerClient', name: 'a client' }, as('ann'));
  assert.equal(keyspace.clientOwner(1), 'ann');
  assert.equal(submit({ user: 'ann', authRevision: 1 }, 1), 'auth-revision-old');
  assert.equal(submit(as('ann'), 1), 'done');
  const { revision } = keyspace;
  change(keyspace, { kind: 'roleDelete', role: 'hers' }, as('root'));
  assert.equal(submit(as('ann'), 1), 'done');
  assert.equal(submit(as('ann'), 2), 'permission-denied');
  assert.equal(keyspace.revision, revision);
});

test('a login stands until the password, the user, or the enabling of auth is another', () => {
  const { keyspace, as } = guarded();
  const login = () => ({
    user: 'ann',
    credentialRevision: keyspace.auth.user('ann')?.credentialRevision ?? 0,
    enabledRevision: keyspace.auth.enabledRevision,
  });
  const stands = (old: ReturnType<typeof login>) =>
    verdict(applyOne(keyspace, { type: 'authenticate', login: old }));
  const first = login();
  assert.deepEqual(applyOne(keyspace, { type: 'authenticate', login: first }, 500), {
    type: 'authenticate',
    timeMs: 500,
  });
  change(keyspace, { kind: 'userGrantRole', user: 'ann', role: 'root' }, as('root'));
  assert.equal(stands(first), 'done');
  change(keyspace, { kind: 'userChangePassword', user: 'ann', passwordHash: 'new' }, as('root'));
  assert.equal(stands(first), 'auth-revision-old');
  const second = login();
  assert.equal(stands(second), 'done');
  change(keyspace, { kind: 'userDelete', user: 'ann' }, as('root'));
  change(keyspace, userAdd('ann'), as('root'));
  assert.equal(stands(second), 'auth-revision-old');
  const third = login();
  change(keyspace, { kind: 'disable' }, as('root'));
  assert.equal(stands(third), 'auth-not-enabled');
  change(keyspace, { kind: 'enable', tokenKey });
  assert.equal(stands(third), 'auth-revision-old');
});

test('in a cluster restored from a backup users stay, and nobody is logged in', () => {
  const { keyspace } = guarded();
  const { enabledRevision } = keyspace.auth;
  const credentialRevision = keyspace.auth.user('ann')?.credentialRevision ?? 0;
  const login = { user: 'ann', credentialRevision, enabledRevision };
  applyOne(keyspace, { type: 'extendToken', tokenId: bytes('id'), login, ttlMs: 100 });
  const restored = new Keyspace();
  copyState(keyspace, restored);
  restored.beginAnew();
  assert.equal(restored.auth.enabled, true);
  assert.equal(restored.auth.user('ann')?.credentialRevision, credentialRevision);
  assert.equal(verdict(applyOne(restored, { type: 'authenticate', login })), 'auth-revision-old');
  assert.equal(restored.auth.tokenExpiresMs(bytes('id')), undefined);
});

test('an extended token lasts from the time of its use, and is forgotten when it has ended', () => {
  const { keyspace } = guarded();
  const { enabledRevision } = keyspace.auth;
  const credentialRevision = keyspace.auth.user('root')?.credentialRevision ?? 0;
  const login = { user: 'root', credentialRevision, enabledRevision };
  const extend = (id: string, timeMs: number) =>
    applyOne(keyspace, { type: 'extendToken', tokenId: bytes(id), login, ttlMs: 100 }, timeMs);
  extend('one', 1000);
  extend('two', 1050);
  assert.equal(keyspace.auth.tokenExpiresMs(bytes('one')), 1100);
  extend('two', 1101);
  assert.equal(keyspace.auth.tokenExpiresMs(bytes('one')), undefined);
  assert.equal(keyspace.auth.tokenExpiresMs(bytes('two')), 1201);
  assert.ok(maxExtendedTokens >= 1000);
});

test('users, roles, tokens and owners of clients come back from a snapshot, and count in the hash', () => {
  const { keyspace, as } = guarded(grant('hers', 'readwrite', 'a', '\0'), grant('hers', 'read', 'a'));
  apply(keyspace, { type: 'registerClient', name: 'a client' }, as('ann'));
  const { enabledRevision } = keyspace.auth;
  const credentialRevision = keyspace.auth.user('ann')?.credentialRevision ?? 0;
  const login = { user: 'ann', credentialRevision, enabledRevision };
  applyOne(keyspace, { type: 'extendToken', tokenId: bytes('id'), login, ttlMs: 100 }, 1000);
  const copy = new Keyspace();
  copyState(keyspace, copy, 7);
  assert.equal(copy.stateHash(), keyspace.stateHash());
  assert.deepEqual(copy.auth.user('ann'), keyspace.auth.user('ann'));
  assert.deepEqual(copy.auth.role('hers'), keyspace.auth.role('hers'));
  assert.deepEqual(copy.auth.tokenKey, tokenKey);
  assert.equal(copy.auth.enabledRevision, enabledRevision);
  assert.equal(copy.auth.tokenExpiresMs(bytes('id')), 1100);
  assert.equal(copy.clientOwner(1), 'ann');
  assert.equal(change(copy, { kind: 'roleAdd', role: 'π€😀' }, as('root')), 'done');
  assert.notEqual(copy.stateHash(), keyspace.stateHash());
  const other = new Keyspace();
  copyState(keyspace, other);
  change(keyspace, { kind: 'userChangePassword', user: 'ann', passwordHash: 'x' }, as('root'));
  change(other, { kind: 'userChangePassword', user: 'ann', passwordHash: 'y' }, as('root'));
  assert.notEqual(other.stateHash(), keyspace.stateHash());
});

const letters = ['', 'a', 'a\0', 'ab', 'b', 'c', 'd'];
const point = fc.constantFrom(...letters.slice(1));
const ends = fc.constantFrom(...letters, '\0');
const pieces = fc.array(fc.tuple(point, ends), { maxLength: 6 });

/** Between any two of the letters there is one of these, so they tell the intervals apart. */
const probes = letters.flatMap((letter) => [letter, `${letter}\0`, `${letter}\u0001`, `${letter}~`]);

test('a range is covered exactly when each of its keys is', () => {
  const inside = (interval: Interval, key: Uint8Array) => {
    const order = (left: Uint8Array, right: Uint8Array) => Buffer.compare(left, right);
    return order(interval.start, key) <= 0 && (interval.end === undefined || order(key, interval.end) < 0);
  };
  const check = (granted: [string, string][], [key, end]: [string, string]) => {
    const intervals = granted.map(([from, to]) => intervalOf(bytes(from), bytes(to)));
    const wanted = intervalOf(bytes(key), bytes(end));
    const keys = probes.map(bytes).filter((probe) => inside(wanted, probe));
    if (keys.length === 0) return;
    const expected = keys.every((probe) => intervals.some((interval) => inside(interval, probe)));
    // Beyond the last probe only an interval without an end reaches to the end of another.
    const endless = wanted.end !== undefined || intervals.some(({ end: to }) => to === undefined);
    assert.equal(covers(mergeIntervals(intervals), wanted), expected && endless);
  };
  fc.assert(fc.property(pieces, fc.tuple(point, ends), check), { numRuns: 2000 });
});
