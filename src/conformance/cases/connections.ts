/** Sessions that are bound to their connection. */
import assert from 'node:assert/strict';
import type { StoreCapabilities } from '../../election/store.ts';
import type { ConformanceCase, Stage } from '../stage.ts';
import type { ConformanceTarget } from '../target.ts';

function cannot({ connectionBound }: StoreCapabilities, target: ConformanceTarget): string | undefined {
  if (!connectionBound) return 'the store does not bind sessions to connections';
  return target.breakConnection ? undefined : 'the target cannot break connections';
}

async function bound(stage: Stage, graceMs: number) {
  const session = await stage.open('first', { releaseOnDisconnect: { graceMs }, client: 'two' });
  const states: string[] = [];
  session.connection?.subscribe((state) => states.push(state));
  await stage.eventually('it is attached', () => states.at(-1) === 'attached');
  return { session, states, token: await stage.win(session) };
}

export const connectionCases: readonly ConformanceCase[] = [
  {
    name: 'a bound session is over soon after its connection broke, and who waits leads',
    skip: cannot,
    async run(stage) {
      const { session, states, token } = await bound(stage, 0);
      assert.equal(session.connection?.graceMs, 0);
      const next = await stage.open('next');
      const turn = stage.winInTurn(next, await stage.queue(next));
      turn.catch(() => {});
      await stage.target.breakConnection?.(session.holder);
      await stage.eventually('its holder hears of the break', () => states.includes('broken'));
      const nextToken = await turn;
      assert(nextToken > token, `token ${nextToken} after ${token}`);
      assert.equal((await stage.leader())?.holder, next.holder);
    },
  },
  {
    name: 'a bound session that connects again within its grace goes on',
    skip: (capabilities, target) =>
      cannot(capabilities, target) ??
      (target.restoreConnection ? undefined : 'the target cannot restore connections'),
    async run(stage) {
      const graceMs = Math.max(2000, 2 * stage.shortTtlMs);
      const { session, states, token } = await bound(stage, graceMs);
      await stage.inShortLife(async () => {
        await stage.target.breakConnection?.(session.holder);
        await stage.eventually('its holder hears of the break', () => states.includes('broken'));
        assert.equal((await stage.leader())?.token, token, 'the grace is not over');
        await stage.target.restoreConnection?.(session.holder);
        await stage.eventually('it is attached again', () => states.at(-1) === 'attached');
      }, graceMs);
      await stage.pass(graceMs);
      assert.equal((await stage.leader())?.token, token);
    },
  },
  {
    name: 'a session that is not bound outlives its connection',
    skip: cannot,
    async run(stage) {
      const session = await stage.open('first', { client: 'two' });
      const token = await stage.win(session);
      await stage.target.breakConnection?.(session.holder);
      await stage.pass(200);
      assert.equal((await stage.leader())?.token, token);
      await stage.target.restoreConnection?.(session.holder);
    },
  },
];
