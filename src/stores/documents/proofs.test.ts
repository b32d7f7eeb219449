import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { suite, test } from 'node:test';
import { type GivenUp, Proofs } from './proofs.ts';

const random = { unit: () => 0.5, bytes: (count: number) => randomFillSync(new Uint8Array(count)) };
const session = 'a'.repeat(32);
const what: GivenUp = { name: 'e', session, token: 7, led: { session: 'b'.repeat(32), version: 9 } };

suite('proofs of who gave up to whom', () => {
  const [leader, next, stranger] = [new Proofs(random), new Proofs(random), new Proofs(random)] as const;
  const proof = leader.prove(next.publicKey, what);
  const told = { ...what, led: { ...what.led, proof } };

  test('hold for the one who is next, by the key of the leader that gave up', () => {
    assert.equal(next.holds(leader.publicKey, told), true);
  });

  test('cannot be made by who knows both public keys', () => {
    const forged = stranger.prove(next.publicKey, what);
    assert.equal(next.holds(leader.publicKey, { ...what, led: { ...what.led, proof: forged } }), false);
    const other = stranger.prove(leader.publicKey, what);
    assert.equal(next.holds(leader.publicKey, { ...what, led: { ...what.led, proof: other } }), false);
  });

  test('are of no use for another election, leadership, session or version, and none is not one', () => {
    const { led } = told;
    const others: readonly GivenUp[] = [
      { ...told, name: 'f' },
      { ...told, session: 'c'.repeat(32) },
      { ...told, token: 8 },
      { ...told, led: { ...led, session: 'c'.repeat(32) } },
      { ...told, led: { ...led, version: 10 } },
      { ...told, led: { ...led, proof: undefined } },
      { ...told, led: { ...led, proof: '' } },
    ];
    for (const other of others) assert.equal(next.holds(leader.publicKey, other), false);
  });

  test('are neither made nor believed where no key is', () => {
    for (const key of [undefined, '', 'A'.repeat(43), 'no key']) {
      assert.equal(leader.prove(key, what), undefined);
      assert.equal(next.holds(key, told), false);
    }
  });
});
