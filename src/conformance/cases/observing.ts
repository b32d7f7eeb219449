/** What observers see. */
import assert from 'node:assert/strict';
import type { ElectionState } from '../../election/store.ts';
import type { ConformanceCase, Stage } from '../stage.ts';

const texts = [
  '',
  'plain',
  '{"address":"10.0.0.1:80"}',
  'Grüße 選挙 🗳️ \u{10ffff}',
  'line\nline\ttab',
  'x'.repeat(60_000),
];

/** All states that a watch gave so far. */
function watched(stage: Stage, signal = stage.signal()): { states: ElectionState[]; ended: Promise<void> } {
  const states: ElectionState[] = [];
  const ended = (async () => {
    for await (const state of stage.store.watch(stage.name, { signal })) states.push(state);
  })();
  ended.catch(() => {});
  return { states, ended };
}

function lastShows(
  stage: Stage,
  states: readonly ElectionState[],
  token: number | undefined,
  metadata?: string,
) {
  return stage.eventually(`the watch shows token ${token} and metadata ${metadata?.slice(0, 20)}`, () => {
    const last = states.at(-1);
    return last !== undefined && last.leader?.token === token && last.leader?.metadata === metadata;
  });
}

export const observingCases: readonly ConformanceCase[] = [
  {
    name: 'reading shows nobody, then the leader, then nobody',
    async run(stage) {
      assert.equal(await stage.leader(), undefined);
      const first = await stage.open('first', { client: 'two' });
      const token = await stage.win(first, { metadata: 'm' });
      assert.deepEqual(await stage.leader(), { holder: first.holder, token, metadata: 'm' });
      await first.release(stage.name, token);
      assert.equal(await stage.leader(), undefined);
    },
  },
  {
    name: 'metadata comes back as it was given, by acquiring and by proclaiming',
    async run(stage) {
      const first = await stage.open('first');
      for (const metadata of texts) {
        const token = await stage.win(first, { metadata });
        assert.equal((await stage.leader())?.metadata, metadata);
        await first.release(stage.name, token);
      }
      const token = await stage.win(first);
      for (const metadata of texts) {
        assert.equal(await first.proclaim(stage.name, token, metadata), true);
        assert.equal((await stage.leader())?.metadata, metadata);
      }
    },
  },
  {
    name: 'reading shows the record, who leads or does not',
    async run(stage) {
      const first = await stage.open('first', { client: 'two' });
      const record = async () => (await stage.store.read(stage.name)).record;
      assert.equal(await record(), undefined);
      const token = await stage.win(first);
      assert.equal(await first.writeRecord(stage.name, token, Uint8Array.of(1, 0, 255)), true);
      assert.deepEqual(await record(), Uint8Array.of(1, 0, 255));
      await first.release(stage.name, token, { record: Uint8Array.of(2) });
      assert.deepEqual(await record(), Uint8Array.of(2));
    },
  },
  {
    name: 'a watch shows each change of the record, the last one for certain',
    async run(stage) {
      const first = await stage.open('first', { client: 'two' });
      const token = await stage.win(first);
      const { states } = watched(stage);
      const shown = (value: number) =>
        stage.eventually(`the watch shows record ${value}`, () => states.at(-1)?.record?.[0] === value);
      for (const value of [1, 2]) {
        await first.writeRecord(stage.name, token, Uint8Array.of(value));
        await shown(value);
      }
      await first.release(stage.name, token, { record: Uint8Array.of(3) });
      await shown(3);
    },
  },
  {
    name: 'a record with a time to live is there until then, and forgotten after it when nobody leads',
    skip: ({ recordsExpire }) => (recordsExpire ? undefined : 'records do not expire'),
    async run(stage) {
      const first = await stage.open('first');
      const record = async () => (await stage.store.read(stage.name)).record?.[0];
      const token = await stage.win(first);
      const fromMs = stage.nowMs();
      await first.writeRecord(stage.name, token, Uint8Array.of(1), { recordTtlMs: stage.shortTtlMs });
      await first.release(stage.name, token);
      await stage.eventually('the record is forgotten', async () => (await record()) === undefined);
      assert(
        stage.nowMs() - fromMs >= stage.shortTtlMs,
        `it was forgotten after ${stage.nowMs() - fromMs} ms`,
      );
      // Written again without one it stays, whatever the earlier one had.
      const next = await stage.win(first);
      await first.writeRecord(stage.name, next, Uint8Array.of(2), { recordTtlMs: stage.shortTtlMs });
      await first.release(stage.name, next, { record: Uint8Array.of(3) });
      await stage.pass(2 * stage.shortTtlMs);
      assert.equal(await record(), 3);
    },
  },
  {
    name: 'a watch begins with the state as it is',
    async run(stage) {
      const first = await stage.open('first');
      const token = await stage.win(first, { metadata: 'm' });
      const { states } = watched(stage);
      await lastShows(stage, states, token, 'm');
    },
  },
  {
    name: 'a watch shows each last state, after single changes and after many',
    async run(stage) {
      const first = await stage.open('first', { client: 'two' });
      const { states } = watched(stage);
      await lastShows(stage, states, undefined);
      for (let round = 0; round < 3; round++) {
        const token = await stage.win(first, { metadata: 'm' });
        await lastShows(stage, states, token, 'm');
        for (let change = 0; change < 10; change++) await first.proclaim(stage.name, token, `m${change}`);
        await lastShows(stage, states, token, 'm9');
        await first.release(stage.name, token);
        await lastShows(stage, states, undefined);
      }
    },
  },
  {
    name: 'a watch shows that a lease ran out',
    async run(stage) {
      const { states } = watched(stage);
      await stage.inShortLife(async () => {
        const first = await stage.open('first', { ttlMs: stage.shortTtlMs, client: 'two' });
        const token = await stage.win(first);
        await stage.eventually('the watch shows the leader', () =>
          states.some((state) => state.leader?.token === token),
        );
      });
      await lastShows(stage, states, undefined);
    },
  },
  {
    name: 'versions rise along a watch, and tokens never fall',
    async run(stage) {
      const first = await stage.open('first');
      const { states } = watched(stage);
      let token = -1;
      for (let round = 0; round < 5; round++) {
        token = await stage.win(first);
        await first.release(stage.name, token);
      }
      token = await stage.win(first);
      await lastShows(stage, states, token, '');
      let [version, highest] = [-1, -1];
      for (const state of states) {
        assert(state.version > version, `version ${state.version} came after ${version}`);
        assert(state.leader === undefined || state.leader.token >= highest, 'a token fell');
        version = state.version;
        highest = state.leader?.token ?? highest;
      }
    },
  },
  {
    name: 'a watch ends when its signal aborts',
    async run(stage) {
      const controller = new AbortController();
      const { states, ended } = watched(stage, controller.signal);
      await stage.eventually('the watch begins', () => states.length > 0);
      controller.abort();
      await stage.within(Promise.allSettled([ended]), 'the end of an aborted watch');
    },
  },
];
