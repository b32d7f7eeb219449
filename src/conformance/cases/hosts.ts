/** A host that sleeps, a loop that is blocked, a date that is set: what their clocks say must not be taken for more. */
import assert from 'node:assert/strict';
import type { StoreSession } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { ConformanceCase, Stage } from '../stage.ts';
import type { ConformanceTarget } from '../target.ts';

const cannotRunOn = (_: unknown, { anotherOn }: ConformanceTarget) =>
  anotherOn ? undefined : 'the target cannot run a store on other clocks';

const halts = [
  ['asleep', 'a host that slept'],
  ['blocked', 'a loop that was blocked'],
] as const;

/** It must hear that it is over, or that another leads: never that it leads. */
async function assertNotTold(stage: Stage, session: StoreSession): Promise<void> {
  try {
    const { status } = await stage.acquire(session);
    assert.equal(status, 'waiting', `${session.holder} must not be told that it leads`);
    await stage.within(session.withdraw(stage.name), 'withdrawing');
  } catch (error) {
    if (!ConclaveError.is(error, 'lease-lost')) throw error;
  }
}

/** Renews a session while `ms` pass, by a client that is well. */
async function renewFor(stage: Stage, session: StoreSession, ms: number): Promise<void> {
  const startMs = stage.nowMs();
  while (stage.nowMs() - startMs < ms) {
    await stage.within(session.renew(), 'renewing');
    await stage.pass(session.ttlMs / 4);
  }
}

export const hostCases: readonly ConformanceCase[] = [
  ...halts.map(
    ([how, where]): ConformanceCase => ({
      name: `the leader on ${where} for longer than its lease has no say any more, and is not told that it leads`,
      skip: cannotRunOn,
      async run(stage) {
        const host = stage.host();
        const second = await stage.open('second');
        const { first, token, queued } = await stage.inShortLife(async () => {
          const opened = await stage.open('first', { ttlMs: stage.shortTtlMs, host });
          return { first: opened, token: await stage.win(opened), queued: await stage.queue(second) };
        });
        host.halt(how);
        const next = await stage.winInTurn(second, queued);
        assert(next > token, `token ${next} came after ${token}`);
        host.goOn();
        // In the turn in which it goes on: no timer of its own has told it anything.
        await assertNotTold(stage, first);
        await stage.assertRejects(first.renew(), 'lease-lost', 'renewing after another took over');
        await stage.assertRefused(first.proclaim(stage.name, token, 'ghost'), 'proclaiming');
        await stage.assertRefused(first.writeRecord(stage.name, token, Uint8Array.of(1)), 'writing a record');
        await stage.assertRefused(first.release(stage.name, token), 'releasing');
        assert.deepEqual(await stage.leader(), { holder: second.holder, token: next, metadata: '' });
      },
    }),
  ),
  ...halts.map(
    ([how, where]): ConformanceCase => ({
      name: `one who waits on ${where} does not take over from a leader that went on renewing`,
      skip: cannotRunOn,
      async run(stage) {
        const host = stage.host();
        const waiter = await stage.open('waiter', { host });
        const { leading, token } = await stage.inShortLife(async () => {
          const opened = await stage.open('leading', { ttlMs: stage.shortTtlMs });
          const won = await stage.win(opened);
          await stage.queue(waiter);
          host.halt(how);
          await renewFor(stage, opened, 2 * stage.shortTtlMs);
          host.goOn();
          await stage.queue(waiter);
          await stage.within(opened.renew(), 'renewing');
          return { leading: opened, token: won };
        });
        assert.equal((await stage.leader())?.token, token);
        assert.equal(await stage.within(leading.release(stage.name, token), 'releasing'), true);
      },
    }),
  ),
  {
    name: 'one who waits, and whose date is set forward, does not take over before the lease is over',
    skip: cannotRunOn,
    async run(stage) {
      const host = stage.host();
      const waiter = await stage.open('waiter', { host });
      const leading = await stage.open('leading');
      const token = await stage.win(leading);
      await stage.queue(waiter);
      // It has seen the leader's session, which does not change while the date does.
      await stage.queue(waiter);
      host.setDate(2 * leading.ttlMs);
      await stage.queue(waiter);
      await stage.within(leading.renew(), 'renewing');
      assert.equal((await stage.leader())?.token, token);
      assert.equal(await stage.within(leading.release(stage.name, token), 'releasing'), true);
    },
  },
];
