import { execFile } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { services } from '../../src/wire/index.ts';
import type { Row } from '../row.ts';
import { format, median } from '../statistics.ts';
import { type Kind, onPath, System } from '../systems.ts';

const run = promisify(execFile);
const http2Load = fileURLToPath(new URL('../http2-load.ts', import.meta.url));
const encoder = new TextEncoder();

/** A gRPC message: no compression, length, content. */
function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const putBody = frame(
  services.KV.put.encodeRequest({
    key: encoder.encode('bench/key'),
    value: encoder.encode('x'.repeat(64)),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  }),
);

/** Requests a second, all answered well. */
async function load(url: string, path: string, body: Buffer, folder: string, count: number): Promise<number> {
  if (!onPath('h2load')) {
    const { stdout } = await run(process.execPath, [
      http2Load,
      url,
      path,
      body.toString('base64'),
      '8',
      '32',
      String(count),
    ]);
    const { perSecond, failed } = JSON.parse(stdout) as { perSecond: number; failed: number };
    if (failed > 0) throw new Error(`${failed} of ${count} requests failed.`);
    return perSecond;
  }
  const file = join(folder, 'request');
  await writeFile(file, body);
  const flags = [
    '-n',
    String(count),
    '-c',
    '8',
    '-m',
    '32',
    '-d',
    file,
    '-H',
    'content-type: application/grpc',
    '-H',
    'te: trailers',
  ];
  const { stdout } = await run('h2load', [...flags, `${url}${path}`], { maxBuffer: 1 << 24 });
  await rm(file);
  const succeeded = Number(/status codes: (\d+) 2xx/.exec(stdout)?.[1]);
  if (succeeded !== count) throw new Error(`Only ${succeeded} of ${count} requests succeeded:\n${stdout}`);
  return Number(/([\d.]+) req\/s/.exec(stdout)?.[1]);
}

async function putRate(kind: Kind, quick: boolean): Promise<string> {
  await using system = await System.start(kind);
  const leader = await system.healthy();
  const count = quick ? 20_000 : 100_000;
  const measure = () => load(leader.clientUrl, services.KV.put.path, putBody, system.folder, count);
  await measure();
  const rates: number[] = [];
  for (let round = 0; round < (quick ? 1 : 5); round++) rates.push(await measure());
  return `${format(median(rates))}/s (${format(Math.min(...rates))} to ${format(Math.max(...rates))})`;
}

export const throughputRows: readonly Row[] = [
  {
    name: 'put',
    what: `Put, 8 connections with 32 in flight each (${onPath('h2load') ? 'h2load' : 'node:http2'}), at the leader`,
    goal: '8k/s',
    async run({ quick, etcd }) {
      return {
        conclave: await putRate('conclave', quick),
        etcd: etcd ? await putRate('etcd', quick) : undefined,
      };
    },
  },
];
