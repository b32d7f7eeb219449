import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { nodeRuntime } from '../runtime/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { memoryStore } from '../stores/memory.ts';
import { Partitions } from './index.ts';
import { jobWarnings } from './job-warnings.ts';

interface Warning extends Error {
  readonly code: string;
  readonly detail: string;
}

const nextWarning = async (): Promise<Warning> => (await once(process, 'warning'))[0] as Warning;

test('a job that throws where nobody asked to hear of it makes the process warn', async () => {
  const runtime = nodeRuntime();
  await using store = memoryStore({ runtime });
  const warned = nextWarning();
  await using _ = new Partitions(store, 'orders', {
    runtime,
    count: 1,
    settleMs: 0,
    onAssigned: () => {
      throw new Error('no such table');
    },
  });
  const { name, code, message, detail } = await warned;
  assert.deepEqual([name, code], ['ConclaveWarning', 'CONCLAVE_PARTITION_JOB_FAILED']);
  assert.match(message, /^The job of partition "0" of "orders" \(token \d+\) threw: Error: no such table\. /);
  assert.match(detail, /job-warnings\.test/);
});

test('many that throw together are one warning a second, and the next tells how many more there were', async () => {
  const runtime = manualRuntime();
  const told = jobWarnings('orders', runtime.clock);
  const leadership = { token: 7 } as Parameters<typeof told>[1];
  const first = nextWarning();
  for (const partition of ['0', '1', '2']) told('down', leadership, partition);
  assert.match((await first).message, /partition "0".*threw: down\. [^(]*$/);
  await runtime.advance(1000);
  const second = nextWarning();
  told('down', leadership, '3');
  assert.match((await second).message, /partition "3".*\(2 more have failed since the last warning\.\)$/);
});

test('who listens is told instead', async () => {
  const runtime = nodeRuntime();
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  for (const listener of ['onJobError', 'onEvent']) {
    await using store = memoryStore({ runtime });
    const { promise: heard, resolve } = Promise.withResolvers<void>();
    const onJobError = () => resolve();
    const onEvent = ({ type }: { readonly type: string }) => type === 'partition-job-failed' && resolve();
    await using _ = new Partitions(store, 'orders', {
      ...{ runtime, count: 1, settleMs: 0 },
      ...(listener === 'onEvent' ? { onEvent } : { onJobError }),
      onAssigned: () => {
        throw new Error('no such table');
      },
    });
    await heard;
    await new Promise((resolve) => setImmediate(resolve));
  }
  process.off('warning', onWarning);
  assert.deepEqual(
    warnings.filter(({ name }) => name === 'ConclaveWarning'),
    [],
  );
});
