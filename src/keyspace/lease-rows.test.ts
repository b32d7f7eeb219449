import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LeaseRows } from './lease-rows.ts';

interface Item {
  readonly id: bigint;
  readonly ttlMs: number;
  deadlineMs: number;
  row: number;
}

/** As the table mixes the halves of an id: ids of one number begin their search at one place, however large the table is. */
function idWithHash(mixed: number, high: number): bigint {
  const low = mixed ^ Math.imul(high, 0x9e3779b1);
  return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low >>> 0));
}

/** Ids that are close together, that share a half, whose hash is the same, and any. */
const id = fc.oneof(
  fc.integer({ min: 0, max: 200 }).map((high) => idWithHash(7, high)),
  fc.bigInt({ min: -3n, max: 300n }),
  fc.bigInt({ min: 0n, max: 20n }).map((high) => (high << 32n) | 7n),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const step = fc.record({ what: fc.constantFrom('add', 'add', 'renew', 'remove'), id, ms: fc.nat(1000) });

test('leases are found, renewed and removed by their ids as in a Map, however many there were', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600, size: 'max' }), (steps) => {
      const rows = new LeaseRows<Item>();
      const model = new Map<bigint, Item>();
      const take = (item: Item): void => {
        rows.remove(item);
        model.delete(item.id);
        assert.equal(rows.find(item.id), undefined);
      };
      for (const { what, id, ms } of steps) {
        const known = model.get(id);
        assert.equal(rows.find(id), known);
        if (what === 'renew') {
          assert.equal(rows.renew(id, ms), known?.ttlMs ?? 0);
          if (known !== undefined) known.deadlineMs = ms + known.ttlMs;
        } else if (what === 'remove' && known !== undefined) {
          take(known);
        } else if (known === undefined) {
          const item = { id, ttlMs: ms + 1, deadlineMs: ms, row: -1 };
          rows.add(id, item.ttlMs, item.deadlineMs, item);
          model.set(id, item);
        }
      }
      while (model.size > 0) {
        assert.equal(rows.count, model.size);
        for (const item of model.values()) {
          assert.equal(rows.find(item.id), item);
          assert.equal(rows.deadlinesMs[item.row], item.deadlineMs);
        }
        for (const item of [...model.values()].slice(0, 1 + model.size / 3)) take(item);
      }
    }),
    { numRuns: 200 },
  );
});

test('a lookup looks at few places although a client chose ids that all begin their search at one', () => {
  const rows = new LeaseRows<Item>();
  const count = 3000;
  const add = (id: bigint): void => rows.add(id, 1, 0, { id, ttlMs: 1, deadlineMs: 0, row: -1 });
  for (let high = 0; high < count; high++) add(idWithHash(1, high));
  const ids: Int32Array = Reflect.get(rows, 'ids');
  let looks = 0;
  const counted = new Proxy(ids, {
    get: (target, name) => {
      looks++;
      return Reflect.get(target, name);
    },
  });
  Reflect.set(rows, 'ids', counted);
  let most = 0;
  for (let high = 0; high <= count; high++) {
    looks = 0;
    assert.equal(rows.find(idWithHash(1, high))?.id, high < count ? idWithHash(1, high) : undefined);
    most = Math.max(most, looks);
  }
  assert.ok(most > 0 && most <= 100, `${most} looks`);
});
