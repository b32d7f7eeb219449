import type { MemberOptions } from '../../member/index.ts';
import type { KnownMember } from '../../member/membership/index.ts';
import { setUp } from '../../member/options.ts';
import { membersOf } from '../../raft/index.ts';
import { DamageRecord, DurableReader, SimulatedDisk } from '../disk/index.ts';
import type { SimulatedNetwork } from '../network/index.ts';
import type { Host } from '../world/host.ts';
import type { World } from '../world/world.ts';
import type { Hub } from './hub.ts';
import { clientPort, dataDir, type MemberSettings, peerPort } from './member-parts.ts';
import type { ClusterSettings } from './settings.ts';
import { SimulatedMember } from './simulated-member.ts';

/** The keyspace that clients see; the first group of every member. */
const firstGroup = 1;

interface ClusterParts {
  readonly world: World;
  readonly hub: Hub;
  readonly network: SimulatedNetwork;
}

/** The members of one life with their hosts and disks. */
export class SimulatedCluster {
  /** All that there ever were. */
  readonly members: readonly SimulatedMember[];
  /** Hosts that members may be added on. */
  readonly spares: readonly Host[];
  /** Of all hosts that ever have a member. */
  readonly endpoints: readonly string[];
  readonly damage: DamageRecord;
  /** The members that the cluster begins with. */
  readonly initialMembers: readonly KnownMember[];
  /** A member stopped for good, since its state is not that of the others. */
  onTakenOut: ((member: SimulatedMember) => void) | undefined;
  readonly #parts: ClusterParts;
  readonly #settings: ClusterSettings;
  readonly #all: SimulatedMember[] = [];
  readonly #clusterId: number;

  constructor(parts: ClusterParts, settings: ClusterSettings) {
    const { world, hub } = parts;
    this.#parts = parts;
    this.#settings = settings;
    const host = (_none: unknown, at: number): Host => world.addHost(`member-${at + 1}`);
    const hosts = Array.from({ length: settings.members }, host);
    const spares = settings.spareHosts ?? 0;
    this.spares = Array.from({ length: spares }, (_none, at) => host(_none, hosts.length + at));
    this.endpoints = [...hosts, ...this.spares].map(({ address }) => `http://${address}:${clientPort}`);
    const initial = hosts.map((each) => ({ name: each.name, peerUrls: [peerUrl(each)] }));
    const first = setUp(memberOptions(hosts[0] as Host, initial, settings));
    this.#clusterId = first.clusterId;
    this.initialMembers = first.members;
    this.members = this.#all;
    for (const each of hosts) {
      const options = memberOptions(each, initial, settings);
      this.#add(each, setUp(options).memberId, options, false);
    }
    this.damage = new DamageRecord(this.members, hub.committed, spares > 0 ? hub.configurations : undefined);
    hub.members = this.members;
    hub.configurations.begin(this.members);
  }

  get leader(): SimulatedMember | undefined {
    return this.members.find((member) => member.leads);
  }

  /** Those that run or may run again. */
  get present(): readonly SimulatedMember[] {
    return this.spares.length === 0 ? this.members : this.members.filter(({ gone }) => !gone);
  }

  /** Those of the last configuration. */
  get lasting(): readonly SimulatedMember[] {
    if (this.spares.length === 0) return this.members;
    const ids = membersOf(this.#parts.hub.configurations.committed.configuration);
    return this.members.filter(({ memberId }) => ids.includes(memberId));
  }

  on(hostName: string): SimulatedMember | undefined {
    return this.members.find(({ name }) => name === hostName);
  }

  start(): void {
    for (const member of this.members) member.start();
  }

  /** A member that the cluster expects on this host. */
  join(host: Host, memberId: number): SimulatedMember {
    return this.#add(host, memberId, this.#joining(host), true);
  }

  /** What is lost for good must not be needed: a quorum is left, with nothing else lost or under way. */
  mayLose(member: SimulatedMember): boolean {
    const { hub } = this.#parts;
    const { configuration, index } = hub.configurations.committed;
    const { voters, outgoing } = configuration;
    if (outgoing !== undefined || voters.length < 3 || !voters.includes(member.memberId)) return false;
    // Whoever is still to be started may be sent a snapshot of one that differs.
    if (!membersOf(configuration).every((id) => this.#all.some(({ memberId }) => memberId === id)))
      return false;
    return this.lasting.every((other) => {
      const isWell = other.running && !other.lost && !other.damaged && !other.diverged;
      return isWell && hub.configurations.of(other).index === index;
    });
  }

  /** A member that differs from the others, and was not taken out yet: as good as lost. */
  get diverged(): SimulatedMember | undefined {
    return this.#all.find((member) => member.diverged && !member.gone);
  }

  #add(host: Host, memberId: number, options: MemberSettings, joined: boolean): SimulatedMember {
    const { world, hub } = this.#parts;
    const position = this.#all.length;
    const disk = new SimulatedDisk(world, host, world.random(`disk of ${host.name}`));
    const durable = new DurableReader({
      ...{ disk, folder: dataDir, clusterId: this.#clusterId, memberId, group: firstGroup },
      onChange: () => this.#changed(hub, position),
    });
    const isRemoved = (): boolean =>
      !membersOf(hub.configurations.committed.configuration).includes(memberId);
    const takenOut = (): void => this.onTakenOut?.(this.members[position] as SimulatedMember);
    const membership = { joined, joining: () => this.#joining(host), isRemoved, takenOut };
    const member = new SimulatedMember({
      ...{ ...this.#parts, host, disk, durable, position, memberId, options },
      membership: this.spares.length > 0 ? membership : undefined,
      damage: () => this.damage,
    });
    this.#all.push(member);
    return member;
  }

  /** As an operator starts a member that was added: with those that are there now. */
  #joining(host: Host): MemberSettings {
    const others = this.present.filter((member) => member.host !== host).map((member) => member.host);
    const known = [host, ...others].map((each) => ({ name: each.name, peerUrls: [peerUrl(each)] }));
    return { ...memberOptions(host, known, this.#settings), initialClusterState: 'existing' };
  }

  #changed(hub: Hub, position: number): void {
    const member = this.members[position];
    if (member === undefined) return;
    this.damage.review();
    hub.durable(member);
  }
}

function peerUrl({ address }: Host): string {
  return `http://${address}:${peerPort}`;
}

function memberOptions(
  host: Host,
  initialCluster: MemberOptions['initialCluster'],
  settings: ClusterSettings,
): MemberSettings {
  const {
    snapshotCount,
    snapshotCatchUpEntries,
    logSegmentBytes,
    heartbeatIntervalMs,
    electionTimeoutMs,
    leaseReads,
    queueBounds,
    compareEveryMs,
    autoCompaction,
  } = settings;
  return {
    ...{ name: host.name, dataDir, heartbeatIntervalMs, leaseReads },
    ...{ snapshotCount, snapshotCatchUpEntries, logSegmentBytes, corruptCheckMs: compareEveryMs },
    peerListenUrls: [peerUrl(host)],
    clientAdvertiseUrls: [`http://${host.address}:${clientPort}`],
    initialCluster,
    // The damage record sees to it that what an empty disk has lost is held by a majority of the others.
    returnsWithoutData: true,
    ...(electionTimeoutMs === undefined ? {} : { electionTimeoutMs }),
    ...(queueBounds === undefined ? {} : { queueBounds }),
    ...(autoCompaction === undefined ? {} : { autoCompaction }),
  };
}
