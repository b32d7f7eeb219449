/**
 * A release while others wait, by a store that may make the first of them lead in the same step, from what it saw of
 * the queue: nobody may lead by it who should not.
 */
import assert from 'node:assert/strict';
import type { StoreCapabilities } from '../../election/store.ts';
import type { ConformanceCase, Stage } from '../stage.ts';

const unordered = ({ orderedWaiters }: StoreCapabilities) =>
  orderedWaiters ? undefined : 'the store does not order its waiters';

/** A watch beside the leading session, read until it shows so many waiters and no further: later changes escape it. */
async function seeWaiting(stage: Stage, count: number): Promise<void> {
  const states = stage.store.watch(stage.name, { signal: stage.signal() })[Symbol.asyncIterator]();
  for (;;) {
    const { done, value } = await stage.within(states.next(), 'watching who waits');
    if (done || value.waiting.length >= count) return;
  }
}

/** One leads, two wait, and the leading one's store has seen it. */
async function line(stage: Stage) {
  const leading = await stage.open('leading');
  const token = await stage.win(leading, { metadata: 'leading' });
  const [first, second] = [await stage.open('first', { client: 'two' }), await stage.open('second')];
  const queued = [await stage.queue(first, { metadata: 'old' }), await stage.queue(second)] as const;
  await seeWaiting(stage, 2);
  return { leading, token, first, second, queued };
}

export const successionCases: readonly ConformanceCase[] = [
  {
    name: 'a release with waiters gives the first of them a higher token and the record',
    skip: unordered,
    async run(stage) {
      const { leading, token, first, queued } = await line(stage);
      const record = Uint8Array.of(5);
      assert.equal(await leading.release(stage.name, token, { record }), true);
      const next = await stage.winInTurn(first, queued[0]);
      assert(next > token, `token ${next} came after ${token}`);
      const outcome = await stage.acquire(first);
      assert(outcome.status === 'acquired' && outcome.token === next);
      assert.deepEqual(new Uint8Array(outcome.record ?? []), record);
      assert.equal((await stage.leader())?.holder, first.holder);
    },
  },
  {
    name: 'what waiting for a turn tells of a leadership is what acquiring tells',
    skip: unordered,
    async run(stage) {
      const { leading, token, first, queued } = await line(stage);
      const turn = first.waitForTurn(stage.name, queued[0], { signal: stage.signal() });
      assert.equal(await leading.release(stage.name, token, { record: Uint8Array.of(6) }), true);
      const given = await stage.within(turn, 'waiting for its turn');
      const outcome = await stage.acquire(first);
      assert(outcome.status === 'acquired');
      assert.deepEqual(new Uint8Array(outcome.record ?? []), Uint8Array.of(6));
      if (given) assert.deepEqual(given, outcome);
    },
  },
  {
    name: 'one who withdrew before the release is passed over',
    skip: unordered,
    async run(stage) {
      const { leading, token, first, second, queued } = await line(stage);
      await first.withdraw(stage.name);
      assert.equal(await leading.release(stage.name, token), true);
      assert((await stage.winInTurn(second, queued[1])) > token);
    },
  },
  {
    name: 'one who withdraws at the moment of the release does not block the election for its TTL',
    async run(stage) {
      const { leading, token, first, second, queued } = await line(stage);
      const turn = first.waitForTurn(stage.name, queued[0], { signal: stage.signal() });
      const both = Promise.all([leading.release(stage.name, token), first.withdraw(stage.name)]);
      await stage.within(both, 'releasing and withdrawing');
      const given = await stage.within(turn, 'waiting for a turn given up');
      // A leadership that has come to it stays, and is released like any other.
      const now = await stage.leader();
      if (given) assert.equal(now?.token, given.token, 'a leadership that it was told of is not taken back');
      if (now?.holder === first.holder) await first.release(stage.name, now.token);
      assert((await stage.winInTurn(second, queued[1])) > token);
    },
  },
  {
    name: 'one whose session ends at the moment of the release is passed over',
    async run(stage) {
      const { leading, token, first, second, queued } = await line(stage);
      const both = Promise.all([first[Symbol.asyncDispose](), leading.release(stage.name, token)]);
      await stage.within(both, 'releasing and closing');
      assert((await stage.winInTurn(second, queued[1])) > token);
      assert.equal((await stage.leader())?.holder, second.holder);
    },
  },
  {
    name: 'one of higher priority that came last leads first after a release',
    skip: unordered,
    async run(stage) {
      const { leading, token } = await line(stage);
      const urgent = await stage.open('urgent', { client: 'two' });
      const queued = await stage.queue(urgent, { priority: 9 });
      assert.equal(await leading.release(stage.name, token), true);
      const next = await stage.within(
        (async () => {
          await urgent.waitForTurn(stage.name, queued, { signal: stage.signal() });
          return stage.acquire(urgent, { priority: 9 });
        })(),
        'waiting for its turn',
      );
      assert(next.status === 'acquired' && next.token > token);
    },
  },
  {
    name: 'one that changed its metadata while it waited leads with the new',
    skip: unordered,
    async run(stage) {
      const { leading, token, first } = await line(stage);
      const queued = await stage.queue(first, { metadata: 'new' });
      assert.equal(await leading.release(stage.name, token), true);
      await stage.within(
        (async () => {
          await first.waitForTurn(stage.name, queued, { signal: stage.signal() });
          await stage.acquire(first, { metadata: 'new' });
        })(),
        'waiting for its turn',
      );
      const now = await stage.leader();
      assert.deepEqual([now?.holder, now?.metadata], [first.holder, 'new']);
    },
  },
  {
    name: 'a release with an old token makes nobody lead',
    skip: unordered,
    async run(stage) {
      // Released while nobody waits: who made another one lead may pass that one over when it goes, and none is to here.
      const leading = await stage.open('leading');
      const token = await stage.win(leading);
      assert.equal(await leading.release(stage.name, token), true);
      const [first, second] = [await stage.open('first', { client: 'two' }), await stage.open('second')];
      const next = await stage.win(first);
      const queued = await stage.queue(second);
      await seeWaiting(stage, 1);
      await stage.assertRefused(
        leading.release(stage.name, token, { record: Uint8Array.of(1) }),
        'releasing with an old token',
      );
      assert.equal((await stage.leader())?.token, next);
      await first[Symbol.asyncDispose]();
      await stage.assertRefused(leading.release(stage.name, token), 'releasing when nobody leads');
      assert.equal(await stage.leader(), undefined);
      assert((await stage.winInTurn(second, queued)) > next);
      const outcome = await stage.acquire(second);
      assert(outcome.status === 'acquired');
      assert.equal(outcome.record, undefined, 'nor writes its record');
    },
  },
  {
    name: 'a release whose answer was lost, repeated, leaves alone whom it went to',
    skip: (capabilities, target) =>
      unordered(capabilities) ?? (target.loseNextAnswer ? undefined : 'the target cannot lose answers'),
    async run(stage) {
      const { leading, token, first, queued } = await line(stage);
      stage.target.loseNextAnswer?.('release');
      await assert.rejects(leading.release(stage.name, token), { outcome: 'unknown' });
      const next = await stage.winInTurn(first, queued[0]);
      assert(next > token);
      await stage.assertRefused(leading.release(stage.name, token), 'releasing again');
      assert.equal((await stage.leader())?.token, next);
    },
  },
];
