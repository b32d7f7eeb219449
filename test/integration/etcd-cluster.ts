// Real etcd members as processes on loopback, with data in a temporary folder, to be killed, paused and run again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CallOptions, GrpcTransport, type TlsOptions } from '../../src/client/index.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';
import {
  type AnyMethod,
  RangeRequest,
  type RequestOf,
  type ResponseOf,
  services,
} from '../../src/wire/index.ts';
import { freePorts } from '../ports.ts';

export interface EtcdMember {
  readonly name: string;
  /** `host:port` of the client side. */
  readonly endpoint: string;
  readonly flags: readonly string[];
  process: ChildProcess | undefined;
}

export class EtcdCluster implements AsyncDisposable {
  readonly members: readonly EtcdMember[];
  readonly #folder: string;
  readonly #path: string;
  readonly #tls: TlsOptions | undefined;

  /** `path`: of the etcd program. `tls`: how to call it, where the flags ask for that. Resolves when all answer. */
  static async start(
    path: string,
    size: number,
    flags: readonly string[] = [],
    tls?: TlsOptions,
  ): Promise<EtcdCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'etcd-test-'));
    const ports = await freePorts(size * 2);
    const peerUrl = (position: number) => `http://127.0.0.1:${ports[size + position]}`;
    const scheme = tls === undefined ? 'http' : 'https';
    const names = Array.from({ length: size }, (_, position) => `e${position + 1}`);
    const initialCluster = names.map((name, position) => `${name}=${peerUrl(position)}`).join(',');
    const members = names.map((name, position): EtcdMember => {
      const endpoint = `127.0.0.1:${ports[position]}`;
      const values = {
        name,
        'data-dir': join(folder, name),
        'listen-client-urls': `${scheme}://${endpoint}`,
        'advertise-client-urls': `${scheme}://${endpoint}`,
        'listen-peer-urls': peerUrl(position),
        'initial-advertise-peer-urls': peerUrl(position),
        'initial-cluster': initialCluster,
        // A killed process loses nothing by that, and on a slow disk no election takes place that no test brought about.
        'unsafe-no-fsync': 'true',
        logger: 'zap',
        'log-outputs': '/dev/null',
      };
      const own = Object.entries(values).map(([flag, value]) => `--${flag}=${value}`);
      return { name, endpoint, flags: [...own, ...flags], process: undefined };
    });
    const cluster = new EtcdCluster(path, folder, members, tls);
    try {
      for (const member of members) cluster.run(member);
      for (const member of members) await cluster.answering(member);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  private constructor(
    path: string,
    folder: string,
    members: readonly EtcdMember[],
    tls: TlsOptions | undefined,
  ) {
    this.#tls = tls;
    this.#path = path;
    this.#folder = folder;
    this.members = members;
  }

  get endpoints(): readonly string[] {
    return this.members.map(({ endpoint }) => endpoint);
  }

  run(member: EtcdMember): void {
    member.process = spawn(this.#path, member.flags, { stdio: 'ignore' });
  }

  async kill(member: EtcdMember): Promise<void> {
    const child = member.process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }

  pause(member: EtcdMember): void {
    member.process?.kill('SIGSTOP');
  }

  resume(member: EtcdMember): void {
    member.process?.kill('SIGCONT');
  }

  /** One call of one member. */
  async call<Method extends AnyMethod>(
    member: EtcdMember,
    method: Method,
    request: RequestOf<Method>,
    options: CallOptions = {},
  ): Promise<ResponseOf<Method>> {
    const runtime = nodeRuntime();
    const transport =
      this.#tls === undefined
        ? new GrpcTransport(member.endpoint, { runtime })
        : new GrpcTransport(`https://${member.endpoint}`, { runtime, tls: this.#tls });
    try {
      return await transport.unary(method, request, { timeoutMs: 20_000, ...options });
    } finally {
      transport.close();
    }
  }

  /** Waits until a linearizable read is answered, which needs a leader. */
  async answering(member: EtcdMember): Promise<void> {
    const request = RangeRequest.create({ key: Buffer.from('health') });
    for (let attempt = 0; attempt < 1200; attempt += 1) {
      const code = member.process?.exitCode;
      if (typeof code === 'number') throw new Error(`${member.name} exited with ${code}`);
      const answered = await this.call(member, services.KV.range, request, { timeoutMs: 2000 }).then(
        () => true,
        () => false,
      );
      if (answered) return;
      await sleep(50);
    }
    throw new Error(`no answer from ${member.endpoint}`);
  }

  /** Waits until a member that runs says that it leads. */
  async leader(): Promise<EtcdMember> {
    for (;;) {
      for (const member of this.members) {
        const asked = this.call(member, services.Maintenance.status, {}, { timeoutMs: 2000 });
        const status = await asked.catch(() => undefined);
        if (status !== undefined && status.leader !== 0n && status.leader === status.header?.memberId)
          return member;
      }
      await sleep(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const member of this.members) {
      this.resume(member);
      await this.kill(member);
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}
