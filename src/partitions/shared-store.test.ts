import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../../test/partitions/world.ts';
import { storeWith } from '../conformance/wrapping.ts';
import type { ElectionState, LeaseStore } from '../election/index.ts';

/** Counts watches; from `depose` on an outsider has made somebody else the leader of this election. */
function observed(store: LeaseStore, election: string) {
  const counts = { watches: 0, watchesOfAll: 0, reads: 0 };
  let wake = () => {};
  let deposed = false;
  const shown = (name: string, state: ElectionState): ElectionState => {
    if (!deposed || name !== election || state.leader === undefined) return state;
    const leader = { ...state.leader, holder: 'outsider', token: state.leader.token + 1 };
    return { ...state, version: state.version + 1, leader };
  };
  const changed = storeWith(store, {
    read: async (name, options) => {
      counts.reads += 1;
      return shown(name, await store.read(name, options));
    },
    watch: (name, options) => {
      counts.watches += 1;
      return store.watch(name, options);
    },
    watchAll: async function* (prefix, options) {
      counts.watchesOfAll += 1;
      const states = store.watchAll?.(prefix, options)[Symbol.asyncIterator]();
      let next = states?.next();
      for (;;) {
        const poked = new Promise<'poked'>((resolve) => {
          wake = () => resolve('poked');
        });
        const result = await Promise.race([next, poked]);
        if (result === undefined) return;
        if (result === 'poked') {
          yield new Map([[election, shown(election, await store.read(election))]]);
        } else {
          if (result.done) return;
          yield result.value;
          next = states?.next();
        }
      }
    },
  });
  const depose = () => {
    deposed = true;
    wake();
  };
  return { store: changed, counts, depose };
}

test('all leaderships of a process are guarded by one watch, and winning costs no read', async () => {
  const world = new World();
  const { store, counts } = observed(world.store, 'work/0');
  world.shownStore = store;
  const a = world.start('a');
  await world.pass(8000);
  assert.equal(a.jobs.size, 24);
  assert.deepEqual([counts.watches, counts.watchesOfAll], [0, 1]);
  // The roster's leader reads it once, to write the layout.
  assert(counts.reads <= 3, `${counts.reads} reads`);
  await world.end();
});

test('a leadership that an outsider took away ends as soon as the one watch shows it', async () => {
  const world = new World();
  const { store, depose } = observed(world.store, 'work/0');
  world.shownStore = store;
  const a = world.start('a');
  await world.pass(2000);
  const leadership = a.partitions.leaderships.get('0');
  assert(leadership !== undefined);
  depose();
  await world.pass(100);
  assert.equal(await leadership.ended, 'replaced');
  const revoked = a.events.find((event) => event.type === 'partition-revoked');
  assert.deepEqual([revoked?.partition, revoked?.reason], ['0', 'lost']);
  assert.equal(a.partitions.leaderships.get('1')?.signal.aborted, false);
  await world.end();
});
