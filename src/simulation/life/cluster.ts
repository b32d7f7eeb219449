import type { MemberOptions } from '../../member/index.ts';
import { setUp } from '../../member/options.ts';
import { DamageRecord, DurableReader, SimulatedDisk } from '../disk/index.ts';
import type { SimulatedNetwork } from '../network/index.ts';
import type { Host } from '../world/host.ts';
import type { World } from '../world/world.ts';
import type { Hub } from './hub.ts';
import type { ClusterSettings } from './settings.ts';
import { clientPort, dataDir, peerPort, SimulatedMember } from './simulated-member.ts';

/** The keyspace that clients see; the first group of every member. */
const firstGroup = 1;

/** The members of one life with their hosts and disks. */
export class SimulatedCluster {
  readonly members: readonly SimulatedMember[];
  readonly endpoints: readonly string[];
  readonly damage: DamageRecord;

  constructor(
    parts: { readonly world: World; readonly hub: Hub; readonly network: SimulatedNetwork },
    settings: ClusterSettings,
  ) {
    const { world, hub } = parts;
    const hosts = Array.from({ length: settings.members }, (_none, at) => world.addHost(`member-${at + 1}`));
    this.endpoints = hosts.map(({ address }) => `http://${address}:${clientPort}`);
    this.members = hosts.map((host, position) => {
      const options = memberOptions(host, hosts, settings);
      const { clusterId, memberId } = setUp(options);
      const disk = new SimulatedDisk(world, host, world.random(`disk of ${host.name}`));
      const durable = new DurableReader({
        ...{ disk, folder: dataDir, clusterId, memberId, group: firstGroup },
        onChange: () => this.#changed(hub, position),
      });
      return new SimulatedMember({
        ...{ ...parts, host, disk, durable, position, memberId, options },
        damage: () => this.damage,
      });
    });
    this.damage = new DamageRecord(this.members, hub.committed);
    hub.members = this.members;
  }

  get leader(): SimulatedMember | undefined {
    return this.members.find((member) => member.leads);
  }

  start(): void {
    for (const member of this.members) member.start();
  }

  #changed(hub: Hub, position: number): void {
    const member = this.members[position];
    if (member === undefined) return;
    this.damage.review();
    hub.durable(member);
  }
}

function memberOptions(
  host: Host,
  hosts: readonly Host[],
  settings: ClusterSettings,
): Omit<MemberOptions, 'runtime' | 'observer' | 'logger'> {
  const peerUrl = ({ address }: Host): string => `http://${address}:${peerPort}`;
  const {
    snapshotCount,
    snapshotCatchUpEntries,
    logSegmentBytes,
    heartbeatIntervalMs,
    electionTimeoutMs,
    leaseReads,
    queueBounds,
    compareEveryMs,
  } = settings;
  return {
    ...{ name: host.name, dataDir, heartbeatIntervalMs, leaseReads },
    ...{ snapshotCount, snapshotCatchUpEntries, logSegmentBytes, corruptCheckMs: compareEveryMs },
    peerListenUrls: [peerUrl(host)],
    clientAdvertiseUrls: [`http://${host.address}:${clientPort}`],
    initialCluster: hosts.map((each) => ({ name: each.name, peerUrls: [peerUrl(each)] })),
    // The damage record sees to it that what an empty disk has lost is held by a majority of the others.
    returnsWithoutData: true,
    ...(electionTimeoutMs === undefined ? {} : { electionTimeoutMs }),
    ...(queueBounds === undefined ? {} : { queueBounds }),
  };
}
