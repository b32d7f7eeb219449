// A leader logs what it can decode of what others forward: so nothing that decodes may stop a member later.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeSubmittedCommand, encodeBatchOf, encodeSubmittedCommand } from './codec-batch.ts';
import { MalformedData } from './errors.ts';
import { Keyspace } from './keyspace.ts';
import { drawBatch, Tape } from './testing/generate.ts';
import { Model } from './testing/model.ts';
import type { AuthChange, Command, SubmittedCommand } from './types.ts';

const most = Number.MAX_SAFE_INTEGER;
const login = { user: 'root', credentialRevision: 2, enabledRevision: 3 };
const changes: readonly AuthChange[] = [
  { kind: 'userAdd', user: 'root', passwordHash: 'x', noPassword: false },
  { kind: 'userGrantRole', user: 'root', role: 'root' },
  { kind: 'enable', tokenKey: Uint8Array.of(1) },
  { kind: 'disable' },
  { kind: 'roleAdd', role: 'r' },
  {
    kind: 'roleGrantPermission',
    role: 'r',
    permission: { type: 'read', key: Uint8Array.of(9), rangeEnd: Uint8Array.of(1) },
  },
  { kind: 'userGrantRole', user: 'root', role: 'r' },
];
/** Kinds that the model does not draw, with numbers at their ends. */
const more: readonly Command[] = [
  ...changes.map((change) => ({ type: 'auth', change }) as const),
  { type: 'authenticate', login },
  { type: 'extendToken', tokenId: Uint8Array.of(1, 2), login, ttlMs: most },
  { type: 'leaseGrant', lease: 1n, ttlMs: -most },
  { type: 'leaseGrant', lease: -(2n ** 63n), ttlMs: 9_000_000_000_000 },
  { type: 'detach', lease: 1n, attachment: most, graceMs: most },
  { type: 'compact', revision: most },
  { type: 'alarm', raise: true, kind: 'no-space', member: 2n ** 63n },
];
const identity = { incarnation: 1, sequence: most, acknowledgedBelow: most };
const author = { user: 'root', authRevision: most };

function readable(encoded: Uint8Array): boolean {
  try {
    decodeSubmittedCommand(encoded);
    return true;
  } catch (error) {
    assert.ok(error instanceof MalformedData, String(error));
    return false;
  }
}

test('whatever can be decoded can be applied, and kept in a snapshot', () => {
  const drawn = fc.record({
    seed: fc.integer(),
    edits: fc.array(fc.record({ at: fc.nat(), byte: fc.nat(255), command: fc.nat() }), { maxLength: 40 }),
    extra: fc.array(fc.nat(more.length - 1), { maxLength: 12 }),
  });
  let taken = 0;
  fc.assert(
    fc.property(drawn, ({ seed, edits, extra }) => {
      const keyspace = new Keyspace();
      const model = new Model();
      const tape = new Tape(seed, 300);
      const commands: SubmittedCommand[] = extra.map((at, place) => ({
        command: more[at] as Command,
        identity: place % 3 === 2 ? identity : undefined,
        ...(place % 4 === 3 && { author }),
      }));
      let index = 0;
      let timeMs = 0;
      const apply = (encoded: readonly Uint8Array[]): void => {
        taken += encoded.length;
        index += 1;
        keyspace.apply(index, encodeBatchOf(timeMs, encoded));
      };
      while (!tape.done) {
        const batch = drawBatch(tape, model, model.timeMs);
        timeMs = batch.timeMs;
        model.apply(batch);
        const encoded = batch.commands.map(encodeSubmittedCommand);
        if (encoded.length > 0) apply(encoded);
        const edited = edits.flatMap(({ at, byte, command }) => {
          const bytes = encoded[command % Math.max(1, encoded.length)]?.slice();
          if (bytes === undefined) return [];
          bytes[at % bytes.length] = byte;
          return readable(bytes) ? [bytes] : [];
        });
        apply([...edited, ...commands.map(encodeSubmittedCommand)]);
      }
      const reader = keyspace.snapshot();
      const writer = new Keyspace().restore();
      for (let chunk = reader.next(); chunk !== undefined; chunk = reader.next()) writer.write(chunk);
      writer.finish();
      keyspace.stateHash();
    }),
    { numRuns: 150 },
  );
  assert.ok(taken > 1000);
});
