import { consensusCheckers } from '../checkers/index.ts';
import { SimulatedCluster } from '../life/cluster.ts';
import { Hub } from '../life/hub.ts';
import { drawCluster } from '../life/settings.ts';
import type { SimulatedMember } from '../life/simulated-member.ts';
import { taps } from '../life/wire-tap.ts';
import { SimulatedNetwork } from '../network/index.ts';
import { violated } from '../observation.ts';
import type { TraceLine } from '../world/trace.ts';
import { World } from '../world/world.ts';
import { mayElect } from './electable.ts';
import { LeaderWatch } from './leader-watch.ts';
import { type LinkGraph, positions } from './link-graph.ts';
import { ClientWriter, memberWriter, type Writer } from './writers.ts';

/** `silence`: what is sent just never arrives. `break`: both ends of each connection over the link see it broken, too. */
export type CutBy = 'silence' | 'break';

export interface GraphLifeOptions {
  readonly graph: LinkGraph;
  readonly seed: number;
  readonly by: CutBy;
  /** Members, as the graph counts them, that hear nothing of the leader for the last moments before the cut. Default: none. */
  readonly lagging?: readonly number[];
  readonly keepTrace?: boolean;
}

export interface GraphLifeResult {
  readonly graph: string;
  readonly seed: number;
  readonly traceHash: string;
  /** As the graph counts members, from 0. */
  readonly quorumConnected: readonly number[];
  /** Members through which writes were acknowledged to the end of the cut: the leader, and those linked with it. */
  readonly served: readonly number[];
  /** From the cut to the first acknowledgement of what was submitted after it at a served member; undefined: none. */
  readonly returnedMs: number | undefined;
  /** Elections won from the cut until progress was there, and in the steady time after it. */
  readonly elections: readonly [returning: number, steady: number];
  /** How much the highest term of any member rose in those two times. */
  readonly terms: readonly [returning: number, steady: number];
  /**
   * Nobody could lead: whoever is connected with a quorum lacks what the others of that quorum have in their logs (raft
   * §5.4.1). Progress is demanded after healing only.
   */
  readonly hindered: boolean;
  /** undefined: everything that was demanded came. */
  readonly failure: string | undefined;
  readonly lines: readonly TraceLine[] | undefined;
}

/** Whoever leads and lost its quorum must find out first, and the election must not be split for ever. */
const returnWithinMs = 15_000;
const settleMs = 3000;
const steadyMs = 8000;
const longestGapMs = 2000;
const withoutQuorumMs = 8000;
/** Connections that TCP holds on to are given up after at most so long. */
const healWithinMs = 30_000;

const claim = {
  name: 'link-graphs',
  claim: 'Wherever a quorum is connected, writes are acknowledged again in bounded time and keep being so.',
};

/** Cuts the links of a cluster down to the graph, sees whether it goes on where it can, and heals it. */
export async function liveGraph(options: GraphLifeOptions): Promise<GraphLifeResult> {
  const life = new GraphLife(options);
  return await life.run();
}

class GraphLife {
  readonly #options: GraphLifeOptions;
  readonly #world: World;
  readonly #hub: Hub;
  readonly #network: SimulatedNetwork;
  readonly #cluster: SimulatedCluster;
  readonly #watch: LeaderWatch;
  /** In the order of the graph's members. */
  #members: readonly SimulatedMember[] = [];
  #writers: readonly Writer[] = [];
  readonly #client: Writer;
  #cutUs = 0;
  #served: readonly number[] = [];
  #returnedMs: number | undefined;
  #hindered = false;
  readonly #elections: [number, number] = [0, 0];
  readonly #terms: [number, number] = [0, 0];

