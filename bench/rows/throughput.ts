import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Compare, PutRequest, RangeRequest, RequestOp, services, TxnRequest } from '../../src/wire/index.ts';
import { Authority, type CertificateFiles, certificatesMissing } from '../../test/certificates.ts';
import type { Row, RunOptions } from '../row.ts';
import { format, median } from '../statistics.ts';
import { type Kind, onPath, System, type SystemMember } from '../systems.ts';

const run = promisify(execFile);
const http2Load = fileURLToPath(new URL('../http2-load.ts', import.meta.url));
const encoder = new TextEncoder();

/** A gRPC message: no compression, length, content. */
function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const key = encoder.encode('bench/key');
const put = PutRequest.create({ key, value: encoder.encode('x'.repeat(64)) });
/** Holds from the first put on, so that each one writes. */
const swap = TxnRequest.create({
  compare: [Compare.create({ result: 1, target: 0, key, targetUnion: { $case: 'version', value: 0 } })],
  success: [RequestOp.create({ request: { $case: 'requestPut', value: put } })],
});
const bodies = {
  put: [services.KV.put.path, frame(PutRequest.encode(put).finish())],
  range: [services.KV.range.path, frame(RangeRequest.encode(RangeRequest.create({ key })).finish())],
  serializable: [
    services.KV.range.path,
    frame(RangeRequest.encode(RangeRequest.create({ key, serializable: true })).finish()),
  ],
  swap: [services.KV.txn.path, frame(TxnRequest.encode(swap).finish())],
} as const;

export interface Load {
  readonly request: keyof typeof bodies;
  readonly connections: number;
  readonly inFlight: number;
  readonly count: number;
  /** Requests a second, over all connections; undefined: as many as there can be. */
  readonly perSecond?: number;
}
interface Measured {
  readonly perSecond: number;
  /** Of all requests, where the load generator tells of each. */
  readonly latenciesMs: readonly number[];
}

/** All requests must be answered well. */
export async function load(member: SystemMember, folder: string, options: Load): Promise<Measured> {
  const { connections, inFlight, count } = options;
  const [path, body] = bodies[options.request];
  if (!onPath('h2load')) {
    const sizes = [String(connections), String(inFlight), String(count)];
    const args = [http2Load, member.clientUrl, path, body.toString('base64'), ...sizes];
    const { stdout } = await run(process.execPath, args);
    const { perSecond, failed } = JSON.parse(stdout) as { perSecond: number; failed: number };
    if (failed > 0) throw new Error(`${failed} of ${count} requests failed.`);
    return { perSecond, latenciesMs: [] };
  }
  const file = join(folder, 'request');
  const log = join(folder, 'latencies');
  await writeFile(file, body);
  await rm(log, { force: true });
  const sizes = ['-n', String(count), '-c', String(connections), '-m', String(inFlight)];
  const rate = options.perSecond === undefined ? [] : [`--rps=${options.perSecond / connections}`];
  const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
  const flags = [...sizes, ...rate, '-d', file, '--log-file', log, ...headers];
  const { stdout } = await run('h2load', [...flags, `${member.clientUrl}${path}`], { maxBuffer: 1 << 24 });
  const succeeded = Number(/status codes: (\d+) 2xx/.exec(stdout)?.[1]);
  if (succeeded !== count) throw new Error(`Only ${succeeded} of ${count} requests succeeded:\n${stdout}`);
  return { perSecond: Number(/([\d.]+) req\/s/.exec(stdout)?.[1]), latenciesMs: await readLatencies(log) };
}

/** h2load's log: start in µs, status, duration in µs. */
async function readLatencies(log: string): Promise<number[]> {
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n');
  return lines.map((line) => Number(line.split('\t')[2]) / 1000);
}

