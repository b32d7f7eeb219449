import type { RaftEffects } from '../../raft/index.ts';
import { SimulatedDisk } from '../disk/index.ts';
import { SimulatedNetwork } from '../network/index.ts';
import type { Draw } from '../world/random.ts';
import { eventKinds } from '../world/scheduler.ts';
import { World } from '../world/world.ts';
import { Seat } from './seat.ts';
import { defaultHeartbeatMs, type ElectionSettings } from './settings.ts';

const size = 5;
const peerPort = 2380;
/** There and back: 15 ms. */
const slowLink = { latencyUs: 7300, jitterUs: 200 };
/** Two writes, one after the other: 15 ms. */
const slowDisk = 18;
const lookEveryMs = 40;
const startWithinUs = 1_000_000;

/** Five members, and what an omniscient observer does to them. */
export class ElectionCluster {
  readonly random: Draw;
  /** How often anybody became leader. */
  elections = 0;
  readonly #world: World;
  readonly #network: SimulatedNetwork;
  readonly #seats: readonly Seat[];
  #electedAtUs: number | undefined;
  #awaitsHeartbeat: { readonly from: Seat; readonly heard: () => void } | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(settings: ElectionSettings, seed: number) {
    const world = new World({ seed });
    this.#world = world;
    this.random = world.random('experiment');
    this.#network = new SimulatedNetwork(world, world.random('network'));
    const hosts = Array.from({ length: size }, (_, position) => world.addHost(`member-${position + 1}`));
    const initialCluster = hosts.map(({ name, address }) => ({
      name,
      peerUrls: [`http://${address}:${peerPort}`],
    }));
    const [leastMs, mostMs] = settings.timeoutsMs ?? [];
    this.#seats = hosts.map((host) => {
      const disk = new SimulatedDisk(world, host, world.random(`disk of ${host.name}`));
      if (settings.broadcast === 'disks') disk.faults.slowness = slowDisk;
      return new Seat({
        ...{ world, network: this.#network, host, disk },
        options: {
          ...{ name: host.name, dataDir: '/data', initialCluster, clientAdvertiseUrls: [] },
          peerListenUrls: [`http://${host.address}:${peerPort}`],
          heartbeatIntervalMs: defaultHeartbeatMs,
          ...(leastMs !== undefined && { electionTimeoutMs: leastMs }),
        },
        spread: leastMs === undefined || mostMs === undefined ? 1 : mostMs / leastMs - 1,
        onDrained: (seat, effects) => this.#drained(seat, effects),
        onFailure: (error) => {
          this.#failure ??= { error };
        },
      });
    });
    if (settings.broadcast === 'network') {
      for (const from of hosts) {
        for (const to of hosts) if (from !== to) Object.assign(this.#network.link(from, to), slowLink);
      }
    }
    // Not all at once: without randomness in their timeouts they would never elect anybody.
    for (const seat of this.#seats) {
      world.scheduler.after(this.random.below(startWithinUs), eventKinds.world, undefined, () =>
        seat.start(),
      );
    }
  }

  get nowMs(): number {
    return this.#world.nowUs / 1000;
  }

  followersOf(leader: Seat): Seat[] {
    return this.#seats.filter((seat) => seat !== leader);
  }

  /** Everybody runs, follows this leader and has the same log. */
  #agreedLeader(): Seat | undefined {
    const leader = this.#seats.find((seat) => seat.raft?.status().role === 'leader');
    const status = leader?.raft?.status();
    if (status === undefined) return undefined;
    const agreed = this.#seats.every((seat) => {
      const own = seat.raft?.status();
      if (own === undefined || own.leader !== status.leader || own.term !== status.term) return false;
      return own.commitIndex === status.lastIndex && own.lastIndex === status.lastIndex;
    });
    return agreed ? leader : undefined;
  }

  /** The leader on which all, connected with all, have agreed for `forMs`; undefined: none by `withinMs`. */
  async settle(forMs: number, withinMs: number): Promise<Seat | undefined> {
    const endMs = this.nowMs + withinMs;
    let since: { readonly leader: Seat; readonly atMs: number; readonly elections: number } | undefined;
    while (this.nowMs < endMs) {
      await this.pass(lookEveryMs);
      const leader = this.#agreedLeader();
      if (leader === undefined) since = undefined;
      else if (since?.leader !== leader || since.elections !== this.elections)
        since = { leader, atMs: this.nowMs, elections: this.elections };
      else if (this.nowMs - since.atMs >= forMs && this.#seats.every((seat) => seat.connected)) return leader;
    }
    return undefined;
  }

  async pass(ms: number, enough?: () => boolean): Promise<void> {
    await this.#world.scheduler.run(this.#world.nowUs + Math.round(ms * 1000), enough);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** An entry that reaches a majority and not `without`. False: the leader lost its place over it. */
  async commitWithout(leader: Seat, without: readonly Seat[]): Promise<boolean> {
    const before = leader.raft?.status().lastIndex ?? 0;
    const links = without.map((seat) => this.#network.link(leader.host, seat.host));
    for (const link of links) link.lossRate = 1;
    leader.propose();
    const others = this.#seats.filter((seat) => !without.includes(seat));
    await this.pass(1000, () => {
      if (others.some((seat) => seat.raft?.status().lastIndex === before)) return false;
      return (leader.raft?.status().commitIndex ?? 0) > before;
    });
    for (const link of links) link.lossRate = 0;
    return leader.raft?.status().role === 'leader' && (leader.raft?.status().commitIndex ?? 0) > before;
  }

  /** Lets the next broadcast of heartbeats out and then keeps the leader still. False: it had none to send. */
  async freezeAfterHeartbeat(leader: Seat): Promise<boolean> {
    let frozen = false;
    const heard = (): void => {
      this.#awaitsHeartbeat = undefined;
      // The messages leave in this very step.
      leader.process?.pause();
      frozen = true;
    };
    this.#awaitsHeartbeat = { from: leader, heard };
    await this.pass(1000, () => frozen);
    this.#awaitsHeartbeat = undefined;
    return frozen;
  }

  /** True ms from now until a member becomes leader; Infinity: longer than `withinMs`. */
  async untilElected(withinMs: number): Promise<number> {
    const fromUs = this.#world.nowUs;
    this.#electedAtUs = undefined;
    await this.pass(withinMs, () => this.#electedAtUs !== undefined);
    return this.#electedAtUs === undefined ? Number.POSITIVE_INFINITY : (this.#electedAtUs - fromUs) / 1000;
  }

  #drained(seat: Seat, effects: RaftEffects): void {
    if (effects.state?.role === 'leader') {
      this.elections += 1;
      this.#electedAtUs ??= this.#world.nowUs;
    }
    if (this.#awaitsHeartbeat?.from !== seat) return;
    const heartbeats = effects.messages.filter(({ type }) => type === 'heartbeat');
    if (heartbeats.length === size - 1) this.#awaitsHeartbeat.heard();
  }
}