  constructor(options: GraphLifeOptions) {
    const { seed, graph, keepTrace = false } = options;
    this.#options = options;
    const world = new World({ seed, keepTrace });
    this.#world = world;
    this.#hub = new Hub(world, 0);
    this.#network = new SimulatedNetwork(world, world.random('network'));
    const settings = drawCluster(world.random('cluster'), graph.members);
    this.#cluster = new SimulatedCluster({ world, hub: this.#hub, network: this.#network }, settings);
    Object.assign(this.#network, taps(this.#cluster, this.#hub));
    this.#watch = new LeaderWatch(this.#cluster);
    this.#hub.add(...consensusCheckers(settings.queueBounds), () => this.#watch);
    this.#client = new ClientWriter(world, this.#network, this.#cluster).writer;
    world.scheduler.onSettled = () => this.#hub.settled();
  }

  async run(): Promise<GraphLifeResult> {
    let failure: string | undefined;
    try {
      await this.#boot();
      await this.#cut();
      if (this.#options.graph.quorumConnected.length > 0) await this.#goOn();
      else await this.#standStill();
      await this.#heal();
      this.#hub.ended();
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    const { graph, seed } = this.#options;
    return {
      ...{ graph: graph.describe(), seed, traceHash: this.#world.trace.hash },
      ...{ quorumConnected: graph.quorumConnected, served: this.#served, returnedMs: this.#returnedMs },
      ...{
        elections: this.#elections,
        terms: this.#terms,
        hindered: this.#hindered,
        failure,
        lines: this.#world.trace.lines,
      },
    };
  }

  async #boot(): Promise<void> {
    const world = this.#world;
    this.#cluster.start();
    await this.#until(20_000, () => this.#watch.agreed !== undefined, 'a first leader');
    this.#writers = this.#cluster.members.map((member) => memberWriter(world, member));
    // Any moment between two heartbeats, and between a write and its acknowledgement.
    await this.#pass(3000 + world.random('cut').between(0, 300_000) / 1000);
    await this.#until(20_000, () => this.#watch.agreed !== undefined, 'a leader to cut off');
    const leader = this.#watch.agreed as SimulatedMember;
    this.#members = [leader, ...this.#cluster.members.filter((member) => member !== leader)];
    const writers = this.#writers;
    this.#writers = this.#members.map(({ position }) => writers[position] as Writer);
  }

  async #cut(): Promise<void> {
    const { graph, by, lagging = [] } = this.#options;
    const hosts = this.#members.map(({ host }) => host);
    for (const position of lagging) {
      const [leader, host] = [hosts[0], hosts[position]];
      if (leader !== undefined && host !== undefined) this.#network.link(leader, host).cut = true;
    }
    if (lagging.length > 0) await this.#pass(120);
    this.#network.heal();
    for (const [from, host] of hosts.entries()) {
      for (const [to, other] of hosts.entries()) {
        if (graph.reaches(from, to)) continue;
        this.#network.link(host, other).cut = true;
        if (by === 'break') this.#network.breakConnections({ between: [host, other], seenBy: 'both' });
      }
    }
    this.#cutUs = this.#world.nowUs;
    this.#world.note('', () => `the links are cut down to ${graph.describe()}`);
  }

  /** Progress must return and stay. */
  async #goOn(): Promise<void> {
    const world = this.#world;
    await this.#count(0, async () => {
      await world.scheduler.run(world.nowUs + returnWithinMs * 1000, () => this.#isServed());
      this.#hindered = !this.#isServed() && !mayElect(this.#options.graph, this.#members);
      if (this.#hindered) return;
      await this.#until(0, () => this.#isServed(), `writes to be acknowledged again in ${returnWithinMs} ms`);
      this.#returnedMs = (world.nowUs - this.#cutUs) / 1000;
      world.note('', () => 'writes are acknowledged again wherever the leader is linked');
      await this.#pass(settleMs);
      if (!this.#isServed()) await this.#until(returnWithinMs, () => this.#isServed(), 'progress to stay');
    });
    if (this.#hindered) return;
    const served = this.#withinReach();
    const writers = [this.#client, ...served.map((position) => this.#writers[position] as Writer)];
    for (const writer of writers) writer.measure();
    await this.#count(1, () => this.#pass(steadyMs));
    this.#served = served.filter((position) => (this.#writers[position]?.longestGapMs ?? 0) <= longestGapMs);
    if (this.#elections[1] > 0 || this.#terms[1] > 0) {
      const [won, risen] = [this.#elections[1], this.#terms[1]];
      this.#fail(`Leadership does not rest: ${won} elections won and ${risen} terms in ${steadyMs} ms`);
    }
    for (const writer of writers) {
      const { longestGapMs: gapMs, name } = writer;
      if (gapMs > longestGapMs) this.#fail(`${name} had no write acknowledged for ${gapMs} ms`);
    }
  }

  /** Nobody has a quorum: what is submitted from now on must not be acknowledged. */
  async #standStill(): Promise<void> {
    await this.#count(0, () => this.#pass(withoutQuorumMs));
    for (const writer of [this.#client, ...this.#writers]) {
      if (writer.servedSince(this.#cutUs))
        this.#fail(`${writer.name} had a write acknowledged without a quorum`);
    }
  }

  async #heal(): Promise<void> {
    const healedUs = this.#world.nowUs;
    this.#network.heal();
    this.#world.note('', () => 'all links are healed');
    const writers = [this.#client, ...this.#writers];
    const back = (): boolean =>
      this.#watch.agreed !== undefined && writers.every((writer) => writer.servedSince(healedUs));
    await this.#until(healWithinMs, back, 'every member to be served after healing');
    for (const writer of writers) writer.stop();
    await this.#until(5000, () => writers.every(({ idle }) => idle), 'the last writes to end');
    await this.#until(10_000, () => this.#equal(), 'all replicas to be equal');
  }

  /** The leader and those linked with it. */
  #withinReach(): number[] {
    const { newest } = this.#watch;
    if (newest === undefined) return [];
    const leader = this.#members.indexOf(newest);
    const { graph } = this.#options;
    return positions(graph.members).filter((position) => graph.linked(position, leader));
  }

  #isServed(): boolean {
    if (!this.#client.servedSince(this.#cutUs)) return false;
    const reach = this.#withinReach();
    return reach.length > 0 && reach.every((position) => this.#writers[position]?.servedSince(this.#cutUs));
  }

  #equal(): boolean {
    const [first] = this.#members;
    return this.#members.every(
      ({ keyspace, durable }) =>
        keyspace?.appliedIndex === first?.keyspace?.appliedIndex &&
        durable.lastIndex === first?.durable.lastIndex &&
        keyspace?.stateHash() === first?.keyspace?.stateHash(),
    );
  }

  async #count(phase: 0 | 1, during: () => Promise<void>): Promise<void> {
    const { elections, highestTerm } = this.#watch;
    try {
      await during();
    } finally {
      this.#elections[phase] = this.#watch.elections - elections;
      this.#terms[phase] = this.#watch.highestTerm - highestTerm;
    }
  }

  async #pass(ms: number): Promise<void> {
    await this.#world.scheduler.run(this.#world.nowUs + Math.round(ms * 1000));
  }

  async #until(withinMs: number, met: () => boolean, what: string): Promise<void> {
    await this.#world.scheduler.run(this.#world.nowUs + withinMs * 1000, met);
    if (!met()) this.#fail(`Waited for ${withinMs} ms in vain for ${what}`);
  }

  #fail(message: string): never {
    const roles = this.#members.map((member, position) => {
      const status = member.raft?.status();
      if (status === undefined) return `${position + 1} (${member.name}) is down`;
      const { role, term, commitIndex, lastIndex } = status;
      return `${position + 1} (${member.name}) ${role} of term ${term}, commit ${commitIndex}, last ${lastIndex}`;
    });
    violated(claim, `${message}: ${roles.join('; ')}.`);
  }
}
