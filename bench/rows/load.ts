import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PutRequest, RequestOp, services, TxnRequest } from '../../src/wire/index.ts';
import { keyOf } from '../raw-http2.ts';
import type { Row, RunOptions } from '../row.ts';
import { format, median } from '../statistics.ts';
import { connect, type Kind, pause, System, type SystemMember } from '../systems.ts';
import { CpuMeter, usage } from '../usage.ts';

const run = promisify(execFile);
const keysLoad = fileURLToPath(new URL('../keys-load.ts', import.meta.url));
const fewKeys = 1000;

/** 8 connections with 32 in flight each, on random ones of so many keys. */
async function load(member: SystemMember, keys: number, seconds: number) {
  const args = [keysLoad, member.clientUrl, '8', '32', String(keys), String(seconds)];
  const { stdout } = await run(process.execPath, args);
  const done = JSON.parse(stdout) as { count: number; perSecond: number; failed: number };
  if (done.failed > 0) throw new Error(`${done.failed} of ${done.count} puts failed.`);
  return done;
}

async function fill(member: SystemMember, from: number, to: number): Promise<void> {
  const transport = connect(member.clientUrl);
  const value = Buffer.alloc(64, 'x');
  let next = from;
  const writer = async () => {
    while (next < to) {
      const first = next;
      next = Math.min(to, first + 100);
      const success = Array.from({ length: next - first }, (_, at) => {
        const put = PutRequest.create({ key: keyOf(first + at), value });
        return RequestOp.create({ request: { $case: 'requestPut', value: put } });
      });
      await transport.unary(services.KV.txn, TxnRequest.create({ success }), { timeoutMs: 60_000 });
    }
  };
  await Promise.all(Array.from({ length: 16 }, writer));
  transport.close();
}

interface Cost {
  readonly perSecond: number;
  /** Of the members' processors, for one put. */
  readonly cpuUs: number;
}

async function costOf(system: System, keys: number, quick: boolean): Promise<Cost> {
  const leader = await system.healthy();
  const seconds = quick ? 2 : 8;
  await load(leader, keys, seconds);
  const rounds: Cost[] = [];
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    const meter = await CpuMeter.start(system);
    const { count, perSecond } = await load(leader, keys, seconds);
    rounds.push({ perSecond, cpuUs: ((await meter.usedMs()) * 1000) / count });
  }
  return {
    perSecond: median(rounds.map(({ perSecond }) => perSecond)),
    cpuUs: median(rounds.map(({ cpuUs }) => cpuUs)),
  };
}

async function growth(kind: Kind, { quick }: RunOptions): Promise<string> {
  await using system = await System.start(kind, ['--quota-backend-bytes', String(8 * 2 ** 30)]);
  const manyKeys = quick ? 20_000 : 1_000_000;
  const leader = await system.healthy();
  await fill(leader, 0, fewKeys);
  const few = await costOf(system, fewKeys, quick);
  await fill(await system.healthy(), fewKeys, manyKeys);
  const many = await costOf(system, manyKeys, quick);
  const told = ({ perSecond, cpuUs }: Cost) => `${format(perSecond)}/s, ${format(cpuUs)} µs of CPU each`;
  const times = (many.cpuUs / few.cpuUs).toFixed(2);
  return `${times} times the CPU, ${(few.perSecond / many.perSecond).toFixed(2)} times the time: ${told(few)} with 1,000 keys; ${told(many)} with ${manyKeys}`;
}

async function steady(kind: Kind, { quick }: RunOptions): Promise<string> {
  // Without compaction each write is kept, and memory cannot be flat.
  const retention = quick ? '2s' : '30s';
  await using system = await System.start(kind, ['--auto-compaction-retention', retention]);
  const leader = await system.healthy();
  await fill(leader, 0, fewKeys);
  const seconds = quick ? 20 : 600;
  const terms = await termsOf(system);
  const delays = await delaysOf(system);
  const [{ perSecond }, resident] = await Promise.all([
    load(leader, fewKeys, seconds),
    residentDuring(system, seconds),
  ]);
  const elections = Math.max(...(await termsOf(system))) - Math.max(...terms);
  const p99 = (await delaysOf(system)).map((now, at) => percentileMs(now, delays[at] ?? new Map()));
  const delay = kind === 'etcd' ? '' : `loop delay p99 at most ${p99.join(', ')} ms; `;
  return `${elections} elections; ${delay}resident MiB of each, the highest of each fifth of the time: ${resident.join('; ')}; ${format(perSecond)}/s`;
}

/**
 * Of each member the highest in each fifth of the time. What is compacted comes back in waves, so that two moments
 * say nothing: the second may only be another part of a wave.
 */
function residentDuring({ members }: System, seconds: number): Promise<string[]> {
  const fifths = 5;
  const samplesOfFifth = 24;
  return Promise.all(
    members.map(async ({ process: { pid } }) => {
      const highest: string[] = [];
      for (let fifth = 0; fifth < fifths; fifth++) {
        let mostMiB = 0;
        for (let sample = 0; sample < samplesOfFifth; sample++) {
          await pause((seconds * 1000) / fifths / samplesOfFifth);
          mostMiB = Math.max(mostMiB, (await usage(pid as number)).residentMiB);
        }
        highest.push(format(mostMiB));
      }
      return highest.join(', ');
    }),
  );
}

function termsOf(system: System): Promise<number[]> {
  return Promise.all(
    system.members.map(async ({ clientUrl }) => {
      const transport = connect(clientUrl);
      const { raftTerm } = await transport.unary(services.Maintenance.status, {}, { timeoutMs: 20_000 });
      transport.close();
      return raftTerm;
    }),
  );
}

/** Of each member, how many delays were up to so many seconds. */
function delaysOf(system: System): Promise<Map<number, number>[]> {
  return Promise.all(
    system.members.map(async ({ clientUrl }) => {
      const text = await (await fetch(`${clientUrl}/metrics`)).text();
      const buckets = text.matchAll(/^conclave_loop_delay_seconds_bucket\{le="([^"]+)"\} (\d+)/gm);
      return new Map(
        [...buckets].map(([, le, count]) => [
          le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le),
          Number(count),
        ]),
      );
    }),
  );
}

/** The smallest bound of a bucket below which 99 of 100 are. */
function percentileMs(now: ReadonlyMap<number, number>, before: ReadonlyMap<number, number>): string {
  const counts = [...now].map(([le, count]) => [le, count - (before.get(le) ?? 0)] as const);
  const all = Math.max(0, ...counts.map(([, count]) => count));
  const bounds = counts.filter(([, count]) => count >= all * 0.99).map(([le]) => le);
  return format(Math.min(...bounds) * 1000);
}

const both =
  (measure: (kind: Kind, options: RunOptions) => Promise<string>): Row['run'] =>
  async (options) => ({
    conclave: await measure('conclave', options),
    etcd: options.etcd ? await measure('etcd', options) : undefined,
  });

export const loadRows: readonly Row[] = [
  {
    name: 'steady',
    what: '10 minutes of Put, 8 × 32 on 1,000 keys, compacted as it goes',
    goal: 'no election, loop delay p99 below 20 ms, memory flat',
    run: both(steady),
  },
  {
    name: 'growth',
    what: 'Put at 1,000,000 keys against Put at 1,000, 8 × 32 on random keys',
    goal: '1.3 times the cost at most',
    run: both(growth),
  },
];
