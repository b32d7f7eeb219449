import type { Network } from '../../runtime/types.ts';
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import type { World } from '../world/world.ts';
import { Breaks } from './breaks.ts';
import { type NetworkCounts, noCounts } from './counts.ts';
import { describeFrame } from './describe-frame.ts';
import type { Acceptor } from './dial.ts';
import type { End } from './end.ts';
import type { Fabric } from './fabric.ts';
import type { WireFrame } from './frame-cutter.ts';
import { Link } from './link.ts';
import { ProcessNetwork, type Wiring } from './process-network.ts';

export interface SimulatedNetworkOptions {
  /** Connections to this port carry peer frames, so that single Raft messages can get lost. Default 2380. */
  readonly peerPort?: number;
  /** How long TCP tries to get something through before the connection ends as 'broken', ms. Default 20,000. */
  readonly giveUpMs?: number;
}

/** Gets each Raft message as it leaves the sending process, before anything can happen to it. Must not throw. */
export type WireTap = (fromHost: string, toHost: string, frame: WireFrame) => void;

export type WaitTap = (from: string, bytes: number, betweenPeers: boolean) => void;

export interface BreakOptions {
  /** Only connections between these two hosts. Default: all. */
  readonly between?: readonly [Host, Host];
  /**
   * `both` ends see it as 'broken'. `one` does, drawn for each connection; the other gets an RST for what it sends
   * next. `none`: nothing passes any more, until TCP gives up.
   */
  readonly seenBy: 'both' | 'one' | 'none';
}

/** The network of one world: reliable ordered streams over links that can be slow, lossy and cut. */
export class SimulatedNetwork {
  readonly counts: NetworkCounts = noCounts();
  /** Gets how much waits on a connection whenever that is more than before. Must not throw. */
  onWaiting: WaitTap | undefined;
  /** For who judges what is bound to connections. */
  readonly breaks: Breaks;
  onFrame: WireTap | undefined;
  readonly #world: World;
  readonly #random: Draw;
  readonly #wiring: Wiring;
  readonly #links = new Map<Host, Map<Host, Link>>();
  readonly #down = new Set<Host>();
  readonly #views = new Map<Process, ProcessNetwork>();
  /** By the end that dialled. */
  readonly #connections = new Map<End, End>();
  #nextPort = 40_000;

