/** One leader at a time, with a token that rises. */
import assert from 'node:assert/strict';
import type { ConformanceCase, Stage } from '../stage.ts';

async function expire(stage: Stage, holder: string): Promise<number> {
  const token = await stage.inShortLife(async () =>
    stage.win(await stage.open(holder, { ttlMs: stage.shortTtlMs })),
  );
  await stage.eventually(`the lease of ${holder} runs out`, async () => (await stage.leader()) === undefined);
  return token;
}

export const exclusionCases: readonly ConformanceCase[] = [
  {
    name: 'the first to come leads and the second waits',
    async run(stage) {
      const [first, second] = [await stage.open('first'), await stage.open('second', { client: 'two' })];
      const token = await stage.win(first, { metadata: 'here' });
      const outcome = await stage.queue(second);
      assert.deepEqual(outcome.state.leader, { holder: first.holder, token, metadata: 'here' });
      assert.deepEqual(await stage.leader(), { holder: first.holder, token, metadata: 'here' });
    },
  },
  {
    name: 'of many contenders at once exactly one leads',
    async run(stage) {
      const opening = Array.from({ length: 8 }, (_, number) =>
        stage.open(`contender${number}`, { client: number % 2 === 0 ? 'one' : 'two' }),
      );
      const sessions = await Promise.all(opening);
      for (let round = 0; round < 5; round++) {
        const outcomes = await Promise.all(sessions.map((session) => stage.acquire(session)));
        const winners = outcomes.flatMap((outcome, at) =>
          outcome.status === 'acquired' ? [{ outcome, at }] : [],
        );
        // In an ordered store the first place may belong to one whose attempt was answered before it was first.
        assert(winners.length <= 1, `${winners.length} lead at once`);
        if (round === 0 || winners.length === 0) {
          await stage.eventually('one of them leads', async () => {
            for (const session of sessions) await stage.acquire(session);
            return (await stage.leader()) !== undefined;
          });
        }
        const leader = await stage.leader();
        const holding = sessions.find((session) => session.holder === leader?.holder);
        assert(holding !== undefined && leader !== undefined);
        assert.equal(await stage.within(holding.release(stage.name, leader.token), 'releasing'), true);
      }
    },
  },
  {
    name: 'a token rises after a release, also when nobody was waiting',
    async run(stage) {
      const [first, second] = [await stage.open('first'), await stage.open('second', { client: 'two' })];
      let last = -1;
      for (const session of [first, second, second, first]) {
        const token = await stage.win(session);
        assert(token > last, `token ${token} came after ${last}`);
        assert.equal(await session.release(stage.name, token), true);
        last = token;
      }
    },
  },
  {
    name: 'a token rises after its session was closed',
    async run(stage) {
      const first = await stage.open('first');
      const token = await stage.win(first);
      await first[Symbol.asyncDispose]();
      const next = await stage.win(await stage.open('second'));
      assert(next > token, `token ${next} came after ${token}`);
    },
  },
  {
    name: 'a token rises after a lease ran out',
    async run(stage) {
      const token = await expire(stage, 'first');
      const next = await stage.win(await stage.open('second'));
      assert(next > token, `token ${next} came after ${token}`);
    },
  },
  {
    name: 'acquiring again while leading gives the same leadership',
    async run(stage) {
      const [first, second] = [await stage.open('first'), await stage.open('second')];
      const token = await stage.win(first);
      await stage.queue(second);
      assert.equal(await stage.win(first), token);
      assert.equal((await stage.leader())?.token, token);
      await stage.queue(second);
    },
  },
  {
    name: 'an acquire whose answer was lost can be repeated',
    skip: (_, target) => (target.loseNextAnswer ? undefined : 'the target cannot lose answers'),
    async run(stage) {
      const first = await stage.open('first');
      stage.target.loseNextAnswer?.('acquire');
      await assert.rejects(stage.acquire(first), { outcome: 'unknown' });
      const token = await stage.win(first);
      assert.equal(await stage.win(first), token);
      stage.target.loseNextAnswer?.('release');
      await assert.rejects(first.release(stage.name, token), { outcome: 'unknown' });
      await first.release(stage.name, token);
      assert.equal(await stage.leader(), undefined);
      assert((await stage.win(first)) > token);
    },
  },
  {
    name: 'elections of different names are independent, however odd the names',
    async run(stage) {
      const odd = [
        'a',
        'A',
        'a/b',
        'a/',
        '/a',
        '..',
        '../a',
        'a b',
        'a%2Fb',
        'ä',
        'a\u0308',
        '選挙',
        '🗳️',
        '*',
        'x'.repeat(900),
      ];
      const names = odd
        .map((name) => `${name}${stage.name}`)
        .concat(odd.map((name) => `${stage.name}${name}`));
      const leaders = new Map<string, { holder: string; token: number; metadata: string }>();
      for (const [at, name] of names.entries()) {
        const session = await stage.open(`holder${at}`);
        const token = await stage.win(session, { name, metadata: `${at}` });
        leaders.set(name, { holder: session.holder, token, metadata: `${at}` });
      }
      for (const [name, leader] of leaders)
        assert.deepEqual(await stage.leader(name), leader, JSON.stringify(name));
    },
  },
];