async function rate(
  kind: Kind,
  { quick }: RunOptions,
  request: Load['request'],
  certificate?: CertificateFiles,
): Promise<string> {
  await using system = await System.start(kind, [], 3, certificate);
  const leader = await system.healthy();
  const eight = { connections: 8, inFlight: 32 };
  const measure = (count: number) => load(leader, system.folder, { ...eight, request, count });
  // So that there is something to read, and code is compiled.
  await load(leader, system.folder, { ...eight, request: 'put', count: 20_000 });
  const count = quick ? 20_000 : 100_000;
  await measure(count);
  const rates: number[] = [];
  for (let round = 0; round < (quick ? 1 : 5); round++) rates.push((await measure(count)).perSecond);
  return `${format(median(rates))}/s (${format(Math.min(...rates))} to ${format(Math.max(...rates))})`;
}

async function alone(kind: Kind, { quick }: RunOptions): Promise<string> {
  await using system = await System.start(kind);
  const leader = await system.healthy();
  const one = { request: 'put', connections: 1, inFlight: 1 } as const;
  await load(leader, system.folder, { ...one, count: 3000 });
  const means: number[] = [];
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    const { perSecond } = await load(leader, system.folder, { ...one, count: quick ? 1000 : 5000 });
    means.push(1000 / perSecond);
  }
  return `${format(median(means))} ms (${format(Math.min(...means))} to ${format(Math.max(...means))})`;
}

/** What etcd does at its best on such a machine is about twice this. */
const halfOfPeak = 8000;

async function halfLoad(kind: Kind, { quick }: RunOptions): Promise<string> {
  await using system = await System.start(kind);
  const leader = await system.healthy();
  const steady = { request: 'put', connections: 8, inFlight: 32, perSecond: halfOfPeak } as const;
  await load(leader, system.folder, { ...steady, count: 24_000 });
  const rounds: { p50: number; p99: number }[] = [];
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    const { latenciesMs } = await load(leader, system.folder, { ...steady, count: quick ? 16_000 : 80_000 });
    const sorted = latenciesMs.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
    rounds.push({ p50: at(0.5), p99: at(0.99) });
  }
  const p99 = median(rounds.map((one) => one.p99));
  return `p50 ${format(median(rounds.map((one) => one.p50)))} ms, p99 ${format(p99)} ms`;
}

async function secureRate(kind: Kind, options: RunOptions): Promise<string> {
  if (certificatesMissing !== undefined) return 'openssl is not installed';
  using authority = new Authority();
  return await rate(kind, options, 'put', authority.sign('server'));
}

const generator = onPath('h2load') ? 'h2load' : 'node:http2';
const both =
  (measure: (kind: Kind, options: RunOptions) => Promise<string>): Row['run'] =>
  async (options) => ({
    conclave: await measure('conclave', options),
    etcd: options.etcd ? await measure('etcd', options) : undefined,
  });

export const throughputRows: readonly Row[] = [
  {
    name: 'put',
    what: `Put, 8 connections with 32 in flight each (${generator}), at the leader`,
    goal: '5 × etcd',
    run: both((kind, options) => rate(kind, options, 'put')),
  },
  {
    name: 'put-alone',
    what: 'Put, one client alone, one in flight: mean',
    goal: 'below etcd’s',
    run: both(alone),
  },
  {
    name: 'put-half',
    what: `Put, ${halfOfPeak} a second over 8 connections: latency of each`,
    goal: 'p99 below a third of etcd’s',
    run: both(halfLoad),
  },
  {
    name: 'range',
    what: 'linearizable Range of one key, 8 × 32',
    goal: '5 × etcd',
    run: both((kind, options) => rate(kind, options, 'range')),
  },
  {
    name: 'range-serializable',
    what: 'serializable Range of one key, 8 × 32',
    goal: '8 × etcd',
    run: both((kind, options) => rate(kind, options, 'serializable')),
  },
  {
    name: 'swap',
    what: 'Txn that compares and puts, 8 × 32',
    goal: '4 × etcd',
    run: both((kind, options) => rate(kind, options, 'swap')),
  },
  {
    name: 'put-tls',
    what: 'Put through TLS, 8 × 32',
    goal: '4 × etcd with TLS',
    run: both(secureRate),
  },
];