  constructor(world: World, random: Draw, options: SimulatedNetworkOptions = {}) {
    this.#world = world;
    this.#random = random;
    this.breaks = new Breaks(() => world.nowUs);
    this.#wiring = {
      fabric: this.#fabric((options.giveUpMs ?? 20_000) * 1000),
      peerPort: options.peerPort ?? 2380,
      isDown: (host) => this.#down.has(host),
      link: (from, to) => this.link(from, to),
      hostAt: (name) => world.hosts.find((host) => host.address === name || host.name === name),
      freePort: () => this.#nextPort++,
      acceptors: new Map<string, Acceptor>(),
      opened: (near, far) => this.#opened(near, far),
    };
  }

  /** What the process's program gets as its network. */
  of(process: Process): Network {
    let view = this.#views.get(process);
    if (view === undefined) {
      this.powerReturns(process.host);
      view = new ProcessNetwork(this.#wiring, process);
      this.#views.set(process, view);
      process.onDeath.push(() => this.#views.delete(process));
    }
    return view;
  }

  /** The way from one host to another: change its faults at any time. */
  link(from: Host, to: Host): Link {
    let row = this.#links.get(from);
    if (row === undefined) {
      row = new Map();
      this.#links.set(from, row);
    }
    let link = row.get(to);
    if (link === undefined) {
      link = new Link(from, to, (host) => this.#down.has(host));
      row.set(to, link);
    }
    return link;
  }

  /** Cuts between hosts of different groups, both ways; hosts in no group reach all. What was cut before stays so. */
  partition(groups: readonly (readonly Host[])[]): void {
    groups.forEach((group, position) => {
      for (const other of groups.slice(position + 1)) {
        for (const a of group) {
          for (const b of other) {
            this.link(a, b).cut = true;
            this.link(b, a).cut = true;
          }
        }
      }
    });
  }

  /** `in`: nothing reaches the host. `out`: nothing that it sends reaches another. */
  isolate(host: Host, direction: 'in' | 'out' | 'both'): void {
    for (const other of this.#world.hosts) {
      if (other === host) continue;
      if (direction !== 'out') this.link(other, host).cut = true;
      if (direction !== 'in') this.link(host, other).cut = true;
    }
  }

  /** Both sides reach the hosts of the bridge and not each other. */
  bridge(over: Host, left: readonly Host[], right: readonly Host[]): void {
    const others = (side: readonly Host[]): Host[] => side.filter((host) => host !== over);
    this.partition([others(left), others(right)]);
  }

  /** Ends all cuts. */
  heal(): void {
    for (const row of this.#links.values()) for (const link of row.values()) link.cut = false;
  }

  /** Ends all cuts, losses and delays. */
  calm(): void {
    this.heal();
    for (const row of this.#links.values()) for (const link of row.values()) link.calm();
  }

  /** Call it before its processes die: then nobody is told that they did, until the power returns. */
  powerFails(host: Host): void {
    this.#down.add(host);
  }

  /** From now on the host answers by RST for what it does not remember. The next process on it implies it. */
  powerReturns(host: Host): void {
    this.#down.delete(host);
  }

  /** Connections that stand at either end. */
  get openConnections(): number {
    return this.#connections.size;
  }

  /** Returns how many were broken. */
  breakConnections(options: BreakOptions): number {
    let broken = 0;
    for (const [near, far] of [...this.#connections]) {
      if (near.closed || far.closed || !isBetween(near, far, options.between)) continue;
      broken += 1;
      this.#break(near, far, options.seenBy);
    }
    return broken;
  }

  #break(near: End, far: End, seenBy: BreakOptions['seenBy']): void {
    if (seenBy === 'none') {
      this.counts.brokenForNone += 1;
      near.outgoing.severed = true;
      far.outgoing.severed = true;
    } else if (seenBy === 'one') {
      this.counts.brokenForOne += 1;
      (this.#random.chance(0.5) ? near : far).breakOff();
    } else {
      this.counts.brokenForBoth += 1;
      near.breakOff();
      far.breakOff();
    }
  }

  #opened(near: End, far: End): void {
    this.#connections.set(near, far);
    near.keepAlive();
    far.keepAlive();
    this.#views.get(near.process)?.own(near);
    this.#views.get(far.process)?.own(far);
  }

  #closed(end: End): void {
    this.#views.get(end.process)?.disown(end);
    const other = end.outgoing.to;
    if (!other.closed) return;
    this.#connections.delete(end);
    this.#connections.delete(other);
  }

  #fabric(giveUpUs: number): Fabric {
    const world = this.#world;
    return {
      scheduler: world.scheduler,
      random: this.#random,
      counts: this.counts,
      giveUpUs,
      note: (who, text) => world.note(who, text),
      sends: (chunks) => world.trace.mixBytes(chunks),
      leaves: (from, to, frame) => {
        this.counts.raftMessages += 1;
        this.onFrame?.(from.process.host.name, to.process.host.name, frame);
        world.note(from.process.name, () => `to ${to.process.name}: ${describeFrame(frame)}`);
      },
      noteFrame: (from, frame, fate) =>
        world.note(
          from.process.name,
          () => `${fate} on its way to ${from.remote.host}: ${describeFrame(frame)}`,
        ),
      closed: (end) => this.#closed(end),
      waits: (bytes, { process }, betweenPeers) => this.onWaiting?.(process.name, bytes, betweenPeers),
      breaks: (process) => this.breaks.happens(process),
      tellsOfBreak: (process, brokenUs) => this.breaks.told(process, brokenUs),
    };
  }
}

function isBetween(near: End, far: End, hosts: BreakOptions['between']): boolean {
  if (hosts === undefined) return true;
  const [a, b] = [near.process.host, far.process.host];
  return (a === hosts[0] && b === hosts[1]) || (a === hosts[1] && b === hosts[0]);
}
