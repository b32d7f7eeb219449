import { connectClient } from '../../src/client/index.ts';
import { services } from '../../src/wire/index.ts';
import type { Row } from '../row.ts';
import { format, median } from '../statistics.ts';
import { connect, pause, System } from '../systems.ts';
import { CpuMeter } from '../usage.ts';

const renewEveryMs = 3000;
const ttlMs = 9000;

/** Runs `task` for each number below `count`, so many at a time. */
async function spread(
  count: number,
  width: number,
  task: (number: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

async function ours(count: number, rounds: number): Promise<string> {
  await using system = await System.start('conclave');
  const leader = await system.healthy();
  await using client = connectClient({
    endpoints: system.members.map((member) => member.clientUrl),
    timeoutMs: 20_000,
  });
  await using observer = connectClient({ endpoints: [leader.clientUrl] });
  const leases = Array.from({ length: count }, (_, number) => BigInt(number + 1));
  // Long while they are made, so that the first ones do not run out before renewals begin.
  await spread(count, 512, (number) => client.leaseGrant(ttlMs * 10, { lease: leases[number] as bigint }));
  let missed = 0;
  const tookMs: number[] = [];
  const delaysMs: number[] = [];
  const slices = 30;
  const meter = await CpuMeter.start(system);
  const startMs = performance.now();
  const pending: Promise<unknown>[] = [];
  for (let slice = 0; slice < slices * rounds; slice++) {
    const dueMs = startMs + (slice * renewEveryMs) / slices;
    await pause(Math.max(0, dueMs - performance.now()));
    const sentMs = performance.now();
    const part = leases.filter((_, number) => number % slices === slice % slices);
    const renewals = part.map((lease) =>
      client.renewLease(lease, { timeoutMs: renewEveryMs }).then(
        (ttl) => (missed += ttl === 0 ? 1 : 0),
        () => missed++,
      ),
    );
    pending.push(Promise.all(renewals).then(() => tookMs.push(performance.now() - sentMs)));
    if (slice % slices === 0) delaysMs.push((await observer.memberState()).loopDelayP99Ms);
  }
  await Promise.all(pending);
  const cpu = await meter.told();
  return `${missed} missed of ${count * rounds}; a batch of ${Math.round(count / slices)} takes ${format(median(tookMs))} ms p50; leader's loop delay p99 ${format(Math.max(...delaysMs))} ms; ${cpu}`;
}

/** etcd's stream: one message for each lease and renewal. */
async function etcds(count: number, rounds: number): Promise<string> {
  await using system = await System.start('etcd');
  const leader = await system.healthy();
  const transport = connect(leader.clientUrl);
  await spread(count, 256, (number) =>
    transport.unary(
      services.Lease.leaseGrant,
      { ID: BigInt(number + 1), TTL: (ttlMs * 10) / 1000 },
      { timeoutMs: 60_000 },
    ),
  );
  const stream = transport.stream(services.Lease.leaseKeepAlive);
  let answered = 0;
  let lost = 0;
  const reading = (async () => {
    for await (const response of stream.responses) {
      answered++;
      if (response.TTL <= 0) lost++;
      if (answered === count * rounds) return;
    }
  })();
  const slices = 30;
  const meter = await CpuMeter.start(system);
  const startMs = performance.now();
  for (let slice = 0; slice < slices * rounds; slice++) {
    await pause(Math.max(0, startMs + (slice * renewEveryMs) / slices - performance.now()));
    for (let number = slice % slices; number < count; number += slices)
      stream.send({ ID: BigInt(number + 1) });
  }
  const sentMs = performance.now();
  await Promise.race([reading, pause(60_000)]);
  const behindMs = performance.now() - sentMs;
  const cpu = await meter.told();
  stream.close();
  transport.close();
  return `${lost + count * rounds - answered} missed of ${count * rounds}; the last answer ${format(behindMs)} ms after the last request; ${cpu}`;
}

export const leaseRows: readonly Row[] = [
  {
    name: 'leases',
    what: '100,000 live leases renewed every 3 s by batched keep-alive (etcd: its stream)',
    goal: 'none missed, loop delay p99 below 50 ms, CPU below a third of etcd’s',
    async run({ quick, etcd }) {
      const count = quick ? 3000 : 100_000;
      const rounds = quick ? 2 : 10;
      return { conclave: await ours(count, rounds), etcd: etcd ? await etcds(count, rounds) : undefined };
    },
  },
];
