import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Command, CommandResult } from '../keyspace/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { type AutoCompaction, AutoCompactor } from './auto-compaction.ts';
import { silentLogger } from './logger.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** A compactor beside a store whose revision is the minutes that have passed. */
function started(setting: AutoCompaction) {
  const runtime = manualRuntime();
  const state = { leader: true, failing: false };
  const compacted: { readonly minute: number; readonly to: number }[] = [];
  const minute = (): number => Math.floor(runtime.clock.monotonicMs() / minuteMs);
  const propose = async (command: Command): Promise<CommandResult> => {
    assert.equal(command.type, 'compact');
    if (state.failing) throw new Error('no leader');
    compacted.push({ minute: minute(), to: command.revision });
    return { revision: minute(), outcome: { type: 'compact' } };
  };
  const compactor = new AutoCompactor({
    ...{ setting, runtime, propose, logger: silentLogger },
    revision: minute,
    isLeader: () => state.leader,
  });
  return { runtime, state, compacted, compactor };
}

describe('compaction by time', () => {
  test('keeps at least five minutes, and compacts each five minutes', async () => {
    const { runtime, compacted } = started({ mode: 'periodic', retentionMs: 5 * minuteMs });
    await runtime.advance(4.9 * minuteMs);
    assert.deepEqual(compacted, []);
    await runtime.advance(10.2 * minuteMs);
    assert.deepEqual(compacted, [
      { minute: 5, to: 0 },
      { minute: 10, to: 4 },
      { minute: 15, to: 9 },
    ]);
  });

  test('keeps at least ten hours, and after these compacts each hour', async () => {
    const { runtime, compacted } = started({ mode: 'periodic', retentionMs: 10 * hourMs });
    await runtime.advance(9.9 * hourMs);
    assert.deepEqual(compacted, []);
    await runtime.advance(2.2 * hourMs);
    assert.deepEqual(
      compacted.map(({ minute, to }) => [minute / 60, to / 60]),
      [
        [10, 0],
        [11, 0.9],
        [12, 1.9],
      ],
    );
  });

  test('a follower compacts nothing, and knows what to when it leads', async () => {
    const { runtime, state, compacted } = started({ mode: 'periodic', retentionMs: hourMs });
    state.leader = false;
    await runtime.advance(3 * hourMs + minuteMs);
    assert.deepEqual(compacted, []);
    state.leader = true;
    await runtime.advance(6 * minuteMs);
    assert.deepEqual(compacted, [{ minute: 186, to: 120 }]);
  });

  test('what failed is tried again at the next look', async () => {
    const { runtime, state, compacted } = started({ mode: 'periodic', retentionMs: hourMs });
    state.failing = true;
    await runtime.advance(hourMs + minuteMs);
    state.failing = false;
    await runtime.advance(6 * minuteMs);
    assert.deepEqual(compacted, [{ minute: 66, to: 0 }]);
  });
});

describe('compaction by revisions', () => {
  test('keeps so many, and looks each five minutes', async () => {
    const { runtime, compacted } = started({ mode: 'revision', retention: 7 });
    await runtime.advance(16 * minuteMs);
    assert.deepEqual(compacted, [
      { minute: 10, to: 3 },
      { minute: 15, to: 8 },
    ]);
  });
});

test('one that is closed does nothing more', async () => {
  const { runtime, compacted, compactor } = started({ mode: 'revision', retention: 1 });
  compactor[Symbol.dispose]();
  await runtime.advance(hourMs);
  assert.deepEqual(compacted, []);
  assert.equal(runtime.clock.nextTimerMs(), undefined);
});
