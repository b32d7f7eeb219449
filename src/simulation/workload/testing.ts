import type { TransportFactory } from '../../client/index.ts';
import type { KeyspaceMachine } from '../../keyspace/index.ts';
import { Member } from '../../member/index.ts';
import type { Entry, RaftCore } from '../../raft/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { serveCalls, simulatedTransport } from '../calls/index.ts';
import { SimulatedDisk } from '../disk/index.ts';
import { SimulatedNetwork } from '../network/index.ts';
import type { Checker, LifeSight, MemberSight } from '../observation.ts';
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import { Draw } from '../world/random.ts';
import { World } from '../world/world.ts';
import { workloadCheckers } from './checkers.ts';
import { ClientWorkload } from './client-workload.ts';
import { History } from './history.ts';
import { drawRates } from './rates.ts';

interface Seat {
  readonly host: Host;
  readonly disk: SimulatedDisk;
  readonly sight: MemberSight;
  process: Process | undefined;
}

/** For tests: a sight of a life whose committed log is filled by hand. */
export class TestingLife implements LifeSight {
  nowUs = 0;
  readonly members: MemberSight[] = [];
  readonly clockDriftRate = 0;
  readonly entries: (Entry | undefined)[] = [];
  readonly #atUs: number[] = [];
  readonly committed: LifeSight['committed'];

  constructor() {
    const lastIndex = (): number => this.entries.length - 1;
    this.committed = {
      get lastIndex() {
        return lastIndex();
      },
      entryAt: (index) => this.entries[index],
      committedAtUs: (index) => this.#atUs[index],
    };
  }

  random(label: string): Draw {
    return new Draw(label.length);
  }

  /** Returns whether it is new. */
  commit(entry: Entry): boolean {
    if (this.entries[entry.index] !== undefined) return false;
    this.entries[entry.index] = entry;
    this.#atUs[entry.index] = this.nowUs;
    return true;
  }
}

export interface TestingClusterOptions {
  readonly leaseReads?: boolean;
  /** Operations that a client sends at once. Default: drawn. */
  readonly burst?: number;
  /** Measures the checkers. */
  readonly clock?: () => number;
  readonly transport?: (runtime: Runtime) => TransportFactory;
}

/** For tests: three members and eight clients on a simulated network, looked on by the checkers of this folder. */
export class TestingCluster {
  readonly world: World;
  readonly history: History;
  readonly workload: ClientWorkload;
  readonly checkers: readonly Checker[];
  readonly network: SimulatedNetwork;
  readonly life = new TestingLife();
  readonly #seats: readonly Seat[];
  failure: unknown;
  /** Host time spent in checkers, where the test gave a clock. */
  checkedMs = 0;
  readonly #clock: () => number;
  readonly #leaseReads: boolean;

  constructor(seed: number, options: TestingClusterOptions = {}) {
    this.#clock = options.clock ?? (() => 0);
    this.#leaseReads = options.leaseReads ?? false;
    this.world = new World({ seed });
    this.network = new SimulatedNetwork(this.world, this.world.random('network'));
    const disks = this.world.random('disks');
    this.history = new History(() => this.world.nowUs);
    this.checkers = workloadCheckers(this.life, this.history, options);
    this.#seats = [0, 1, 2].map((position) => {
      const host = this.world.addHost(`member-${position + 1}`);
      const disk = new SimulatedDisk(this.world, host, disks.fork(host.name));
      const sight = {
        position,
        name: host.name,
        memberId: position + 1,
        raft: undefined,
        keyspace: undefined,
      };
      return { host, disk, sight: sight as unknown as MemberSight, process: undefined };
    });
    this.world.scheduler.onSettled = () => {
      this.life.nowUs = this.world.nowUs;
      this.failure ??= this.history.failure;
      if (this.failure !== undefined) throw this.failure;
    };
    this.workload = new ClientWorkload({
      world: this.world,
      history: this.history,
      endpoints: this.#seats.map(({ host }) => `http://${host.address}:2379`),
      transport: options.transport ?? simulatedTransport,
      equip: (process) =>
        process.attach({
          disk: undefined as unknown as Process['runtime']['disk'],
          network: this.network.of(process),
        }),
      rates: drawRates(this.world.random('rates'), options),
    });
    for (const position of this.#seats.keys()) this.startMember(position);
    this.workload.start();
  }

  host(position: number): Host {
    return (this.#seats[position] as Seat).host;
  }

  killMember(position: number): void {
    this.#seats[position]?.process?.die();
  }

  startMember(position: number): void {
    const seat = this.#seats[position] as Seat;
    const { host, disk } = seat;
    const process = this.world.startProcess(host.name, host);
    process.attach({ disk: disk.of(process), network: this.network.of(process) });
    seat.process = process;
    const sight = seat.sight as { raft: RaftCore | undefined; keyspace: KeyspaceMachine | undefined };
    const { runtime } = process;
    const starting = Member.start({
      name: host.name,
      dataDir: '/data',
      leaseReads: this.#leaseReads,
      peerListenUrls: [`http://${host.address}:2380`],
      clientAdvertiseUrls: [`http://${host.address}:2379`],
      initialCluster: this.#seats.map((one) => ({
        name: one.host.name,
        peerUrls: [`http://${one.host.address}:2380`],
      })),
      runtime,
      observer: {
        recovered: (raft, keyspace) => {
          sight.raft = raft;
          sight.keyspace = keyspace;
        },
        drained: (effects) => {
          this.life.nowUs = this.world.nowUs;
          for (const entry of effects.committed) {
            if (this.life.commit(entry)) this.#tell((checker) => checker.committed?.(entry, seat.sight));
          }
          this.#tell((checker) => checker.drained?.(seat.sight, effects));
        },
        applied: (entry, results) => this.#tell((checker) => checker.applied?.(seat.sight, entry, results)),
      },
    });
    starting
      .then((member) => serveCalls(member, { runtime, address: { host: host.address, port: 2379 } }))
      .catch((error: unknown) => {
        if (process.alive) this.failure ??= error;
      });
  }

  run(ms: number, enough?: () => boolean): Promise<void> {
    return this.world.scheduler.run(this.world.nowUs + ms * 1000, enough);
  }

  /** Ends the work, lets everything come to rest, and asks the checkers for the last time. */
  async finish(): Promise<void> {
    this.workload.stop();
    await this.run(20_000, () => this.workload.pending === 0);
    await this.run(10_000);
    this.#tell((checker) => checker.ended?.());
    if (this.failure !== undefined) throw this.failure;
  }

  #tell(look: (checker: Checker) => void): void {
    const beganMs = this.#clock();
    try {
      for (const checker of this.checkers) look(checker);
    } catch (error) {
      this.failure ??= error;
    }
    this.checkedMs += this.#clock() - beganMs;
  }
}
