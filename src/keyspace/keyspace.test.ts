import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBatch } from './codec-batch.ts';
import { Keyspace } from './keyspace.ts';
import { drawBatch, drawRange, someLeases, Tape } from './testing/generate.ts';
import { Model } from './testing/model.ts';
import { copyState } from './testing/requests.ts';
import type { Alarm } from './types.ts';

const tapes = fc.record({ seed: fc.integer(), length: fc.integer({ min: 1, max: 6000 }) });
const runs = { numRuns: 150 };

/** Draws batches until the tape ends. `visit` sees each with the model after it. */
function play(
  { seed, length }: { seed: number; length: number },
  keyspaces: readonly Keyspace[],
  visit: (model: Model, tape: Tape) => void,
) {
  const tape = new Tape(seed, length);
  const model = new Model();
  for (let index = 1; !tape.done; index++) {
    const batch = drawBatch(tape, model, model.timeMs);
    const expected = model.apply(batch);
    for (const keyspace of keyspaces) {
      assert.deepEqual(keyspace.apply(index, encodeBatch(batch)), expected);
      assert.equal(keyspace.revision, model.revision);
      assert.equal(keyspace.compactRevision, model.compactRevision);
    }
    visit(model, tape);
  }
}

function assertSameReads(keyspace: Keyspace, model: Model, tape: Tape): void {
  for (let i = 0; i < 3; i++) {
    const request = drawRange(tape, model);
    const found = keyspace.range(request);
    assert.deepEqual('failed' in found ? found.failed : found, model.range(request));
  }
  let earliest = Number.POSITIVE_INFINITY;
  for (const id of someLeases) {
    const info = model.info(id);
    assert.deepEqual(keyspace.lease(id, true), info);
    if (info !== undefined) earliest = Math.min(earliest, info.deadlineMs);
  }
  assert.equal(keyspace.leaseCount, model.leases.size);
  const named = (all: Iterable<Alarm>) => [...all].map(({ kind, member }) => `${kind} ${member}`).sort();
  assert.deepEqual(named(keyspace.alarms()), named(model.alarms.values()));
  assert.ok(keyspace.nextDeadlineMs(keyspace.timeMs) <= earliest);
  assert.equal(keyspace.nextDeadlineMs(), earliest);
}

test('results, ranges at any revision and leases are those of a naive model', () => {
  fc.assert(
    fc.property(tapes, (drawn) => {
      const keyspace = new Keyspace();
      play(drawn, [keyspace], (model, tape) => assertSameReads(keyspace, model, tape));
    }),
    runs,
  );
});

test('a replica that installs snapshots at any point stays the same as one that applies every entry', () => {
  fc.assert(
    fc.property(tapes, fc.integer({ min: 1, max: 300 }), (drawn, pieceBytes) => {
      const whole = new Keyspace();
      const copied = new Keyspace();
      play(drawn, [whole, copied], (model, tape) => {
        if (tape.chance(3)) copyState(tape.chance(2) ? whole : copied, copied, pieceBytes);
        assert.equal(copied.stateHash(), whole.stateHash());
        assert.deepEqual(copied.leases(), whole.leases());
        assertSameReads(copied, model, tape);
      });
    }),
    runs,
  );
});

test('a snapshot is the state at the moment it was taken, however many entries are applied while it is read', () => {
  fc.assert(
    fc.property(tapes, (drawn) => {
      const keyspace = new Keyspace();
      let pending: { take: () => boolean; hash: number } | undefined;
      play(drawn, [keyspace], (_model, tape) => {
        if (pending === undefined && tape.chance(4)) {
          const reader = keyspace.snapshot();
          const target = new Keyspace();
          const writer = target.restore();
          const hash = keyspace.stateHash();
          pending = {
            hash,
            take: () => {
              const chunk = reader.next();
              if (chunk !== undefined) {
                writer.write(chunk);
                return false;
              }
              writer.finish();
              assert.equal(target.stateHash(), hash);
              return true;
            },
          };
        } else if (pending?.take() === true) pending = undefined;
      });
      while (pending !== undefined) if (pending.take()) pending = undefined;
    }),
    runs,
  );
});

test('two replicas write the same snapshot bytes, whatever each has dropped so far', () => {
  fc.assert(
    fc.property(tapes, (drawn) => {
      const one = new Keyspace();
      const other = new Keyspace();
      play(drawn, [one, other], (_model, tape) => {
        if (tape.chance(3)) copyState(other, other, 100);
        const left = one.snapshot();
        const right = other.snapshot();
        for (;;) {
          const chunk = left.next();
          assert.deepEqual(right.next(), chunk);
          if (chunk === undefined) break;
        }
      });
    }),
    { numRuns: 40 },
  );
});
