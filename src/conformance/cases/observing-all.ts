/** What those see who watch many elections at once. */
import assert from 'node:assert/strict';
import type { ElectionState } from '../../election/store.ts';
import type { ConformanceCase, Stage } from '../stage.ts';
import type { ConformanceTarget } from '../target.ts';

const cannot = (_capabilities: unknown, { store }: ConformanceTarget) =>
  store.watchAll ? undefined : 'the store cannot watch many elections at once';

interface Watched {
  readonly maps: ReadonlyMap<string, ElectionState>[];
  readonly last: Map<string, ElectionState>;
  readonly ended: Promise<void>;
}

function watchedAll(stage: Stage, prefix: string, signal = stage.signal()): Watched {
  const maps: ReadonlyMap<string, ElectionState>[] = [];
  const last = new Map<string, ElectionState>();
  const ended = (async () => {
    for await (const states of stage.store.watchAll?.(prefix, { signal }) ?? []) {
      maps.push(states);
      for (const [name, state] of states) {
        const before = last.get(name)?.version ?? -1;
        assert(state.version > before, `of ${name}, version ${state.version} came after ${before}`);
        last.set(name, state);
      }
    }
  })();
  ended.catch(() => {});
  return { maps, last, ended };
}

export const observingAllCases: readonly ConformanceCase[] = [
  {
    name: 'a watch of many elections begins with all there are under the prefix, and no others',
    skip: cannot,
    async run(stage) {
      const [first, second] = [await stage.open('first', { client: 'two' }), await stage.open('second')];
      const prefix = `${stage.name}/ü%/`;
      const names = [`${prefix}led`, `${prefix}led and /waited for/選`, `${prefix}with a record`];
      for (const name of names) await stage.win(first, { name, metadata: 'm' });
      await stage.queue(second, { name: names[1] ?? '', priority: 4 });
      await first.writeRecord(
        names[2] ?? '',
        await stage.win(first, { name: names[2] ?? '' }),
        Uint8Array.of(7),
      );
      for (const name of [stage.name, `${stage.name}/ü`, `${stage.name}/ü%`])
        await stage.win(second, { name });
      const { maps } = watchedAll(stage, prefix);
      await stage.eventually('the watch begins', () => maps.length > 0);
      assert.deepEqual([...(maps[0]?.keys() ?? [])].sort(), [...names].sort());
      for (const name of names) {
        const { version: _, ...shown } = maps[0]?.get(name) ?? { version: 0 };
        const { version: __, ...read } = await stage.store.read(name);
        assert.deepEqual(shown, read);
      }
      const wider = watchedAll(stage, `${stage.name}/ü`);
      await stage.eventually('the wider watch begins', () => wider.maps.length > 0);
      assert.equal(wider.maps[0]?.size, 5);
      const none = watchedAll(stage, `${stage.name}-nothing`);
      await stage.eventually('a watch of no elections begins', () => none.maps.length > 0);
      assert.equal(none.maps[0]?.size, 0);
    },
  },
  {
    name: 'a watch of many elections shows the last state of each, also of new ones and those that end',
    skip: cannot,
    async run(stage) {
      const first = await stage.open('first', { client: 'two' });
      const second = await stage.open('second');
      const names = Array.from({ length: 5 }, (_, at) => `${stage.name}/${at}`);
      const { last, maps } = watchedAll(stage, `${stage.name}/`);
      await stage.eventually('the watch begins', () => maps.length > 0);
      const shows = (name: string, token: number | undefined, metadata?: string) =>
        stage.eventually(`the watch shows token ${token} of ${name}`, () => {
          const leader = last.get(name)?.leader;
          return last.has(name) && leader?.token === token && leader?.metadata === metadata;
        });
      for (let round = 0; round < 2; round++) {
        const tokens = new Map<string, number>();
        for (const name of names) tokens.set(name, await stage.win(first, { name }));
        for (const name of names) {
          const token = tokens.get(name) ?? -1;
          for (let change = 0; change < 3; change++) await first.proclaim(name, token, `m${change}`);
        }
        for (const name of names) await shows(name, tokens.get(name), 'm2');
        await stage.queue(second, { name: names[0] ?? '', priority: 3 });
        await stage.eventually('the watch shows who waits', () => {
          const [waiter] = last.get(names[0] ?? '')?.waiting ?? [];
          return waiter?.holder === second.holder && waiter.priority === 3;
        });
        await second.withdraw(names[0] ?? '');
        for (const name of names) await first.release(name, tokens.get(name) ?? -1);
        for (const name of names) await shows(name, undefined);
      }
    },
  },
  {
    name: 'a watch of many elections shows that a session ended, in all its elections',
    skip: cannot,
    async run(stage) {
      const names = Array.from({ length: 5 }, (_, at) => `${stage.name}/${at}`);
      const { last } = watchedAll(stage, `${stage.name}/`);
      await stage.inShortLife(async () => {
        const first = await stage.open('first', { ttlMs: stage.shortTtlMs, client: 'two' });
        // At once: one after the other may take a slow service longer than the session lasts.
        await Promise.all(names.map((name) => stage.win(first, { name })));
      });
      await stage.eventually('the watch shows that nobody leads', () =>
        names.every((name) => last.has(name) && last.get(name)?.leader === undefined),
      );
    },
  },
  {
    name: 'a watch of many elections ends when its signal aborts',
    skip: cannot,
    async run(stage) {
      const controller = new AbortController();
      const { maps, ended } = watchedAll(stage, stage.name, controller.signal);
      await stage.eventually('the watch begins', () => maps.length > 0);
      controller.abort();
      await stage.within(Promise.allSettled([ended]), 'the end of an aborted watch');
    },
  },
];
