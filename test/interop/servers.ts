// The two servers that interop tests compare: a real etcd, and a one-member cluster of ours. Each alone on its
// ports and in a folder of its own that goes away with it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveApi } from '../../src/api/index.ts';
import { Member } from '../../src/member/index.ts';
import { RangeRequest, services } from '../../src/wire/index.ts';
import { freePorts } from '../ports.ts';
import { Caller } from './caller.ts';

export interface TestServer extends AsyncDisposable {
  readonly kind: 'etcd' | 'conclave';
  /** `host:port` of the client side. */
  readonly endpoint: string;
}

/** In memory where there is such a folder, for tests of thousands of writes that are not about the disk. */
const quickFolder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

export interface StartOptions {
  /** Nothing needs to survive: data in memory, and no syncing where the server can leave it out. */
  readonly quick?: boolean;
  /** As etcd's flag. */
  readonly quotaBytes?: number;
  /** Passwords cost little to hash. */
  readonly cheapPasswords?: boolean;
}

export async function startConclave(options: StartOptions = {}): Promise<TestServer> {
  const folder = mkdtempSync(join(options.quick ? quickFolder : tmpdir(), 'conclave-interop-'));
  const [clientPort, peerPort] = (await freePorts(2)) as [number, number];
  const peerUrls = [`http://127.0.0.1:${peerPort}`];
  const member = await Member.start({
    name: 'default',
    dataDir: join(folder, 'data'),
    peerListenUrls: peerUrls,
    clientAdvertiseUrls: [`http://127.0.0.1:${clientPort}`],
    initialCluster: [{ name: 'default', peerUrls }],
    quotaBytes: options.quotaBytes ?? 0,
  });
  const server = await serveApi(member, {
    listen: { host: '127.0.0.1', port: clientPort },
    closeGraceMs: 200,
    ...(options.cheapPasswords && { auth: { passwordCostLog2: 4 } }),
  });
  const endpoint = `127.0.0.1:${clientPort}`;
  await answering(endpoint);
  return {
    kind: 'conclave',
    endpoint,
    async [Symbol.asyncDispose]() {
      await Promise.all([member.stop(), server.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A follower of three members of ours, all of them in this process. */
export async function startFollower(options: StartOptions = {}): Promise<TestServer> {
  const folder = mkdtempSync(join(options.quick ? quickFolder : tmpdir(), 'conclave-interop-'));
  const ports = await freePorts(4);
  const peers = ports.slice(1).map((port, at) => ({
    name: `m${at}`,
    peerUrls: [`http://127.0.0.1:${port}`],
  }));
  const members = await Promise.all(
    peers.map(({ name, peerUrls }) =>
      Member.start({
        ...{ name, dataDir: join(folder, name), peerListenUrls: peerUrls, initialCluster: peers },
        clientAdvertiseUrls: [],
        // So that the follower stays one, however slow the machine.
        electionTimeoutMs: 5000,
      }),
    ),
  );
  while (members.some((member) => member.status().raft.leader === 0)) await sleep(20);
  await Promise.all(members.map((member) => member.readBarrier()));
  const follower = members.find((member) => member.status().raft.role === 'follower') as Member;
  const server = await serveApi(follower, {
    listen: { host: '127.0.0.1', port: ports[0] as number },
    closeGraceMs: 200,
  });
  const endpoint = `127.0.0.1:${ports[0]}`;
  await answering(endpoint);
  return {
    kind: 'conclave',
    endpoint,
    async [Symbol.asyncDispose]() {
      await Promise.all([...members.map((member) => member.stop()), server.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function startEtcd(path: string, options: StartOptions = {}): Promise<TestServer> {
  const folder = mkdtempSync(join(options.quick ? quickFolder : tmpdir(), 'etcd-interop-'));
  const [clientPort, peerPort] = (await freePorts(2)) as [number, number];
  const clientUrl = `http://127.0.0.1:${clientPort}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const flags = {
    name: 'default',
    'data-dir': join(folder, 'data'),
    'listen-client-urls': clientUrl,
    'advertise-client-urls': clientUrl,
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster': `default=${peerUrl}`,
    logger: 'zap',
    'log-outputs': '/dev/null',
    ...(options.quick && { 'unsafe-no-fsync': 'true' }),
    ...(options.quotaBytes !== undefined && { 'quota-backend-bytes': `${options.quotaBytes}` }),
    ...(options.cheapPasswords && { 'bcrypt-cost': '4' }),
  };
  const child = spawn(
    path,
    Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    { stdio: 'ignore' },
  );
  const endpoint = `127.0.0.1:${clientPort}`;
  const dispose = async (): Promise<void> => {
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await answering(endpoint, child);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { kind: 'etcd', endpoint, [Symbol.asyncDispose]: dispose };
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** Waits until a linearizable read is answered, which needs a leader. */
async function answering(endpoint: string, child?: ChildProcess): Promise<void> {
  using caller = new Caller(endpoint);
  const request = RangeRequest.create({ key: Buffer.from('health') });
  for (let attempt = 0; attempt < 1200; attempt++) {
    if (child !== undefined && child.exitCode !== null)
      throw new Error(`the server exited with ${child.exitCode}`);
    if ((await caller.unary(services.KV.range, request, { timeoutMs: 2000 })).code === 0) return;
    await sleep(50);
  }
  throw new Error(`no answer from ${endpoint}`);
}
