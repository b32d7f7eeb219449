import assert from 'node:assert/strict';
import { test } from 'node:test';
import { electionTimes } from './election-times.ts';
import type { ElectionSettings } from './settings.ts';
import { quantile } from './statistics.ts';

const settings: ElectionSettings = {
  ...{ seed: 7, crashes: 12, broadcast: 'network', logs: 'equal', crash: 'power' },
  timeoutsMs: [150, 300],
};
const medianMs = async (changed: Partial<ElectionSettings>): Promise<number> =>
  quantile((await electionTimes({ ...settings, ...changed })).timesMs, 0.5);

test('the same seed gives the same times, another one others', async () => {
  const few = { ...settings, crashes: 3 };
  const times = await electionTimes(few);
  assert.equal(times.timesMs.length, 3);
  assert.deepEqual(await electionTimes(few), times);
  assert.notDeepEqual(await electionTimes({ ...few, seed: 8 }), times);
});

test('nobody is elected before half the least timeout and two broadcasts, and a split vote is over after the next timeouts', async () => {
  for (const logs of ['equal', 'different'] as const) {
    const { timesMs } = await electionTimes({ ...settings, logs });
    assert.ok((timesMs[0] ?? 0) > 75 + 30, `${timesMs[0]} ms`);
    assert.ok((timesMs.at(-1) ?? 0) < 5 * 300, `${timesMs.at(-1)} ms`);
  }
});

test('where timeouts are drawn from a narrow range votes split for longer than where it is wide', async () => {
  const narrowMs = await medianMs({ timeoutsMs: [150, 155] });
  const wideMs = await medianMs({});
  assert.ok(narrowMs > wideMs, `${narrowMs} ms and ${wideMs} ms`);
});

test('a leader whose connections break is replaced before any timeout could be over', async () => {
  const { timesMs } = await electionTimes({
    ...{ seed: 7, crashes: 6, broadcast: 'network', logs: 'different', crash: 'process' },
  });
  assert.ok((timesMs.at(-1) ?? 0) < 100, `${timesMs.at(-1)} ms`);
});

test('a timeout shorter than a broadcast takes keeps no leader, and one that is longer does', async () => {
  const short = { ...settings, crashes: 2, timeoutsMs: [12, 24] } as const;
  const { leadersLast, electionsPerSecond } = await electionTimes(short);
  assert.equal(leadersLast, false);
  assert.ok(electionsPerSecond > 1);
  assert.equal((await electionTimes({ ...short, timeoutsMs: [25, 50] })).leadersLast, true);
});

test('a quantile is a value that was measured', () => {
  assert.deepEqual(
    [0, 0.5, 0.9, 1].map((share) => quantile([1, 2, 3, 4], share)),
    [1, 2, 4, 4],
  );
  assert.throws(() => quantile([], 0.5), RangeError);
});
