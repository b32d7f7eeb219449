import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AuthChange } from '../../keyspace/index.ts';
import type { Operation } from './history.ts';
import { bytesOf } from './model-values.ts';
import { PermissionsKept } from './permissions-kept.ts';
import { CheckerBench, nameOf } from './testing/bench.ts';

const found = (error: unknown): boolean => nameOf(error) === 'permissions-kept';
const mine = 'w/mine';
const others = 'w/others';

/** Ann may read one key; auth is enabled. */
class AuthBench extends CheckerBench {
  constructor() {
    super({ besides: (parts) => [new PermissionsKept(parts, () => 'ann')] });
    const user = { kind: 'userAdd', passwordHash: '', noPassword: true } as const;
    const permission = { type: 'read', key: bytesOf(mine), rangeEnd: bytesOf('') } as const;
    this.#change({ ...user, user: 'root' });
    this.#change({ kind: 'roleAdd', role: 'root' });
    this.#change({ kind: 'userGrantRole', user: 'root', role: 'root' });
    this.#change({ ...user, user: 'ann' });
    this.#change({ kind: 'roleAdd', role: 'readers' });
    this.#change({ kind: 'roleGrantPermission', role: 'readers', permission });
    this.#change({ kind: 'userGrantRole', user: 'ann', role: 'readers' });
    this.#change({ kind: 'enable', tokenKey: new Uint8Array(32) });
  }

  #change(change: AuthChange): void {
    const author = { user: 'root', authRevision: this.keyspace.auth.revision };
    this.commit({ type: 'auth', change }, { author });
  }

  revoke(): void {
    this.#change({ kind: 'userRevokeRole', user: 'ann', role: 'readers' });
  }

  reads(key: string): Operation {
    return this.ask({ type: 'range', key, end: '', serializable: false });
  }

  answered(operation: Operation): void {
    const { revision } = this.keyspace;
    this.answer(operation, { type: 'range', pairs: [], count: 0, more: false, revision });
  }

  refused(operation: Operation): void {
    this.history.failed(operation, 'not-applied', 'permission-denied');
  }
}

test('who is answered what it may read, and is refused the rest, is treated rightly', () => {
  const bench = new AuthBench();
  bench.answered(bench.reads(mine));
  bench.refused(bench.reads(others));
  bench.revoke();
  bench.refused(bench.reads(mine));
  assert.equal(bench.verdict(), undefined);
});

test('an answer that this user may not have is found, and so is a refusal of what it may read', () => {
  const bench = new AuthBench();
  bench.answered(bench.reads(others));
  assert.equal(bench.verdict(), 'permissions-kept');
  const other = new AuthBench();
  other.refused(other.reads(mine));
  assert.equal(other.verdict(), 'permissions-kept');
});

test('what changes while it is asked may be answered by either', () => {
  const bench = new AuthBench();
  const [one, other, late] = [bench.reads(mine), bench.reads(mine), bench.reads(mine)];
  bench.revoke();
  bench.answered(one);
  bench.refused(other);
  bench.answered(late);
  assert.equal(bench.verdict(), undefined);
  bench.answered(bench.reads(mine));
  assert.equal(bench.verdict(), 'permissions-kept');
});

test('a member that knows other users and roles than the log makes is found', () => {
  const bench = new AuthBench();
  const { auth } = bench.keyspace;
  Object.defineProperty(bench.keyspace, 'auth', { value: { enabled: false, revision: auth.revision } });
  assert.throws(() => bench.revoke(), found);
});
