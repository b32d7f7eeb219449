import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Draw } from '../world/random.ts';
import { type Heard, TestingWorld } from './testing.ts';

/** Does anything that can befall two processes and the network between them. */
function disturb(life: TestingWorld, random: Draw, paused: Set<number>): void {
  const [a, b] = random.chance(0.5) ? [0, 1] : [1, 0];
  const link = life.network.link(life.host(a), life.host(b));
  switch (random.below(7)) {
    case 0:
      link.cut = true;
      break;
    case 1:
      life.network.heal();
      break;
    case 2:
      Object.assign(link, { lossRate: random.unit() * 0.3, jitterUs: random.below(20_000) });
      break;
    case 3:
      link.bytesPerSecond = random.chance(0.5) ? 50_000 : Number.POSITIVE_INFINITY;
      break;
    case 4:
      life.process(a).stepCostUs = random.below(300);
      break;
    case 5:
      life.process(a).block(random.below(50_000));
      break;
    default:
      if (paused.delete(a)) life.process(a).resume();
      else {
        paused.add(a);
        life.process(a).pause();
      }
  }
}

function assertAll(heard: Heard, written: string, what: string): void {
  assert.equal(heard.text, written, what);
  assert.deepEqual(heard.closes, [], what);
}

describe('Streams over a network that does its worst', () => {
  test('lose, repeat and reorder nothing, and end once', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const life = new TestingWorld(seed);
      const random = life.world.random('test');
      const ends = await life.pair();
      const paused = new Set<number>();
      const written = ['', ''];
      for (let turn = 0; turn < 150; turn++) {
        const side = random.below(2);
        if (random.chance(0.7) && ends[side]?.closes.length === 0) {
          const text = `${turn}:${'.'.repeat(random.chance(0.05) ? 100_000 : random.below(30))} `;
          written[side] += text;
          ends[side].write(text);
        }
        if (random.chance(0.2)) disturb(life, random, paused);
        await life.run(random.below(60));
      }
      for (const side of paused) life.process(side).resume();
      life.network.calm();
      await life.run(60_000);
      assertAll(ends[1], written[0] as string, `seed ${seed}`);
      assertAll(ends[0], written[1] as string, `seed ${seed}`);
      ends[0].connection.end();
      await life.run(10_000);
      assert.deepEqual([ends[0].closes, ends[1].closes], [['local'], ['peer']], `seed ${seed}`);
    }
  });
});
