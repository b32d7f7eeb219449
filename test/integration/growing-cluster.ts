// Members as real processes of `conclave serve` that join and leave; changes are asked for by `conclave member`.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ConclaveClient, connectClient } from '../../src/client/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import type { Member, MemberStateResponse } from '../../src/wire/index.ts';
import { freePorts } from '../ports.ts';
import { Conclave, run } from './cli.ts';

export interface Seat {
  readonly name: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
  dataDir: string;
  /** As it was started last. */
  initial: readonly string[];
  process: Conclave | undefined;
}

export class GrowingCluster implements AsyncDisposable {
  readonly seats: readonly Seat[];
  readonly client: ConclaveClient;
  readonly #folder: string;
  readonly #flags: readonly string[];

  /** `voters` of the seats make the cluster. Resolves when all of them know their leader. */
  static async start(seats: number, voters: number, flags: readonly string[] = []): Promise<GrowingCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'conclave-membership-'));
    const ports = await freePorts(seats * 2);
    const cluster = new GrowingCluster(
      folder,
      Array.from({ length: seats }, (_, position): Seat => {
        const name = `m${position + 1}`;
        const [client, peer] = [ports[2 * position], ports[2 * position + 1]];
        const clientUrl = `http://127.0.0.1:${client}`;
        const peerUrl = `http://127.0.0.1:${peer}`;
        return { name, clientUrl, peerUrl, dataDir: join(folder, name), initial: [], process: undefined };
      }),
      flags,
    );
    const first = cluster.seats.slice(0, voters);
    const initialCluster = first.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
    for (const seat of first) cluster.run(seat, ['--initial-cluster', initialCluster]);
    for (const seat of first) await cluster.until(seat, ({ leader }) => leader !== 0);
    await cluster.leader();
    return cluster;
  }

  private constructor(folder: string, seats: readonly Seat[], flags: readonly string[]) {
    this.#folder = folder;
    this.#flags = flags;
    this.seats = seats;
    this.client = connectClient({ endpoints: seats.map(({ clientUrl }) => clientUrl), timeoutMs: 60_000 });
  }

  seat(position: number): Seat {
    return this.seats[position] as Seat;
  }

  /** `initial`: its initial cluster and state; as the last time where they are left out. */
  run(seat: Seat, initial = seat.initial): void {
    seat.initial = initial;
    seat.process = new Conclave([
      ...['serve', '--name', seat.name, '--data-dir', seat.dataDir, ...initial, ...this.#flags],
      ...['--listen-client-urls', seat.clientUrl, '--advertise-client-urls', seat.clientUrl],
      ...['--listen-peer-urls', seat.peerUrl, '--initial-advertise-peer-urls', seat.peerUrl],
    ]);
  }

  get running(): Seat[] {
    return this.seats.filter(({ process }) => process?.running === true);
  }

  async kill(seat: Seat): Promise<void> {
    seat.process?.process.kill('SIGKILL');
    await seat.process?.ended;
  }

  /** Runs `conclave member …` or another command against the members that run. */
  async command(...words: string[]): Promise<string> {
    const endpoints = this.running.map(({ clientUrl }) => clientUrl).join(',');
    const { code, stdout, stderr } = await run([...words, '--endpoints', endpoints, '--timeout', '60s']);
    if (code !== 0) throw new Error(`conclave ${words.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** Adds the member and starts it with what `member add` printed; resolves when it has everything. */
  async join(seat: Seat, ...flags: string[]): Promise<void> {
    this.#runAsTold(
      seat,
      await this.command('member', 'add', seat.name, '--peer-urls', seat.peerUrl, ...flags),
    );
    await this.caughtUp(seat);
  }

  /** Of a member whose folder is lost. */
  async replace(seat: Seat): Promise<void> {
    const printed = await this.command('member', 'replace', seat.name);
    seat.dataDir = `${seat.dataDir}-new`;
    this.#runAsTold(seat, printed);
    await this.caughtUp(seat);
  }

  #runAsTold(seat: Seat, printed: string): void {
    const value = (variable: string) =>
      new RegExp(`^CONCLAVE_${variable}="(.*)"$`, 'm').exec(printed)?.[1] ?? '';
    const cluster = ['--initial-cluster', value('INITIAL_CLUSTER')];
    this.run(seat, [...cluster, '--initial-cluster-state', value('INITIAL_CLUSTER_STATE')]);
  }

  async caughtUp(seat: Seat): Promise<void> {
    const { commitIndex } = await this.until(await this.leader(), () => true);
    await this.until(seat, (state) => state.leader !== 0 && state.appliedIndex >= commitIndex);
  }

  async leader(not?: Seat): Promise<Seat> {
    for (;;) {
      for (const seat of this.running) {
        if (seat === not) continue;
        const state = await this.state(seat).catch(() => undefined);
        if (state?.role === 'leader') return seat;
      }
      await sleep(50);
    }
  }

  async state(seat: Seat): Promise<MemberStateResponse> {
    await using client = connectClient({ endpoints: [seat.clientUrl], timeoutMs: 2000 });
    return await client.memberState();
  }

  async until(seat: Seat, condition: (state: MemberStateResponse) => boolean): Promise<MemberStateResponse> {
    for (;;) {
      if (seat.process?.running === false) throw new Error(`${seat.name} ended: ${seat.process.stderr}`);
      const state = await this.state(seat).catch(() => undefined);
      if (state !== undefined && condition(state)) return state;
      await sleep(50);
    }
  }

  /** As one member has it. */
  async membersBy(seat: Seat): Promise<readonly Member[]> {
    await using client = connectClient({ endpoints: [seat.clientUrl], timeoutMs: 20_000 });
    return await client.memberList({ serializable: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    for (const { process } of this.seats) await process?.[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Writes one key after the other until it is stopped, and knows which writes were acknowledged. */
export class Writer {
  readonly acknowledged: string[] = [];
  readonly #client: ConclaveClient;
  readonly #done: Promise<void>;
  #stopped = false;

  constructor(client: ConclaveClient) {
    this.#client = client;
    this.#done = this.#write();
  }

  async #write(): Promise<void> {
    for (let number = 0; !this.#stopped; number++) {
      const key = `w/${String(number).padStart(8, '0')}`;
      try {
        await this.#client.put(key, String(number), { timeoutMs: 20_000 });
        this.acknowledged.push(key);
      } catch (error) {
        if (!ConclaveError.is(error)) throw error;
      }
      await sleep(5);
    }
  }

  /** Resolves once so many more were acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.length + count;
    while (this.acknowledged.length < goal) await sleep(5);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }
}

/** Keys that were acknowledged and that this member does not have. */
export async function missing(seat: Seat, acknowledged: readonly string[]): Promise<string[]> {
  await using client = connectClient({ endpoints: [seat.clientUrl], timeoutMs: 60_000 });
  const range = { key: Buffer.from('w/'), rangeEnd: Buffer.from('w0'), keysOnly: true };
  const { kvs } = await client.range(range);
  const there = new Set(kvs.map(({ key }) => Buffer.from(key).toString()));
  return acknowledged.filter((key) => !there.has(key));
}
