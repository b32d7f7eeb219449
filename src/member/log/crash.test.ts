import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Entry } from '../../raft/types.ts';
import { type MemoryDisk, manualRuntime, SeededRandom } from '../../runtime/testing.ts';
import type { LogWrite, SharedLog } from './index.ts';
import { LogModel, openTestLog, snapshotAt } from './testing.ts';

const groups = [1, 2, 2 ** 50];

/** A write that may follow: Raft never replaces what a snapshot covers, and leaves no gap. */
function drawWrite(random: SeededRandom, model: LogModel): LogWrite {
  const group = groups[random.below(groups.length)] as number;
  const { snapshot, hardState, entries: stored } = model.group(group);
  const snapshotIndex = snapshot?.index ?? 0;
  const last = model.lastIndex(group);
  const term = hardState.term + random.below(2);
  const choice = random.below(12);
  const state = {
    term,
    votedFor: random.below(4),
    commitIndex: snapshotIndex + random.below(last - snapshotIndex + 1),
  };
  if (choice === 0) return { group, hardState: state, entries: [] };
  if (choice === 1 && stored.length > 0) {
    const index = snapshotIndex + 1 + random.below(stored.length);
    return { group, snapshot: snapshotAt(index, term), keepsLog: true, entries: [] };
  }
  if (choice === 2) {
    const index = last + 1 + random.below(50);
    const entries = drawEntries(random, index + 1, term, random.below(3));
    return { group, snapshot: snapshotAt(index, term), keepsLog: false, entries, hardState: state };
  }
  const first = choice < 5 ? snapshotIndex + 1 + random.below(last - snapshotIndex + 1) : last + 1;
  const entries = drawEntries(random, first, term, 1 + random.below(4));
  return { group, entries, ...(random.unit() < 0.3 ? { hardState: state } : {}) };
}

function drawEntries(random: SeededRandom, first: number, term: number, count: number): Entry[] {
  const kinds = ['command', 'empty', 'configuration'] as const;
  return Array.from({ length: count }, (_, at) => ({
    index: first + at,
    term,
    kind: kinds[random.below(3)] ?? 'command',
    // Often zeros, which a lost sector also looks like.
    data: random.unit() < 0.3 ? new Uint8Array(random.below(700)) : random.bytes(random.below(300)),
  }));
}

interface Progress {
  /** The log after each number of appends, from none on. */
  readonly history: LogModel[];
  /** So many appends were said to be durable. */
  acknowledged: number;
  readonly errors: unknown[];
}

/** Appends at random until the disk crashes or the count is reached. */
async function work(
  log: SharedLog,
  random: SeededRandom,
  progress: Progress,
  crashed: () => boolean,
): Promise<void> {
  const { history } = progress;
  for (let count = 0; count < 60 && !crashed(); count++) {
    const model = history.at(-1) as LogModel;
    const writes = [drawWrite(random, model)];
    const second = drawWrite(random, model.after(writes[0] as LogWrite));
    if (random.unit() < 0.3) writes.push(second);
    const sync = random.unit() < 0.7;
    history.push(writes.reduce((state, write) => state.after(write), model));
    const number = history.length - 1;
    const appended = log.append(writes, { sync }).then(
      () => {
        if (sync) progress.acknowledged = Math.max(progress.acknowledged, number);
      },
      (error: unknown) => progress.errors.push(error),
    );
    // Now and then several wait together. A crash leaves this one waiting for ever, so it is not waited for alone.
    if (random.unit() < 0.5) await Promise.race([appended, until(crashed)]);
  }
  await until(() => crashed() || progress.acknowledged > 0);
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 200 && !condition(); turn++)
    await new Promise((resolve) => setImmediate(resolve));
}

function crashAt(disk: MemoryDisk, operation: number, keeps: 'none' | 'some' | 'all'): () => boolean {
  let crashed = false;
  const at = disk.operations + operation;
  disk.onOperation = () => {
    if (crashed || disk.operations < at) return;
    crashed = true;
    disk.crash({ keeps, staysOff: true });
  };
  return () => crashed;
}

/** When all that the dead process still meant to do has come to nothing. */
async function restart(disk: MemoryDisk): Promise<void> {
  disk.onOperation = undefined;
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  disk.powerOn();
}

/** Opens it, and crashes while it opens now and then: repairs must be repeatable. */
async function reopen(
  disk: MemoryDisk,
  random: SeededRandom,
  segmentBytes: number,
): ReturnType<typeof openTestLog> {
  while (random.unit() < 0.3) {
    const crashed = crashAt(disk, 1 + random.below(12), random.unit() < 0.5 ? 'some' : 'none');
    const opened = openTestLog(disk, segmentBytes);
    const first = await Promise.race([opened, until(crashed)]);
    if (!crashed()) {
      disk.onOperation = undefined;
      return first ?? opened;
    }
    await restart(disk);
  }
  return openTestLog(disk, segmentBytes);
}

test('after any crash, everything acknowledged is there, and nothing but a prefix of what was appended', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 200, max: 6000 }), async (seed, segmentBytes) => {
      const random = new SeededRandom(seed);
      const { disk } = manualRuntime({ seed });
      let model = new LogModel();
      for (let life = 0; life < 4; life++) {
        const { log, groups: stored } = await reopen(disk, random, segmentBytes);
        if (life > 0) assert.equal(new LogModel(stored).toString(), model.toString());
        const progress = { history: [new LogModel(stored)], acknowledged: 0, errors: [] };
        const keeps = (['none', 'some', 'all'] as const)[random.below(3)] ?? 'some';
        const crashed = crashAt(disk, 1 + random.below(150), keeps);
        await work(log, random, progress, crashed);
        if (!crashed()) disk.crash({ keeps, staysOff: true });
        await restart(disk);
        assert.deepEqual(progress.errors, []);
        const { groups: found } = await reopen(disk, random, segmentBytes);
        model = new LogModel(found);
        const possible = progress.history.map(String);
        const at = possible.lastIndexOf(String(model));
        assert.ok(
          at >= progress.acknowledged,
          `found ${at}, acknowledged ${progress.acknowledged}: ${model}`,
        );
        disk.crash({ keeps: 'none', staysOff: true });
        await restart(disk);
      }
    }),
    { numRuns: 60 },
  );
});
