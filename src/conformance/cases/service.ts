/** What holds whatever happens to the service and to its users: crowds, outages, outsiders, long sleeps. */
import assert from 'node:assert/strict';
import type { StoreSession } from '../../election/store.ts';
import type { ConformanceCase, Stage } from '../stage.ts';
import type { ConformanceTarget } from '../target.ts';

export const cannotStop = (_: unknown, { stopService, startService }: ConformanceTarget) =>
  stopService && startService ? undefined : 'the target cannot stop its service';

const crowd = 50;
/** Of the crowd, so many come to lead: enough to see that one follows the other. */
const turns = 12;

/** Of the requests that watchers send while nothing happens. */
const mostCounts = 5;

interface Turn {
  readonly holder: string;
  readonly token: number;
}

/** A store that wakes in vain for ever must not keep this process busy for ever. */
const mostWakeUps = 100;

/** One of the crowd: comes, waits, leads alone, leaves. */
async function takeTurn(
  stage: Stage,
  session: StoreSession,
  signal: AbortSignal,
  turn: (at: Turn) => Promise<boolean>,
): Promise<void> {
  for (let wakeUps = 0; wakeUps < mostWakeUps && !signal.aborted; wakeUps++) {
    const outcome = await session.acquire(stage.name, { metadata: '', priority: 0, signal });
    if (outcome.status === 'waiting') {
      await session.waitForTurn(stage.name, outcome, { signal });
      await stage.turn();
    } else {
      const goesOn = await turn({ holder: session.holder, token: outcome.token });
      if (goesOn) await session.release(stage.name, outcome.token);
      return;
    }
  }
}

/** A session of the shortest life that leads, and one that will wait for it. */
async function shortLeader(stage: Stage) {
  const { session, token } = await stage.inShortLife(async () => {
    const opened = await stage.open('first', { ttlMs: stage.shortTtlMs });
    return { session: opened, token: await stage.win(opened) };
  });
  return { first: session, token };
}

async function eventuallyWins(stage: Stage, session: StoreSession): Promise<number> {
  let token = -1;
  await stage.eventually(`${session.holder} leads`, async () => {
    const outcome = await stage.acquire(session);
    if (outcome.status === 'acquired') token = outcome.token;
    return outcome.status === 'acquired';
  });
  return token;
}

