import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../src/cli/dev/ports.ts';
import { GrpcTransport } from '../src/client/index.ts';
import { nodeRuntime } from '../src/runtime/index.ts';
import { services } from '../src/wire/index.ts';
import type { CertificateFiles } from '../test/certificates.ts';

/** What is published, not the sources: type stripping alone would cost a member 30 MiB. */
const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const encoder = new TextEncoder();

export type Kind = 'conclave' | 'etcd';

export function onPath(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export interface SystemMember {
  readonly name: string;
  readonly clientUrl: string;
  readonly command: readonly string[];
  process: ChildProcess;
}

/** Three members of one of the two systems, as processes on loopback with data on disk. */
export class System implements AsyncDisposable {
  readonly kind: Kind;
  readonly members: SystemMember[];
  readonly folder: string;

  /** `certificate`: clients connect by TLS, with this one. */
  static async start(
    kind: Kind,
    flags: readonly string[] = [],
    size = 3,
    certificate?: CertificateFiles,
    nodeFlags: readonly string[] = [],
  ): Promise<System> {
    const folder = await mkdtemp(join(tmpdir(), `bench-${kind}-`));
    const ports = await freePorts(size * 2);
    const url = (position: number) => `http://127.0.0.1:${ports[position]}`;
    const clientUrlOf = (position: number) =>
      certificate === undefined ? url(position) : url(position).replace('http:', 'https:');
    const secure =
      certificate === undefined
        ? []
        : ['--cert-file', certificate.certificateFile, '--key-file', certificate.keyFile];
    const cluster = Array.from(
      { length: size },
      (_, position) => `m${position}=${url(size + position)}`,
    ).join(',');
    const members = Array.from({ length: size }, (_, position): SystemMember => {
      const own = [
        '--name',
        `m${position}`,
        '--data-dir',
        join(folder, `m${position}`),
        '--initial-cluster',
        cluster,
      ];
      const clientUrl = clientUrlOf(position);
      const client = ['--listen-client-urls', clientUrl, '--advertise-client-urls', clientUrl, ...secure];
      const peer = [
        '--listen-peer-urls',
        url(size + position),
        '--initial-advertise-peer-urls',
        url(size + position),
      ];
      const program =
        kind === 'etcd'
          ? ['etcd', '--log-level', 'error']
          : [process.execPath, ...nodeFlags, main, 'serve', '--log-level', 'error'];
      const command = [...program, ...own, ...client, ...peer, ...flags];
      return { name: `m${position}`, clientUrl, command, process: launch(command) };
    });
    const system = new System(kind, members, folder);
    await system.healthy();
    return system;
  }

  private constructor(kind: Kind, members: SystemMember[], folder: string) {
    this.kind = kind;
    this.members = members;
    this.folder = folder;
  }

  /** Waits until every member knows the same leader, and gives it. */
  async healthy(): Promise<SystemMember> {
    for (;;) {
      const leaders = await Promise.all(this.members.map((member) => leaderSeenBy(member.clientUrl)));
      const own = leaders.findIndex((seen) => seen?.isSelf);
      const agreed = leaders.every(
        (seen) => seen !== undefined && seen.leader !== 0n && seen.leader === leaders[0]?.leader,
      );
      if (agreed && own >= 0) return this.members[own] as SystemMember;
      await pause(50);
    }
  }

  /** Ends the process and waits for its end. */
  async end(member: SystemMember, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    if (member.process.exitCode !== null || member.process.signalCode !== null) return;
    const ended = once(member.process, 'exit');
    member.process.kill(signal);
    await ended;
  }

  async restart(member: SystemMember): Promise<void> {
    await this.end(member);
    member.process = launch(member.command);
    await this.healthy();
    // Followers catch up and connections settle: a trial should not begin in the wake of the one before.
    await pause(500);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members) {
      member.process.kill('SIGCONT');
      await this.end(member);
    }
    await rm(this.folder, { recursive: true, force: true });
  }
}

function launch(command: readonly string[]): ChildProcess {
  const [program, ...rest] = command;
  return spawn(program as string, rest, {
    stdio: ['ignore', 'ignore', process.env.BENCH_VERBOSE ? 'inherit' : 'ignore'],
  });
}

async function leaderSeenBy(clientUrl: string): Promise<{ leader: bigint; isSelf: boolean } | undefined> {
  const transport = connect(clientUrl);
  try {
    const status = await transport.unary(services.Maintenance.status, {}, { timeoutMs: 1000 });
    return { leader: status.leader, isSelf: status.leader === status.header?.memberId };
  } catch {
    return undefined;
  } finally {
    transport.close();
  }
}

export function connect(clientUrl: string): GrpcTransport {
  // Certificates of a benchmark are nobody's.
  const tls = clientUrl.startsWith('https:') ? { tls: { insecureSkipVerify: true } } : {};
  return new GrpcTransport(clientUrl, { runtime: nodeRuntime(), ...tls });
}

export function put(transport: GrpcTransport, key: string, timeoutMs = 10_000): Promise<unknown> {
  const request = {
    key: encoder.encode(key),
    value: encoder.encode('value'),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  };
  return transport.unary(services.KV.put, request, { timeoutMs });
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
