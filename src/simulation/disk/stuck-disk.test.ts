import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effects, handmadeLife, lead, persist, watching } from '../checkers/testing.ts';
import { World } from '../world/world.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { stuckDiskChecker } from './stuck-disk.ts';

function leader() {
  const { life, ann } = handmadeLife();
  const world = new World({ seed: 1, clockDriftRate: 0 });
  const disk = new SimulatedDisk(world, world.addHost('ann'), world.random('disk'));
  const checker = watching(
    stuckDiskChecker(() => disk),
    life,
  );
  lead(checker, ann, 1);
  const turn = (atMs: number, writes = false): void => {
    world.scheduler.nowUs = atMs * 1000;
    checker.drained(ann, effects(writes ? { persist: persist([]) } : {}));
  };
  return { ann, disk, turn };
}

const found = {
  name: 'Violation',
  checker: 'stuck-disk',
  message: /^ann still leads 4600\.\d+ ms after it asked/,
};

test('a leader that goes on although its disk hangs is found', () => {
  const { disk, turn } = leader();
  disk.hang();
  turn(0, true);
  turn(4500);
  turn(4550);
  assert.throws(() => turn(4600), found);
});

test('a leader that gives up, one with nothing to write, and a disk that answers pass', () => {
  const { ann, disk, turn } = leader();
  disk.hang();
  for (const atMs of [0, 4000, 4100, 4200, 4300]) turn(atMs);
  turn(5000, true);
  disk.release();
  for (const atMs of [9000, 9100, 9200, 9300]) turn(atMs);
  disk.hang();
  for (const atMs of [9400, 9500, 9600, 9700]) turn(atMs);
  turn(9800, true);
  ann.raft.role = 'follower';
  for (const atMs of [14_000, 14_100, 14_200, 14_300]) turn(atMs);
});
