// The examples of docs/guides/partitions.md, as they stand there, against a real cluster.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { partitionRouter } from '../../src/partitions/index.ts';
import { conclaveStore } from '../../src/stores/conclave.ts';
import { Guide, guidePatience as patience } from '../guide.ts';
import { TestCluster } from '../integration/cluster.ts';

const guide = new Guide('partitions');

describe('the guide to partitions', () => {
  let cluster: TestCluster;
  let endpoint: string;

  before(async () => {
    cluster = await TestCluster.start(1);
    endpoint = cluster.members[0]?.clientUrl ?? '';
    await guide.unpack((code) => code.replaceAll('http://127.0.0.1:2379', endpoint));
  }, patience);
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await guide[Symbol.asyncDispose]();
  });

  test('its examples type-check strictly', patience, () => guide.typeCheck());

  test(
    'two workers share the partitions, a router finds them, and one that stops hands over',
    patience,
    async () => {
      await using first = guide.start('worker.ts', { args: ['8081'] });
      await using second = guide.start('worker.ts', { args: ['8082'] });
      await using store = conclaveStore({ endpoints: [endpoint] });
      await using router = partitionRouter(store, 'orders');
      const settled = async (members: number) => {
        for (;;) {
          const status = await router.status();
          const all = status.members.length === members && status.members.every((one) => one.assigned > 0);
          if (all && status.totals.led === 64) return status;
          await sleep(20);
        }
      };
      const { members } = await settled(2);
      for (const { leading } of members) assert.equal(leading, 32);
      {
        const output = await guide.outputOf('router.ts');
        assert.match(output, /^send it to http:\/\/127\.0\.0\.1:808[12]$/m);
        assert.match(output, /^token \d+, from memory$/m);
        assert.match(output, /^64 of 64 partitions are led by 2 members$/m);
      }
      first.signal('SIGTERM');
      assert.equal(await first.ended, 0, first.output);
      assert.match(first.output, /^drained \d+$/m);
      await settled(1);
      second.signal('SIGTERM');
      assert.equal(await second.ended, 0, second.output);
    },
  );

  test('each of them is run', () => guide.assertAllRun());
});
