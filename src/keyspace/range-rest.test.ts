import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Keyspace } from './keyspace.ts';
import type { RangeRest } from './range-rest.ts';
import { applyOne, deleteCommand, putCommand, rangeRequest } from './testing/requests.ts';
import type { Command, KeyValue, RangeResult } from './types.ts';

interface Open {
  readonly rest: Pick<RangeRest, 'next' | 'close'>;
  readonly expected: KeyValue[];
  readonly found: KeyValue[];
}

const everything = { key: '\0', end: '\0' };
const bounds = { keyValues: 2, bytes: 1000 };

function read(keyspace: Keyspace, revision: number, inParts = false): RangeResult {
  const request = rangeRequest(everything.key, everything.end, { revision });
  const result = keyspace.range(request, inParts ? bounds : undefined);
  assert.ok(!('failed' in result));
  return result;
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ does: fc.constant('put' as const), which: fc.nat(14) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('delete' as const), which: fc.nat(14) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('compact' as const), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('open' as const), which: fc.nat(20) }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('next' as const), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('close' as const), which: fc.nat(20) }) },
);

test('ranges in parts give what was there, and change neither hashes nor what others read, whatever is compacted', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 30, maxLength: 200 }), (steps) => {
      const [keyspace, control] = [new Keyspace(), new Keyspace()];
      const apply = (command: Command): void => {
        for (const one of [keyspace, control]) applyOne(one, command);
      };
      for (let at = 0; at < 15; at++) apply(putCommand(`k${at}`, 'first'));
      let open: Open[] = [];
      const close = (one: Open): void => {
        one.rest.close();
        open = open.filter((other) => other !== one);
      };
      for (const { does, which } of steps) {
        const { revision, compactRevision } = keyspace;
        const readable = revision - (which % (revision - Math.max(compactRevision, 1) + 1));
        const one = open[which % Math.max(1, open.length)];
        if (does === 'put') apply(putCommand(`k${which}`, `${revision}`));
        else if (does === 'delete') apply(deleteCommand(`k${which}`));
        else if (does === 'compact' && readable > compactRevision)
          apply({ type: 'compact', revision: readable });
        else if (does === 'open') {
          const { kvs, rest } = read(keyspace, readable, true);
          const expected = [...read(control, readable).kvs];
          if (rest !== undefined) open.push({ rest, expected, found: [...kvs] });
        } else if (does === 'next' && one !== undefined) {
          const part = one.rest.next();
          one.found.push(...part);
          assert.deepEqual(one.found, one.expected.slice(0, one.found.length));
          if (part.length === 0) {
            assert.equal(one.found.length, one.expected.length);
            close(one);
          }
        } else if (does === 'close' && one !== undefined) close(one);
        assert.equal(keyspace.stateHash(), control.stateHash());
        if (readable >= keyspace.compactRevision)
          assert.deepEqual(read(keyspace, readable).kvs, read(control, readable).kvs);
      }
      for (const one of open) close(one);
      // A deletion that was not dropped before its key was written again goes with the next compaction.
      apply(putCommand('k0', 'last'));
      apply({ type: 'compact', revision: keyspace.revision });
      for (const each of [keyspace, control]) while (!each.tidy());
      assert.ok(keyspace.compactionDone);
      assert.equal(keyspace.sizeBytes, control.sizeBytes);
      assert.equal(keyspace.stateHash(), control.stateHash());
    }),
    { numRuns: 300 },
  );
});