export const serviceCases: readonly ConformanceCase[] = [
  {
    name: 'of fifty contenders one leads at a time, each with a higher token',
    async run(stage) {
      const opening = Array.from({ length: crowd }, (_, number) =>
        stage.open(`contender${number}`, { client: number % 2 === 0 ? 'one' : 'two' }),
      );
      const sessions = await Promise.all(opening);
      const led: Turn[] = [];
      let leading = 0;
      const enough = new Promise<void>((resolve, reject) => {
        const turn = async (at: Turn) => {
          leading += 1;
          if (leading > 1) reject(new assert.AssertionError({ message: 'two lead at once' }));
          const last = led.at(-1)?.token ?? -1;
          if (at.token <= last) reject(new assert.AssertionError({ message: `${at.token} after ${last}` }));
          led.push(at);
          const leader = await stage.leader();
          if (leader?.holder !== at.holder || leader.token !== at.token)
            reject(
              new assert.AssertionError({ message: `${at.holder} was told that it leads, and does not` }),
            );
          leading -= 1;
          if (led.length >= turns) resolve();
          return led.length < turns;
        };
        const signal = stage.signal();
        for (const session of sessions) takeTurn(stage, session, signal, turn).catch(reject);
      });
      // In a store that polls, each of them notices in its own time.
      await stage.within(enough, 'a crowd taking turns', {
        times: stage.capabilities.watch === 'poll' ? 4 : 2,
      });
      assert.equal(new Set(led.map(({ holder }) => holder)).size, led.length);
    },
  },
  {
    name: 'one that slept through its lease finds another leading, and has no say any more',
    async run(stage) {
      const second = await stage.open('second', { client: 'two' });
      const { first, token } = await shortLeader(stage);
      const next = await eventuallyWins(stage, second);
      assert(next > token, `token ${next} came after ${token}`);
      await stage.assertRejects(first.renew(), 'lease-lost', 'renewing after another took over');
      await stage.assertRefused(first.proclaim(stage.name, token, 'ghost'), 'proclaiming');
      await stage.assertRefused(first.writeRecord(stage.name, token, Uint8Array.of(1)), 'writing a record');
      await stage.assertRefused(first.release(stage.name, token), 'releasing');
      await first[Symbol.asyncDispose]();
      const { leader, record } = await stage.store.read(stage.name);
      assert.deepEqual([leader, record], [{ holder: second.holder, token: next, metadata: '' }, undefined]);
    },
  },
  {
    name: 'a lease that ran out is noticed in the time that is declared',
    async run(stage) {
      const waiter = await stage.open('waiter', { client: 'two' });
      const { outcome } = await stage.inShortLife(async () => {
        const leading = await stage.open('leading', { ttlMs: stage.shortTtlMs });
        await stage.win(leading);
        return { outcome: await stage.queue(waiter) };
      });
      const startMs = stage.nowMs();
      await stage.winInTurn(waiter, outcome);
      const tookMs = stage.nowMs() - startMs;
      const mostMs = stage.shortTtlMs + stage.capabilities.expiryLateMs + stage.patienceMs;
      assert(tookMs <= mostMs, `it took ${tookMs} ms, more than ${mostMs}`);
    },
  },
  {
    name: 'a token rises although an outsider deleted the records of its election',
    skip: ({ tokenSurvivesDeletion }, { deleteRecords }) => {
      if (!tokenSurvivesDeletion) return 'tokens do not survive the deletion of their records';
      return deleteRecords ? undefined : 'the target cannot delete records';
    },
    async run(stage) {
      let last = -1;
      for (let round = 0; round < 3; round++) {
        const session = await stage.open(`holder${round}`);
        const token = await eventuallyWins(stage, session);
        assert(token > last, `token ${token} came after ${last}`);
        last = token;
        await stage.target.deleteRecords?.(stage.name);
        await session[Symbol.asyncDispose]();
      }
    },
  },
  {
    name: 'a leadership and its token outlive a new start of the service, and the next token is higher',
    skip: cannotStop,
    async run(stage) {
      const first = await stage.open('first');
      const token = await stage.win(first);
      await stage.stopService();
      await stage.startService();
      const second = await stage.open('second', { client: 'two' });
      await stage.eventually('the first still leads', async () => {
        const renewed = await first
          .renew()
          .then(() => true)
          .catch(retryable);
        return renewed && (await stage.leader())?.token === token;
      });
      await stage.queue(second);
      assert.equal(await stage.within(first.release(stage.name, token), 'releasing'), true);
      assert((await eventuallyWins(stage, second)) > token);
    },
  },
  {
    name: 'after an outage that outlasted the lease one leads again, with a higher token, and the old leader does not',
    skip: cannotStop,
    async run(stage) {
      const { first, token } = await shortLeader(stage);
      await stage.stopService();
      await stage.pass(first.ttlMs * 2);
      await stage.startService();
      const contenders: StoreSession[] = [];
      for (const holder of ['second', 'third']) contenders.push(await opened(stage, holder));
      await stage.eventually('one of them leads', async () => {
        const look = async () => {
          for (const session of contenders) await stage.acquire(session);
          const leader = await stage.leader();
          return contenders.some(({ holder }) => holder === leader?.holder);
        };
        return await look().catch(retryable);
      });
      const outcomes = await Promise.all(contenders.map((session) => stage.acquire(session)));
      const won = outcomes.flatMap((outcome) => (outcome.status === 'acquired' ? [outcome.token] : []));
      assert.equal(won.length, 1, `${won.length} of two lead`);
      assert((won[0] ?? -1) > token, `token ${won[0]} came after ${token}`);
      await stage.assertRefused(first.release(stage.name, token), 'releasing by the old leader');
    },
  },
  {
    name: 'a thousand elections are watched with few requests a second',
    skip: (_, { requests }) => (requests ? undefined : 'the target does not count requests'),
    async run(stage) {
      const signal = stage.signal();
      const seen = new Set<number>();
      for (let at = 0; at < 1000; at++) {
        void (async () => {
          for await (const _ of stage.store.watch(`${stage.name}-${at}`, { signal })) seen.add(at);
        })().catch(() => {});
      }
      await stage.eventually('all of them have begun', () => seen.size === 1000);
      const seconds = 5;
      const counts: number[] = [];
      // A tenth of one for each: a stream of changes that began anew has them all looked at once more. On a busy machine
      // it may do so again and again, for a while.
      while (!counts.some((count) => count <= seconds * 100)) {
        assert(counts.length < mostCounts, `${counts.join(', ')} requests, each time in ${seconds} s`);
        const before = stage.target.requests?.() ?? 0;
        await stage.pass(seconds * 1000);
        counts.push((stage.target.requests?.() ?? 0) - before);
      }
    },
  },
];

async function retryable(error: unknown): Promise<boolean> {
  if (typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === true)
    return false;
  throw error;
}

/** The service may still be coming up. */
async function opened(stage: Stage, holder: string): Promise<StoreSession> {
  let session: StoreSession | undefined;
  await stage.eventually(`${holder} opens a session`, async () => {
    session = await stage.open(holder, { client: 'two' }).catch(async (error: unknown) => {
      await retryable(error);
      return undefined;
    });
    return session !== undefined;
  });
  assert(session !== undefined);
  return session;
}
