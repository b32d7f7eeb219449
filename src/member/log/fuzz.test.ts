import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fuzzRuns, mutated } from '../../../test/mutations.ts';
import { ConclaveError } from '../../errors/index.ts';
import { type MemoryDisk, manualRuntime } from '../../runtime/testing.ts';
import { entriesOf, logFolder, openTestLog } from './testing.ts';

const path = `${logFolder}/0000000000000001.log`;

async function written(): Promise<Uint8Array> {
  const { disk } = manualRuntime();
  const { log } = await openTestLog(disk, 65_536);
  for (let index = 1; index <= 6; index++) {
    const entries = entriesOf(index, 1, `entry ${index} ${'.'.repeat(index * 10)}`);
    const hardState = { term: 1, votedFor: 3, commitIndex: index - 1 };
    await log.append([{ group: 1, hardState, entries }], { sync: true });
  }
  disk.crash();
  return disk.contents(path);
}

async function diskWith(content: Uint8Array): Promise<MemoryDisk> {
  const { disk } = manualRuntime();
  await disk.makeFolder(logFolder);
  await using file = await disk.open(path, { create: true });
  await file.writeAt(0, [content]);
  await file.sync();
  return disk;
}

test('a log that holds anything at all is opened with what was written, or refused; it never shows what was not', async () => {
  const valid = await written();
  const { disk: whole } = { disk: await diskWith(valid) };
  const truth = (await openTestLog(whole)).groups.get(1)?.entries ?? [];
  assert.equal(truth.length, 6);
  const content = fc.oneof(fc.uint8Array({ maxLength: 400 }), {
    // What is preallocated behind it is no place where much can go wrong.
    arbitrary: mutated(fc.constant(valid.subarray(0, valid.findLastIndex((byte) => byte !== 0) + 1))),
    weight: 6,
  });
  let opened = 0;
  await fc.assert(
    fc.asyncProperty(content, async (bytes) => {
      const disk = await diskWith(bytes);
      let log: Awaited<ReturnType<typeof openTestLog>>;
      try {
        log = await openTestLog(disk);
      } catch (error) {
        assert.ok(
          ConclaveError.is(error, 'data-damaged') || ConclaveError.is(error, 'data-incompatible'),
          String(error),
        );
        return;
      }
      opened += 1;
      for (const entry of log.groups.get(1)?.entries ?? []) {
        assert.deepEqual(entry, truth[entry.index - 1]);
      }
      await log.log.close();
    }),
    { numRuns: Math.min(fuzzRuns.numRuns, 1500) },
  );
  assert.ok(opened > 0, 'some edits are behind what was proven durable, or change nothing');
});
