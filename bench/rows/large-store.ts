import { connectClient } from '../../src/client/index.ts';
import type { Row } from '../row.ts';
import { format } from '../statistics.ts';
import { pause, System, type SystemMember } from '../systems.ts';

const keysInOneTransaction = 100;
const valueBytes = 1000;
const writers = 4;
const probeEveryMs = 5;

const keyOf = (number: number) => Buffer.from(`large/${String(number).padStart(9, '0')}`);

/** So many keys of a thousand bytes, many in each transaction. */
async function fill(url: string, keys: number): Promise<void> {
  await using client = connectClient({ endpoints: [url], timeoutMs: 60_000 });
  let next = 0;
  const writer = async () => {
    while (next < keys) {
      const first = next;
      next += keysInOneTransaction;
      const success = Array.from({ length: Math.min(keysInOneTransaction, keys - first) }, (_, at) => ({
        request: {
          $case: 'requestPut' as const,
          value: { key: keyOf(first + at), value: Buffer.alloc(valueBytes, first + at) },
        },
      }));
      await client.txn({ success });
    }
  };
  await Promise.all(Array.from({ length: writers }, writer));
}

/** Latencies of reads and of writes, one after the other, while `work` runs. */
async function during(url: string, work: Promise<unknown>): Promise<number[]> {
  await using client = connectClient({ endpoints: [url], timeoutMs: 60_000 });
  const tookMs: number[] = [];
  let over = false;
  const done = () => {
    over = true;
  };
  work.then(done, done);
  for (let turn = 0; !over; turn++) {
    const startMs = performance.now();
    if (turn % 2 === 0) await client.get(keyOf(turn));
    else await client.put('large/probe', String(turn));
    tookMs.push(performance.now() - startMs);
    await pause(probeEveryMs);
  }
  await work;
  return tookMs.sort((a, b) => a - b);
}

async function ours(keys: number): Promise<string> {
  await using system = await System.start('conclave', [], 1);
  const [member] = system.members as [SystemMember];
  const { clientUrl: url } = member;
  await fill(url, keys);
  await using client = connectClient({ endpoints: [url], timeoutMs: 120_000 });
  const startMs = performance.now();
  const snapshot = client.maintenance.defragment({ endpoint: url, timeoutMs: 120_000 });
  const latencies = await during(url, snapshot);
  const snapshotMs = performance.now() - startMs;
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
  const delay = (await client.memberState()).loopDelayP99Ms;
  // Something in the log after the snapshot, too.
  await fill(url, Math.floor(keys / 20));
  await system.end(member);
  const restartMs = performance.now();
  await system.restart(member);
  await using again = connectClient({ endpoints: [url], timeoutMs: 120_000 });
  await again.get(keyOf(0));
  const startedMs = performance.now() - restartMs - 500;
  return (
    `starts in ${format(startedMs / 1000)} s; a snapshot takes ${format(snapshotMs / 1000)} s, requests meanwhile ` +
    `${format(at(0.5))} ms p50, ${format(at(0.99))} ms p99, ${format(latencies.at(-1) ?? 0)} ms at most, loop delay p99 ` +
    `${format(delay)} ms`
  );
}

export const largeStoreRows: readonly Row[] = [
  {
    name: 'large',
    what: 'One member with 1 GB in 1,000,000 keys: start from snapshot and log, requests while it writes a snapshot',
    goal: 'starts within 30 s, loop delay p99 below 50 ms',
    async run({ quick }) {
      return { conclave: await ours(quick ? 50_000 : 1_000_000), etcd: undefined };
    },
  },
];
