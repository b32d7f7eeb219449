// What a member is started with to bound what it stores and takes, in real processes: a full quota and the way out of
// it, automatic compaction, and the sizes of transactions and requests.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConclaveError } from '../../src/errors/index.ts';
import { run } from './cli.ts';
import { TestCluster } from './cluster.ts';

const patience = { timeout: 120_000 };

async function refusalOf(call: Promise<unknown>): Promise<ConclaveError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(ConclaveError.is(error), `it was not refused: ${error}`);
  return error;
}

describe('bounds of three members', () => {
  test(
    'a quota that is full on one of them stops writes on all, until some is freed and it is disarmed',
    patience,
    async () => {
      await using cluster = await TestCluster.start(3, ['--quota-backend-bytes=1000000']);
      const { client } = cluster;
      const value = 'x'.repeat(100_000);
      let refused: ConclaveError | undefined;
      for (let at = 0; refused === undefined; at++) {
        assert.ok(at < 50, 'the quota is never full');
        await client.put(`key/${at}`, value).catch((error: ConclaveError) => {
          refused = error;
        });
      }
      assert.equal(refused.code, 'disk-full');
      assert.match(refused.message, /mvcc: database space exceeded/);
      const [alarm] = await client.maintenance.alarms();
      assert.equal(alarm?.alarm, 1);
      // A little one would fit, but for the alarm, which stands when members start again too.
      assert.equal((await refusalOf(client.put('little', ''))).code, 'disk-full');
      const follower = await cluster.follower();
      await cluster.end(follower, 'SIGKILL');
      cluster.run(follower);
      await cluster.until(follower, ({ leader }) => leader !== 0);
      assert.equal((await refusalOf(client.put('little', ''))).code, 'disk-full');
      const { header } = await client.deleteRange('key/', { prefix: true });
      await client.compact(header?.revision ?? 0);
      const environment = { CONCLAVE_ENDPOINTS: cluster.members.map(({ clientUrl }) => clientUrl).join() };
      const named = /^MEMBER +NAME +ALARM\n[0-9a-f]+ +m[123] +NOSPACE$/m;
      const listed = await run(['alarm', 'list'], { environment });
      assert.match(listed.stdout, named, listed.stderr);
      const checked = await run(['check', '--for', '100ms'], { environment });
      assert.match(checked.stdout, /^problem {2}alarm NOSPACE of m[123]$/m, checked.stderr);
      const lifted = await run(['alarm', 'disarm'], { environment });
      assert.match(lifted.stdout, named, lifted.stderr);
      await client.put('little', '');
      assert.deepEqual(await client.maintenance.alarms(), []);
    },
  );

  test('automatic compaction leaves what is younger, whoever leads', patience, async () => {
    await using cluster = await TestCluster.start(3, ['--auto-compaction-retention=300ms']);
    const { client } = cluster;
    const compactedBeyond = async (revision: number): Promise<void> => {
      for (;;) {
        await client.put('key', 'again');
        const read = client.get('key', { revision });
        if (
          await read.then(
            () => false,
            (error) => ConclaveError.is(error, 'out-of-range'),
          )
        )
          return;
      }
    };
    const first = await client.put('key', 'first');
    await compactedBeyond(first.header?.revision ?? 0);
    const leader = await cluster.leader();
    await cluster.end(leader, 'SIGKILL');
    await cluster.leader(leader);
    const second = await client.put('key', 'second');
    await compactedBeyond(second.header?.revision ?? 0);
    assert.equal(new TextDecoder().decode((await client.get('key'))?.value), 'again');
  });
});

test('transactions and requests are as large as the flags say', patience, async () => {
  await using cluster = await TestCluster.start(1, ['--max-txn-ops=3', '--max-request-bytes=3000000']);
  const { client } = cluster;
  const puts = (count: number) => {
    const success = Array.from({ length: count }, (_, at) => ({
      request: { $case: 'requestPut' as const, value: { key: new Uint8Array([97 + at]) } },
    }));
    return client.txn({ success });
  };
  await puts(3);
  assert.match((await refusalOf(puts(4))).message, /too many operations in txn request/);
  await client.put('large', 'x'.repeat(2_900_000));
  assert.equal((await refusalOf(client.put('larger', 'x'.repeat(3_100_000)))).code, 'too-large');
  assert.equal((await client.get('large'))?.value.length, 2_900_000);
});
