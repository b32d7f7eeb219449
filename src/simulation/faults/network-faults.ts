import type { Link } from '../network/index.ts';
import type { Host } from '../world/host.ts';
import { Draw } from '../world/random.ts';
import { eventKinds } from '../world/scheduler.ts';
import type { Overlaps } from './overlaps.ts';
import type { Fault } from './schedule.ts';
import { candidateFor, memberFor, nothingToUndo, type Strike, type Targets } from './targets.ts';

/** Cuts that overlap: a link passes again when the last of them is undone. */
export class Cuts {
  readonly #targets: Targets;
  readonly #cuts = new Map<Host, Map<Host, number>>();

  constructor(targets: Targets) {
    this.#targets = targets;
  }

  /** Returns how to undo it. */
  cut(pairs: readonly (readonly [Host, Host])[]): () => void {
    for (const [from, to] of pairs) this.#change(from, to, 1);
    return () => {
      for (const [from, to] of pairs) this.#change(from, to, -1);
    };
  }

  #change(from: Host, to: Host, by: number): void {
    const row = this.#cuts.get(from) ?? new Map<Host, number>();
    this.#cuts.set(from, row);
    const count = (row.get(to) ?? 0) + by;
    row.set(to, count);
    this.#targets.network.link(from, to).cut = count > 0;
  }
}

/** What lasts of the faults that struck. */
export interface Lasting {
  readonly cuts: Cuts;
  readonly overlaps: Overlaps;
}

export function strikeNetwork(fault: Fault, targets: Targets, lasting: Lasting): Strike {
  const { cuts } = lasting;
  const { network, world } = targets;
  const random = new Draw(fault.how);
  const member = memberFor(fault, targets);
  const others = world.hosts.filter((host) => host !== member.host);
  switch (fault.kind) {
    case 'partition':
      return cuts.cut(between(random.shuffled(world.hosts), targets, member.host, random));
    case 'isolate':
      return cuts.cut(others.flatMap((host) => bothWays(host, member.host)));
    case 'isolate-from-members':
      return isolateFromMembers(targets, member.host, random, lasting, fault.durationMs);
    case 'one-way':
      return cuts.cut(
        others.map((host): [Host, Host] => (fault.how % 2 === 0 ? [host, member.host] : [member.host, host])),
      );
    case 'bridge':
      return bridge(targets, member.host, cuts);
    case 'cut-link': {
      const other = random.pick(others);
      const ways = bothWays(other, member.host);
      return cuts.cut(random.chance(0.5) ? ways : ways.slice(0, 1));
    }
    case 'slow-link':
      return slowDown(targets, member.host, random, lasting);
    case 'break-connections':
      return broken(network.breakConnections({ ...around(targets, member.host, random), seenBy: 'both' }));
    case 'break-one-end':
      return broken(network.breakConnections({ ...around(targets, member.host, random), seenBy: 'one' }));
    case 'break-silently':
      return broken(network.breakConnections({ ...around(targets, member.host, random), seenBy: 'none' }));
    default:
      return strikeCandidate(fault, targets, lasting);
  }
}

/** Between a candidate and all members. */
function strikeCandidate(fault: Fault, targets: Targets, lasting: Lasting): Strike {
  const host = candidateFor(fault, targets)?.host;
  if (host === undefined) return undefined;
  const random = new Draw(fault.how);
  const all = targets.members.map((member) => member.host);
  // Now and then one of them only: it goes on with another, and the one hears of it late.
  const members = random.chance(0.7) ? all : [random.pick(all)];
  switch (fault.kind) {
    case 'isolate-candidate':
      return isolateCandidate(targets, lasting, { host, members, random });
    case 'slow-candidate':
      return slow(lasting, linksBetween(targets, host, members), {
        latencyUs: random.between(100, 800) * 1000,
      });
    case 'break-candidate':
      return brokenTo(targets, host, members, 'both');
    case 'break-candidate-end':
      return brokenTo(targets, host, members, random.pick(['one', 'one', 'none'] as const));
    default:
      return undefined;
  }
}

/** At once, or after a while in which what the members answer comes late: then it was last heard long before it knows. */
function isolateCandidate(
  targets: Targets,
  lasting: Lasting,
  { host, members, random }: { host: Host; members: readonly Host[]; random: Draw },
): Strike {
  const ways = random.pick([[0, 1], [0, 1], [0], [1]]);
  const pairs = members.flatMap((member) => ways.map((way) => bothWays(host, member)[way] as [Host, Host]));
  if (random.chance(0.5)) return lasting.cuts.cut(pairs);
  const latencyUs = random.between(100, 900) * 1000;
  const afterUs = random.between(300_000, 1_500_000);
  const late = members.map((member) => targets.network.link(member, host));
  return slowThenCut(targets, lasting, { late, latencyUs, afterUs, pairs });
}

