/** Handing a leadership to one of those who wait. */
import assert from 'node:assert/strict';
import type { StoreCapabilities } from '../../election/store.ts';
import type { ConformanceCase, Stage } from '../stage.ts';

const cannot = ({ handOff }: StoreCapabilities) => (handOff ? undefined : 'the store offers no hand-off');

async function line(stage: Stage) {
  const [leading, first, second] = [
    await stage.open('leading'),
    await stage.open('first'),
    await stage.open('second'),
  ];
  const token = await stage.win(leading, { metadata: 'leading' });
  return {
    leading,
    token,
    first,
    second,
    queued: [await stage.queue(first), await stage.queue(second)] as const,
  };
}

export const handOffCases: readonly ConformanceCase[] = [
  {
    name: 'a hand-off gives the target a higher token, past those who came before it',
    skip: cannot,
    async run(stage) {
      const { leading, token, first, second, queued } = await line(stage);
      const won = stage.winInTurn(second, queued[1]);
      const record = Uint8Array.of(3);
      assert.equal(await leading.transfer(stage.name, token, second.holder, { record }), true);
      const next = await won;
      assert(next > token, `token ${next} came after ${token}`);
      assert.deepEqual(await stage.leader(), { holder: second.holder, token: next, metadata: '' });
      const outcome = await stage.acquire(second);
      assert(outcome.status === 'acquired');
      assert.deepEqual(outcome.record, record, 'the record is written in the step of the hand-off');
      await stage.queue(first);
    },
  },
  {
    name: 'a hand-off to one that does not wait changes nothing',
    skip: cannot,
    async run(stage) {
      const { leading, token, first } = await line(stage);
      await stage.assertRejects(
        leading.transfer(stage.name, token, stage.holder('nobody'), { record: Uint8Array.of(1) }),
        'target-not-waiting',
        'handing off to a stranger',
      );
      assert.deepEqual(await stage.leader(), { holder: leading.holder, token, metadata: 'leading' });
      assert.equal(await leading.release(stage.name, token), true);
      const outcome = await stage.acquire(first);
      assert(outcome.status === 'acquired');
      assert.equal(outcome.record, undefined, 'the record of the refused hand-off is not written');
    },
  },
  {
    name: 'a hand-off reaches one of lower priority, and the others keep their order',
    skip: cannot,
    async run(stage) {
      const leading = await stage.open('leading');
      const [high, low] = [await stage.open('high'), await stage.open('low')];
      const token = await stage.win(leading);
      const queued = await stage.queue(high, { priority: 7 });
      await stage.queue(low, { priority: -7 });
      assert.equal(await leading.transfer(stage.name, token, low.holder), true);
      const next = await stage.leader();
      assert.equal(next?.holder, low.holder);
      assert(next.token > token, `token ${next.token} came after ${token}`);
      assert.equal(await low.release(stage.name, next.token), true);
      assert((await stage.winInTurn(high, queued)) > next.token);
    },
  },
  {
    name: 'a repeated hand-off does not disturb the new leader',
    skip: cannot,
    async run(stage) {
      const { leading, token, first, second } = await line(stage);
      assert.equal(await leading.transfer(stage.name, token, second.holder), true);
      const now = await stage.leader();
      await stage.assertRefused(leading.transfer(stage.name, token, second.holder), 'handing off again');
      await stage.assertRefused(
        leading.transfer(stage.name, token, first.holder),
        'handing off with an old token',
      );
      await stage.assertRefused(leading.release(stage.name, token), 'releasing after the hand-off');
      assert.deepEqual(await stage.leader(), now);
    },
  },
  {
    name: 'a store without hand-off says so',
    skip: ({ handOff }) => (handOff ? 'the store offers hand-off' : undefined),
    async run(stage) {
      const { leading, token, second } = await line(stage);
      await stage.assertRejects(
        leading.transfer(stage.name, token, second.holder),
        'unsupported',
        'handing off',
      );
      assert.equal((await stage.leader())?.token, token);
    },
  },
];
