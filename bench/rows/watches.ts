import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { PutRequest, services } from '../../src/wire/index.ts';
import type { Row } from '../row.ts';
import { format, percentile } from '../statistics.ts';
import { connect, type Kind, pause, System } from '../systems.ts';
import { CpuMeter } from '../usage.ts';

const watchLoad = fileURLToPath(new URL('../watch-load.ts', import.meta.url));
const watches = 1000;
/** As so many clients: the watches of one share a stream. */
const connections = 50;
const writesPerSecond = 1000;
const tickMs = 10;
const prefix = 'watched/';

interface Seen {
  readonly events: number;
  readonly latenciesMs: readonly number[];
}

async function delivery(kind: Kind, seconds: number): Promise<string> {
  await using system = await System.start(kind);
  const leader = await system.healthy();
  const urls = system.members.map((member) => member.clientUrl).join(',');
  const load = spawn(process.execPath, [watchLoad, urls, `${connections}`, `${watches}`, prefix], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const lines = createInterface({ input: load.stdout })[Symbol.asyncIterator]();
    if ((await lines.next()).value !== 'ready') throw new Error('The watches were not created.');
    // The first second shows how a server warms up, which is not asked here.
    await write(leader.clientUrl, writesPerSecond);
    const writes = writesPerSecond * seconds;
    const meter = await CpuMeter.start(system);
    const took = await write(leader.clientUrl, writes);
    const cpu = await meter.told();
    load.stdin.write(`${writes + writesPerSecond}\n`);
    const line = await lines.next();
    const seen = JSON.parse(String(line.value)) as Seen;
    return `${told(seen, writes + writesPerSecond, writes / took)}; ${cpu}`;
  } finally {
    await ended(load);
  }
}

function told({ events, latenciesMs }: Seen, writes: number, rate: number): string {
  const measured = latenciesMs.slice(latenciesMs.length / 10);
  const [p50, p99] = [percentile(measured, 0.5), percentile(measured, 0.99)];
  const missing = watches * writes - events;
  const all = missing === 0 ? 'all delivered' : `${missing} of ${watches * writes} MISSING`;
  return `${format(p50)} ms p50, ${format(p99)} ms p99; ${all}, ${format(rate)} writes/s`;
}

/** Gives the seconds until the last one was answered. */
async function write(url: string, count: number): Promise<number> {
  const transport = connect(url);
  const answers: Promise<unknown>[] = [];
  const startMs = performance.now();
  const eachTick = (writesPerSecond * tickMs) / 1000;
  for (let sent = 0; sent < count; sent += eachTick) {
    await pause(Math.max(0, startMs + (sent / eachTick) * tickMs - performance.now()));
    for (let at = sent; at < Math.min(count, sent + eachTick); at++) {
      const request = PutRequest.create({
        key: Buffer.from(`${prefix}${at % 100}`),
        value: Buffer.from(`${process.hrtime.bigint()}`),
      });
      answers.push(transport.unary(services.KV.put, request, { timeoutMs: 60_000 }));
    }
  }
  await Promise.all(answers);
  transport.close();
  return (performance.now() - startMs) / 1000;
}

async function ended(load: ChildProcess): Promise<void> {
  if (load.exitCode !== null || load.signalCode !== null) return;
  const exit = new Promise((resolve) => load.once('exit', resolve));
  load.kill('SIGKILL');
  await exit;
}

export const watchRows: readonly Row[] = [
  {
    name: 'watches',
    what: '1,000 watchers on one prefix, 1,000 writes a second: delivery',
    goal: 'every event, p99 below etcd’s, CPU below half of etcd’s',
    async run({ quick, etcd }) {
      const seconds = quick ? 3 : 20;
      return {
        conclave: await delivery('conclave', seconds),
        etcd: etcd ? await delivery('etcd', seconds) : undefined,
      };
    },
  },
];