/**
 * Clients still reach it, and it takes what they ask. At once, or after a while in which the others' answers come late:
 * then what a leader heard last was true long before.
 */
function isolateFromMembers(
  targets: Targets,
  host: Host,
  random: Draw,
  lasting: Lasting,
  durationMs: number,
): Strike {
  const others = targets.members.map((member) => member.host).filter((other) => other !== host);
  const pairs = others.flatMap((other) => bothWays(other, host));
  if (random.chance(0.5)) return lasting.cuts.cut(pairs);
  const latencyUs = random.between(20, 300) * 1000;
  const afterUs = durationMs * random.between(300, 600);
  const late = others.map((other) => targets.network.link(other, host));
  return slowThenCut(targets, lasting, { late, latencyUs, afterUs, pairs });
}

interface SlowThenCut {
  readonly late: readonly Link[];
  readonly latencyUs: number;
  readonly afterUs: number;
  readonly pairs: readonly (readonly [Host, Host])[];
}

/** What is on its way when the links are cut still arrives. */
function slowThenCut({ world }: Targets, lasting: Lasting, parts: SlowThenCut): Strike {
  const undo = [slow(lasting, parts.late, { latencyUs: parts.latencyUs })];
  const event = world.scheduler.after(parts.afterUs, eventKinds.fault, undefined, () => {
    undo.push(lasting.cuts.cut(parts.pairs));
  });
  return () => {
    world.scheduler.cancel(event);
    for (const each of undo.reverse()) each();
  };
}

function brokenTo(
  { network }: Targets,
  host: Host,
  members: readonly Host[],
  seenBy: 'both' | 'one' | 'none',
): Strike {
  let connections = 0;
  for (const member of members) connections += network.breakConnections({ between: [host, member], seenBy });
  return broken(connections);
}

function broken(connections: number): Strike {
  return connections === 0 ? undefined : nothingToUndo;
}

/** All connections of the world now and then, else those of the member with one other host. */
function around(targets: Targets, host: Host, random: Draw): { between?: readonly [Host, Host] } {
  if (random.chance(0.2)) return {};
  return { between: [host, random.pick(targets.world.hosts.filter((other) => other !== host))] };
}

/** Two sides; the members are split so that the given one is in the smaller part half of the time. */
function between(
  hosts: readonly Host[],
  targets: Targets,
  first: Host,
  random: Draw,
): (readonly [Host, Host])[] {
  const members = targets.members.map((member) => member.host);
  const left = new Set<Host>([first]);
  const rest = random.shuffled(members.filter((host) => host !== first));
  for (const host of rest.slice(0, random.below(members.length - 1))) left.add(host);
  for (const host of hosts) if (!members.includes(host) && random.chance(0.5)) left.add(host);
  const right = hosts.filter((host) => !left.has(host));
  return [...left].flatMap((a) => right.flatMap((b) => bothWays(a, b)));
}

/** The other members reach each other over this one only. */
function bridge(targets: Targets, over: Host, cuts: Cuts): Strike {
  const others = targets.members.map((member) => member.host).filter((host) => host !== over);
  if (others.length < 2) return undefined;
  const half = Math.ceil(others.length / 2);
  const pairs = others.slice(0, half).flatMap((a) => others.slice(half).flatMap((b) => bothWays(a, b)));
  return cuts.cut(pairs);
}

function slowDown(targets: Targets, host: Host, random: Draw, lasting: Lasting): Strike {
  const links = linksBetween(targets, host, targets.world.hosts);
  const latencyUs = random.between(1, 80) * 1000;
  const bytesPerSecond = random.pick([20_000, 200_000, Number.POSITIVE_INFINITY]);
  return slow(lasting, links, { latencyUs, bytesPerSecond });
}

/** Both ways. */
function linksBetween({ network }: Targets, host: Host, others: readonly Host[]): Link[] {
  return others
    .filter((other) => other !== host)
    .flatMap((other) => [network.link(host, other), network.link(other, host)]);
}

function slow(
  { overlaps }: Lasting,
  links: readonly Link[],
  speed: Partial<Pick<Link, 'latencyUs' | 'bytesPerSecond'>>,
): () => void {
  const undo = links.map((link) => overlaps.override(link, speed));
  return () => {
    for (const each of undo) each();
  };
}

function bothWays(a: Host, b: Host): [Host, Host][] {
  return [
    [a, b],
    [b, a],
  ];
}
