import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ConclaveClient, connectClient } from '../../src/client/index.ts';
import type { MemberStateResponse } from '../../src/wire/index.ts';
import { freePorts } from '../ports.ts';

/** So that no election takes place that a test does not bring about, however slow the machine. */
export const patientElections = ['--election-timeout', '4000'] as const;

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface ClusterMember {
  readonly name: string;
  readonly clientUrl: string;
  readonly dataDir: string;
  readonly flags: readonly string[];
  process: ChildProcess | undefined;
  output: string;
}

/** Members as real processes of `conclave serve`, on loopback, with data on disk. */
export class TestCluster implements AsyncDisposable {
  readonly folder: string;
  readonly members: readonly ClusterMember[];
  readonly client: ConclaveClient;

  /** Resolves when all members follow one leader: two of three lead and serve before the third one even listens. */
  static async start(size: number, flags: readonly string[] = []): Promise<TestCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'conclave-test-'));
    const ports = await freePorts(size * 2);
    const names = Array.from({ length: size }, (_, position) => `m${position + 1}`);
    const peerUrl = (position: number) => `http://127.0.0.1:${ports[size + position]}`;
    const initialCluster = names.map((name, position) => `${name}=${peerUrl(position)}`).join(',');
    const members = names.map((name, position): ClusterMember => {
      const clientUrl = `http://127.0.0.1:${ports[position]}`;
      const dataDir = join(folder, name);
      const own = ['--name', name, '--data-dir', dataDir, '--initial-cluster', initialCluster];
      const client = ['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl];
      const peer = [
        '--listen-peer-urls',
        peerUrl(position),
        '--initial-advertise-peer-urls',
        peerUrl(position),
      ];
      return {
        name,
        clientUrl,
        dataDir,
        flags: [...own, ...client, ...peer, ...flags],
        process: undefined,
        output: '',
      };
    });
    const cluster = new TestCluster(folder, members);
    for (const member of members) cluster.run(member);
    for (const member of members) await cluster.until(member, ({ leader }) => leader !== 0);
    await cluster.leader();
    return cluster;
  }

  private constructor(folder: string, members: readonly ClusterMember[]) {
    this.folder = folder;
    this.members = members;
    this.client = connectClient({
      endpoints: members.map((member) => member.clientUrl),
      timeoutMs: 30_000,
    });
  }

  run(member: ClusterMember): void {
    const child = spawn(process.execPath, [main, 'serve', ...member.flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    member.process = child;
    member.output = '';
    const collect = (chunk: Buffer) => {
      member.output = (member.output + chunk.toString()).slice(-20_000);
    };
    child.stdout?.on('data', collect);
    child.stderr?.on('data', collect);
  }

  /** Sends the signal and, where it ends the process, waits for the end. */
  async end(member: ClusterMember, signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = member.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
    return child.exitCode;
  }

  pause(member: ClusterMember): void {
    member.process?.kill('SIGSTOP');
  }

  resume(member: ClusterMember): void {
    member.process?.kill('SIGCONT');
  }

  byName(name: string): ClusterMember {
    const member = this.members.find((candidate) => candidate.name === name);
    if (!member) throw new Error(`There is no member ${name}.`);
    return member;
  }

  /** Waits until some member other than `not` leads, and gives it. */
  async leader(not?: ClusterMember): Promise<ClusterMember> {
    for (;;) {
      for (const member of this.members) {
        if (member === not || member.process?.exitCode !== null) continue;
        const state = await this.state(member).catch(() => undefined);
        if (state?.role === 'leader') return member;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async follower(): Promise<ClusterMember> {
    const leader = await this.leader();
    return this.members.find(
      (member) => member !== leader && member.process?.exitCode === null,
    ) as ClusterMember;
  }

  /** The state of one member, by its own word. */
  async state(member: ClusterMember): Promise<MemberStateResponse> {
    await using client = connectClient({ endpoints: [member.clientUrl], timeoutMs: 1000 });
    return await client.memberState();
  }

  /** Waits until the member's state satisfies the condition. */
  async until(
    member: ClusterMember,
    condition: (state: MemberStateResponse) => boolean,
  ): Promise<MemberStateResponse> {
    for (;;) {
      const state = await this.state(member).catch(() => undefined);
      if (state && condition(state)) return state;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    for (const member of this.members) {
      this.resume(member);
      await this.end(member, 'SIGKILL');
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}
