import type { TransportFactory } from '../../client/index.ts';
import type { KeyspaceMachine } from '../../keyspace/index.ts';
import { Member } from '../../member/index.ts';
import type { RaftCore } from '../../raft/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { type CallServer, serveCalls, simulatedTransport } from '../calls/index.ts';
import { SharedFolder, SimulatedDisk } from '../disk/index.ts';
import { SimulatedNetwork } from '../network/index.ts';
import type { Checker, CheckerFactory, LifeSight, MemberSight } from '../observation.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import { World } from '../world/world.ts';

export interface StageOptions {
  readonly seed: number;
  /** Default 3. */
  readonly members?: number;
  /** Default 0.01. */
  readonly clockDriftRate?: number;
  /** Default false. */
  readonly keepTrace?: boolean;
}

interface StagedMember {
  sight: MemberSight;
  process: Process;
  served: CallServer | undefined;
}

const clientPort = 2379;
const peerPort = 2380;

/**
 * A healthy cluster in a world of its own, for scenes whose faults befall the candidates only. Of the durable state
 * its sights show nothing.
 */
export class Stage implements LifeSight {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly shared: SharedFolder;
  readonly clockDriftRate: number;
  readonly endpoints: readonly string[];
  readonly committed: LifeSight['committed'] = {
    lastIndex: 0,
    entryAt: () => undefined,
    committedAtUs: () => undefined,
  };
  readonly #members: StagedMember[] = [];
  readonly #checkers: Checker[] = [];
  #failure: unknown;

  constructor(options: StageOptions) {
    const { seed, members = 3, clockDriftRate = 0.01, keepTrace = false } = options;
    this.world = new World({ seed, clockDriftRate, keepTrace });
    this.clockDriftRate = clockDriftRate;
    this.network = new SimulatedNetwork(this.world, this.world.random('network'));
    this.shared = new SharedFolder(this.world, this.world.random('shared folder'));
    const hosts = Array.from({ length: members }, (_none, position) =>
      this.world.addHost(`member-${position + 1}`),
    );
    this.endpoints = hosts.map(({ address }) => `http://${address}:${clientPort}`);
    const cluster = hosts.map(({ name, address }) => ({ name, peerUrls: [`http://${address}:${peerPort}`] }));
    for (const host of hosts) {
      const process = this.world.startProcess(host.name, host);
      const disk = new SimulatedDisk(this.world, host, this.world.random(`disk of ${host.name}`));
      process.attach({ disk: disk.of(process), network: this.network.of(process) });
      this.#start(process, cluster);
    }
    this.world.scheduler.onSettled = () => this.#settled();
  }

  get nowUs(): number {
    return this.world.nowUs;
  }

  get members(): readonly MemberSight[] {
    return this.#members.map(({ sight }) => sight);
  }

  random(label: string): Draw {
    return this.world.random(label);
  }

  check(...factories: readonly CheckerFactory[]): void {
    for (const factory of factories) this.#checkers.push(factory(this));
  }

  /** Lets time pass. Rejects with the first violation. */
  run(ms: number, enough?: () => boolean): Promise<void> {
    return this.world.scheduler.run(this.world.nowUs + ms * 1000, enough);
  }

  /** Rejects when it is not settled within so long. */
  until<T>(promise: Promise<T>, withinMs?: number): Promise<T> {
    return this.world.until(promise, withinMs);
  }

  ended(): void {
    for (const checker of this.#checkers) checker.ended?.();
  }

  transport(runtime: Runtime): TransportFactory {
    return simulatedTransport(runtime);
  }

  /** A disk of its own, and the network. */
  attach(process: Process): void {
    process.attach({ disk: this.shared.of(process), network: this.network.of(process) });
  }

  #settled(): void {
    if (this.#failure !== undefined) throw this.#failure;
    for (const checker of this.#checkers) checker.settled?.();
  }

  #start(process: Process, initialCluster: { name: string; peerUrls: string[] }[]): void {
    const { name, host } = process;
    const position = this.#members.length;
    const sight: { -readonly [key in keyof MemberSight]: MemberSight[key] } = {
      ...{ position, name, memberId: position + 1, life: 1, running: false, damaged: false },
      ...{ raft: undefined, keyspace: undefined, durable: nothing },
    };
    const staged: StagedMember = { sight, process, served: undefined };
    this.#members.push(staged);
    Member.start({
      name,
      dataDir: '/data',
      peerListenUrls: [`http://${host.address}:${peerPort}`],
      clientAdvertiseUrls: [`http://${host.address}:${clientPort}`],
      initialCluster,
      runtime: process.runtime,
      observer: {
        recovered: (raft: RaftCore, keyspace: KeyspaceMachine) => {
          sight.raft = raft;
          sight.keyspace = keyspace;
          sight.running = true;
        },
        applied: (entry, results) => {
          try {
            for (const checker of this.#checkers) checker.applied?.(sight, entry, results);
          } catch (error) {
            this.#failure ??= error;
          }
        },
      },
    })
      .then(async (member) => {
        const address = { host: host.address, port: clientPort };
        staged.served = await serveCalls(member, { address, runtime: process.runtime });
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
      });
  }
}

const nothing: MemberSight['durable'] = {
  ...{ term: 0, votedFor: 0, commitIndex: 0, snapshotIndex: 0, snapshotTerm: 0, lastIndex: 0 },
  entryAt: () => undefined,
};
