/** Sessions: never over too early, over in the end, and over for all their names at once. */
import assert from 'node:assert/strict';
import { ConclaveError } from '../../errors/index.ts';
import { type ConformanceCase, Disturbed, type Stage } from '../stage.ts';

interface Lived {
  readonly lifetimeMs: number;
  readonly ttlMs: number;
}

/** Until another can lead; the time measured from before the last request that extended the first one's lease. */
async function lifetimeMs(stage: Stage, renewals: number): Promise<Lived> {
  const other = await stage.open('other', { client: 'two' });
  let sentMs = stage.nowMs();
  const session = await stage.open('first', { ttlMs: stage.shortTtlMs });
  const { ttlMs } = session;
  try {
    await stage.win(session);
    for (let renewal = 0; renewal < renewals; renewal++) {
      await stage.pass(ttlMs / 2);
      const nextMs = stage.nowMs();
      await stage.within(session.renew(), 'renewing');
      sentMs = nextMs;
    }
  } catch (error) {
    // It ran out, in its time, before it could be renewed.
    if (ConclaveError.is(error, 'lease-lost') && stage.nowMs() - sentMs >= ttlMs) throw new Disturbed(error);
    throw error;
  }
  await stage.eventually('another leads', async () => (await stage.acquire(other)).status === 'acquired');
  return { lifetimeMs: stage.nowMs() - sentMs, ttlMs };
}

function neverEarly(renewals: number) {
  return async (stage: Stage) => {
    const { lifetimeMs: lived, ttlMs } = await lifetimeMs(stage, renewals);
    assert(lived >= ttlMs, `a lease of ${ttlMs} ms was over after ${lived} ms`);
  };
}

export const sessionCases: readonly ConformanceCase[] = [
  { name: 'a lease is never over early', run: neverEarly(0) },
  { name: 'a renewed lease is counted from its last renewal', run: neverEarly(3) },
  {
    name: 'a session that ran out is lost for good and says so',
    async run(stage) {
      const { session, token } = await stage.inShortLife(async () => {
        const opened = await stage.open('first', { ttlMs: stage.shortTtlMs });
        return { session: opened, token: await stage.win(opened) };
      });
      await stage.eventually('the lease runs out', async () => (await stage.leader()) === undefined);
      await stage.assertRejects(session.renew(), 'lease-lost', 'renewing a lost session');
      await stage.assertRejects(stage.acquire(session), 'lease-lost', 'acquiring with a lost session');
      await stage.assertRefused(session.release(stage.name, token), 'releasing with a lost session');
      await stage.assertRefused(
        session.proclaim(stage.name, token, 'ghost'),
        'proclaiming with a lost session',
      );
      assert.equal(await stage.leader(), undefined);
    },
  },
  {
    name: 'one session carries many names, and its closing frees them all',
    async run(stage) {
      const [first, second] = [await stage.open('first'), await stage.open('second', { client: 'two' })];
      const names = Array.from({ length: 5 }, (_, number) => `${stage.name}-${number}`);
      for (const name of names) await stage.win(first, { name });
      const [one = ''] = names;
      assert.equal(await first.release(one, (await stage.leader(one))?.token ?? -1), true);
      assert.equal(await stage.leader(one), undefined);
      for (const name of names.slice(1)) assert.equal((await stage.leader(name))?.holder, first.holder);
      await first[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
      for (const name of names) await stage.win(second, { name });
    },
  },
  {
    name: 'a session is granted at least the time that was asked for',
    async run(stage) {
      const { minTtlMs, ttlResolutionMs } = stage.capabilities;
      for (const ttlMs of [minTtlMs, minTtlMs + 1, minTtlMs * 2 + Math.ceil(ttlResolutionMs / 2)]) {
        const session = await stage.open('first', { ttlMs });
        assert(session.ttlMs >= ttlMs, `asked for ${ttlMs} ms, granted ${session.ttlMs} ms`);
        assert(session.ttlMs < ttlMs + ttlResolutionMs, `asked for ${ttlMs} ms, granted ${session.ttlMs} ms`);
      }
    },
  },
  {
    name: 'a time below the floor is refused, or the floor is granted',
    async run(stage) {
      const { minTtlMs } = stage.capabilities;
      try {
        const session = await stage.open('first', { ttlMs: Math.max(1, Math.floor(minTtlMs / 2)) });
        assert(session.ttlMs >= minTtlMs, `the floor is ${minTtlMs} ms, granted were ${session.ttlMs} ms`);
      } catch (error) {
        if (!ConclaveError.is(error, 'invalid-argument')) throw error;
      }
    },
  },
];
