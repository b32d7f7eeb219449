import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ElectionState, LeaseStore } from '../../election/store.ts';
import { manualRuntime } from '../../runtime/testing.ts';
import { documentStore } from './index.ts';
import { MemoryService } from './testing.ts';

const name = 'job';
const election = { kind: 'election', name } as const;
const once = { metadata: '', priority: 0 };

function stage() {
  const runtime = manualRuntime();
  const service = new MemoryService({ runtime, ownsClock: true, tells: false, many: true });
  const open = () => documentStore(service.driver(), { runtime, pollMs: 100 });
  return { runtime, service, open };
}

const ways: readonly [
  string,
  (store: LeaseStore, signal: AbortSignal, saw: (state: ElectionState) => void) => Promise<void>,
][] = [
  [
    'one election',
    async (store, signal, saw) => {
      for await (const state of store.watch(name, { signal })) saw(state);
    },
  ],
  [
    'all elections',
    async (store, signal, saw) => {
      for await (const states of store.watchAll?.('', { signal }) ?? []) {
        const state = states.get(name);
        if (state !== undefined) saw(state);
      }
    },
  ],
];

function assertRising(states: readonly ElectionState[]): void {
  const versions = states.map(({ version }) => version);
  for (const [at, version] of versions.entries()) assert(version > (versions[at - 1] ?? -1), `${versions}`);
}

for (const [what, watch] of ways)
  describe(`A watch over ${what} in documents`, () => {
    test('shows a leader that seemed to be over and was renewed after all, as news', async () => {
      const { runtime, service, open } = stage();
      const first = await open().openSession({ holder: 'first', ttlMs: 100_000 });
      await first.acquire(name, once);
      const stop = new AbortController();
      const states: ElectionState[] = [];
      const store = open();
      const saw = (state: ElectionState) => void states.push(state);
      const watching = [watch(store, stop.signal, saw)];
      await runtime.advance(500);
      for (let round = 0; round < 2; round++) {
        service.clockOffsetMs += 150_000;
        await runtime.advance(500);
        assert.equal(states.at(-1)?.leader, undefined);
        await first.renew();
        await runtime.advance(500);
        assert.equal(states.at(-1)?.leader?.holder, 'first');
      }
      // One that begins later goes on from there.
      stop.abort();
      await runtime.advance(500);
      const again = new AbortController();
      service.clockOffsetMs += 150_000;
      watching.push(watch(store, again.signal, saw));
      await runtime.advance(500);
      assert.equal(states.at(-1)?.leader, undefined);
      assertRising(states);
      again.abort();
      await runtime.advance(500);
      await Promise.all(watching);
    });

    test('shows that an outsider deleted the election, as news', async () => {
      const { runtime, service, open } = stage();
      const first = await open().openSession({ holder: 'first', ttlMs: 100_000 });
      await first.acquire(name, once);
      const stop = new AbortController();
      const states: ElectionState[] = [];
      const watching = watch(open(), stop.signal, (state) => void states.push(state));
      await runtime.advance(500);
      service.wipe(election);
      await runtime.advance(500);
      assert.equal(states.at(-1)?.leader, undefined);
      // All that was there, the counter too.
      service.rows.clear();
      const second = await open().openSession({ holder: 'second', ttlMs: 100_000 });
      await second.acquire(name, once);
      service.requests = 0;
      await runtime.advance(5000);
      assert.equal(states.at(-1)?.leader?.holder, 'second');
      assertRising(states);
      assert(service.requests < 500, `${service.requests} requests`);
      stop.abort();
      await runtime.advance(500);
      await watching;
    });

    test('goes on although its versions fall, since all was deleted and begun anew between two looks', async () => {
      const { runtime, service, open } = stage();
      const first = await open().openSession({ holder: 'first', ttlMs: 100_000 });
      for (const other of ['a', 'b', 'c', name]) await first.acquire(other, once);
      const stop = new AbortController();
      const states: ElectionState[] = [];
      const watching = watch(open(), stop.signal, (state) => void states.push(state));
      await runtime.advance(500);
      service.rows.clear();
      const second = await open().openSession({ holder: 'second', ttlMs: 100_000 });
      await second.acquire(name, once);
      service.requests = 0;
      await runtime.advance(5000);
      assert.equal(states.at(-1)?.leader?.holder, 'second');
      assertRising(states);
      assert(service.requests < 500, `${service.requests} requests`);
      stop.abort();
      await runtime.advance(500);
      await watching;
    });

    test('shows nothing of an election that was only begun', async () => {
      const { runtime, service, open } = stage();
      const first = await open().openSession({ holder: 'first', ttlMs: 100_000 });
      const stop = new AbortController();
      const states: ElectionState[] = [];
      const watching = watch(open(), stop.signal, (state) => void states.push(state));
      await runtime.advance(500);
      const shown = states.length;
      service.writes.push(undefined, 'late');
      await assert.rejects(first.acquire(name, once), { code: 'timeout' });
      assert(service.read(election) !== undefined);
      await runtime.advance(500);
      assert.equal(states.length, shown);
      await first.acquire(name, once);
      await runtime.advance(500);
      assert.equal(states.length, shown + 1);
      assert.equal(states.at(-1)?.leader?.holder, 'first');
      stop.abort();
      await runtime.advance(500);
      await watching;
    });

    test('goes on although another program wrote under another name', async () => {
      const { runtime, service, open } = stage();
      service.write({ kind: 'election', name: 'foreign' }, 'hello', { replaces: undefined });
      const store = open();
      const first = await store.openSession({ holder: 'first', ttlMs: 100_000 });
      const stop = new AbortController();
      const states: ElectionState[] = [];
      const watching = watch(store, stop.signal, (state) => void states.push(state));
      const refused = assert.rejects(store.watch('foreign', stop)[Symbol.asyncIterator]().next(), {
        code: 'data-incompatible',
      });
      await runtime.advance(500);
      await refused;
      await first.acquire(name, once);
      await runtime.advance(500);
      assert.equal(states.at(-1)?.leader?.holder, 'first');
      stop.abort();
      await runtime.advance(500);
      await watching;
    });
  });
