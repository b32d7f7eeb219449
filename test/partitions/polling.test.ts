// Partitions over real databases that tell of no change, so everybody looks; and the same where nobody sees who waits.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Leadership, LeaseStore } from '../../src/election/index.ts';
import {
  boundOf,
  type PartitionRouter,
  Partitions,
  type PartitionsStatus,
  partitionRouter,
} from '../../src/partitions/index.ts';
import { dynamodbStore } from '../../src/stores/dynamodb.ts';
import { migrateMysql, mysqlStore } from '../../src/stores/mysql.ts';
import { peer } from '../peers.ts';
import { dynamodbMissing, startDynamodb } from '../servers/dynamodb.ts';
import { startMariadb } from '../servers/mariadb.ts';
import { untilAborted } from '../until-aborted.ts';
import { hidingWaiters } from './world.ts';

interface Polled extends AsyncDisposable {
  open(): LeaseStore;
}

const pollMs = 100;
const count = 12;
const patience = { timeout: 240_000 };
const shows = { 'that shows who waits': (store: LeaseStore) => store, 'that does not': hidingWaiters };

const services = {
  MariaDB: {
    missing: peer('mariadbd').missing,
    async start(): Promise<Polled> {
      const server = await startMariadb(peer('mariadbd').path ?? '');
      await migrateMysql({ url: server.url });
      const open = () => mysqlStore({ url: server.url, pollMs });
      return { open, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
    },
  },
  'DynamoDB Local': {
    missing: dynamodbMissing('DynamoDB Local'),
    async start(): Promise<Polled> {
      const server = await startDynamodb('DynamoDB Local');
      const client = server.client();
      return {
        open: () => dynamodbStore({ client, table: server.table, pollMs }),
        async [Symbol.asyncDispose]() {
          client.destroy();
          await server[Symbol.asyncDispose]();
        },
      };
    },
  },
};

async function until(router: PartitionRouter, fits: (status: PartitionsStatus) => boolean) {
  for (;;) {
    const status = await router.status({ waitMs: 60_000 });
    if (fits(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Jobs of all processes of a test: no partition may have two at a time. */
function jobs() {
  const running = new Map<string, number>();
  const twice: string[] = [];
  const onAssigned = async (leadership: Leadership, partition: string) => {
    const { token } = leadership;
    if (running.has(partition)) twice.push(`${partition}: ${token} beside ${running.get(partition)}`);
    running.set(partition, token);
    await untilAborted(leadership);
    if (running.get(partition) === token) running.delete(partition);
  };
  return { onAssigned, twice };
}

const settled = (holders: readonly string[]) => (status: PartitionsStatus) =>
  status.members
    .map(({ holder }) => holder)
    .sort()
    .join() === holders.join() &&
  status.members.every(({ leading }) => leading > 0 && leading <= boundOf(count, 1, holders.length)) &&
  status.totals.led === count &&
  status.totals.moving === 0;

/** Who stayed was not disturbed; who follows another has a higher token, and is one that may. */
function assertMoved(
  before: PartitionsStatus,
  after: PartitionsStatus,
  mayFollow: (from: string | undefined, to: string | undefined) => boolean,
): void {
  for (const { partition, leader } of after.partitions) {
    const was = before.partitions.find((one) => one.partition === partition)?.leader;
    if (leader?.holder === was?.holder) assert.equal(leader?.token, was?.token, partition);
    else {
      assert((leader?.token ?? 0) > (was?.token ?? 0), partition);
      assert(mayFollow(was?.holder, leader?.holder), `${partition}: ${was?.holder}, ${leader?.holder}`);
    }
  }
}

for (const [title, { missing, start }] of Object.entries(services)) {
  describe(`Partitions over ${title}, which is polled`, { skip: missing ?? false }, () => {
    let service: Polled;
    before(async () => {
      service = await start();
    }, patience);
    after(async () => await service?.[Symbol.asyncDispose]());

    for (const [what, shown] of Object.entries(shows)) {
      test(
        `as a store ${what}: shared, handed over, and led again when a session ends`,
        patience,
        async () => {
          const { onAssigned, twice } = jobs();
          const options = { count, onAssigned, onJobError: assert.ifError, ttlMs: 30_000 };
          const name = `work ${what}`;
          await using observing = service.open();
          await using storeA = service.open();
          await using storeB = service.open();
          await using storeC = service.open();
          await using router = partitionRouter(shown(observing), name);
          await using _a = new Partitions(shown(storeA), name, { ...options, holder: 'a' });
          await using b = new Partitions(shown(storeB), name, { ...options, holder: 'b' });
          const before = await until(router, settled(['a', 'b']));
          await using _c = new Partitions(shown(storeC), name, { ...options, holder: 'c' });
          const joined = await until(router, settled(['a', 'b', 'c']));
          assertMoved(before, joined, (from, to) => from !== to && to === 'c');
          await b[Symbol.asyncDispose]();
          await until(router, settled(['a', 'c']));
          // As a crash would, but at once: the store's sessions are revoked under it.
          await storeC[Symbol.asyncDispose]();
          const left = await until(router, settled(['a']));
          assertMoved(joined, left, (_from, to) => to === 'a');
          assert.deepEqual(twice, []);
        },
      );
    }
  });
}
