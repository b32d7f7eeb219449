/** Waiters: they are woken, in order, and leave no trace. */
import assert from 'node:assert/strict';
import type { StoreCapabilities, StoreSession } from '../../election/store.ts';
import type { ConformanceCase, Stage, Waiting } from '../stage.ts';

const unordered = ({ orderedWaiters }: StoreCapabilities) =>
  orderedWaiters ? undefined : 'the store does not order its waiters';

/** A leads; the others wait, having come in this order. */
async function line(stage: Stage, priorities: readonly number[]) {
  const leading = await stage.open('leading');
  const token = await stage.win(leading);
  const waiters: { session: StoreSession; outcome: Waiting }[] = [];
  for (const [at, priority] of priorities.entries()) {
    const session = await stage.open(`waiter${at}`, { client: at % 2 === 0 ? 'two' : 'one' });
    waiters.push({ session, outcome: await stage.queue(session, { priority }) });
  }
  return { leading, token, waiters };
}

/** The order in which all waiters came to lead, each resigning at once. */
async function orderOfLeading(stage: Stage, waiters: readonly { session: StoreSession; outcome: Waiting }[]) {
  const order: number[] = [];
  const all = waiters.map(async ({ session, outcome }, at) => {
    const token = await stage.winInTurn(session, outcome);
    order.push(at);
    assert.equal(await session.release(stage.name, token), true);
  });
  await Promise.all(all);
  return order;
}

export const waitingCases: readonly ConformanceCase[] = [
  {
    name: 'a release wakes a waiter',
    async run(stage) {
      const { leading, token, waiters } = await line(stage, [0]);
      const [waiter] = waiters;
      assert(waiter !== undefined);
      const won = stage.winInTurn(waiter.session, waiter.outcome);
      await leading.release(stage.name, token);
      assert((await won) > token);
    },
  },
  {
    name: 'a release before the waiter began to wait is not missed',
    async run(stage) {
      const { leading, token, waiters } = await line(stage, [0]);
      const [waiter] = waiters;
      assert(waiter !== undefined);
      await leading.release(stage.name, token);
      assert((await stage.winInTurn(waiter.session, waiter.outcome)) > token);
    },
  },
  {
    name: 'the closing of the leading session wakes a waiter',
    async run(stage) {
      const { leading, token, waiters } = await line(stage, [0]);
      const [waiter] = waiters;
      assert(waiter !== undefined);
      const won = stage.winInTurn(waiter.session, waiter.outcome);
      await leading[Symbol.asyncDispose]();
      assert((await won) > token);
    },
  },
  {
    name: 'the running out of the leading session wakes a waiter',
    async run(stage) {
      // Opened first: a connection that is slow to come must not use the lease up.
      const waiter = await stage.open('waiter', { client: 'two' });
      const { token, outcome } = await stage.inShortLife(async () => {
        const leading = await stage.open('leading', { ttlMs: stage.shortTtlMs });
        return { token: await stage.win(leading), outcome: await stage.queue(waiter) };
      });
      assert((await stage.winInTurn(waiter, outcome)) > token);
    },
  },
  {
    name: 'every one of many waiters comes to lead',
    async run(stage) {
      const { leading, token, waiters } = await line(stage, [0, 0, 0, 0, 0]);
      const order = orderOfLeading(stage, waiters);
      await leading.release(stage.name, token);
      assert.equal((await order).length, waiters.length);
    },
  },
  {
    name: 'waiters lead in the order in which they came',
    skip: unordered,
    async run(stage) {
      const { leading, token, waiters } = await line(stage, [0, 0, 0]);
      // Acquiring again, as after a wake-up in vain, keeps the place.
      for (const { session } of waiters) await stage.queue(session);
      const order = orderOfLeading(stage, waiters);
      await leading.release(stage.name, token);
      assert.deepEqual(await order, [0, 1, 2]);
    },
  },
  {
    name: 'waiters of higher priority lead first',
    skip: unordered,
    async run(stage) {
      const { leading, token, waiters } = await line(stage, [0, 5, -5, 5]);
      const state = await stage.store.read(stage.name);
      const expected = [1, 3, 0, 2];
      assert.deepEqual(
        state.waiting.map(({ holder, priority }) => ({ holder, priority })),
        expected.map((at) => ({ holder: waiters[at]?.session.holder, priority: [0, 5, -5, 5][at] })),
      );
      await leading.release(stage.name, token);
      for (const at of expected) {
        const waiter = waiters[at];
        assert(waiter !== undefined);
        const priority = [0, 5, -5, 5][at] ?? 0;
        const next = await stage.win(waiter.session, { priority });
        assert.equal(await waiter.session.release(stage.name, next), true);
      }
    },
  },
  {
    name: 'one who withdrew is not in the way, and may withdraw again',
    async run(stage) {
      const { leading, token, waiters } = await line(stage, [0, 0]);
      const [first, second] = waiters;
      assert(first !== undefined && second !== undefined);
      await first.session.withdraw(stage.name);
      await first.session.withdraw(stage.name);
      assert(
        !(await stage.store.read(stage.name)).waiting.some(({ holder }) => holder === first.session.holder),
      );
      await leading.release(stage.name, token);
      assert((await stage.winInTurn(second.session, second.outcome)) > token);
    },
  },
  {
    name: 'one whose session ran out is not in the way',
    async run(stage) {
      const { leading, token } = await line(stage, []);
      const gone = await stage.inShortLife(async () => {
        const opened = await stage.open('gone', { ttlMs: stage.shortTtlMs });
        await stage.queue(opened);
        return opened;
      });
      const stays = await stage.open('stays');
      const outcome = await stage.queue(stays);
      await stage.pass(gone.ttlMs);
      await leading.release(stage.name, token);
      assert((await stage.winInTurn(stays, outcome)) > token);
    },
  },
  {
    name: 'waiting ends when its signal aborts',
    async run(stage) {
      const { waiters } = await line(stage, [0]);
      const [waiter] = waiters;
      assert(waiter !== undefined);
      const controller = new AbortController();
      const waiting = waiter.session.waitForTurn(stage.name, waiter.outcome, { signal: controller.signal });
      controller.abort();
      await stage.within(Promise.allSettled([waiting]), 'the end of an aborted wait');
    },
  },
];
