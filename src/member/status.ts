import type { Group } from './group.ts';
import type { Membership } from './membership/index.ts';
import type { MemberSetup } from './options.ts';
import { FrameReader, FrameWriter } from './peers/bytes.ts';
import type { MemberStatus, PeerStatus } from './types.ts';
import { version } from './version.ts';

export interface StatusSources {
  readonly setup: MemberSetup;
  readonly group: Group;
  readonly connected: (peer: number) => boolean;
  readonly membership: Membership;
  readonly stopping: boolean;
  readonly proposals: MemberStatus['proposals'];
  readonly startedAtMs: number;
}

export function memberStatus(sources: StatusSources): MemberStatus {
  const { setup, group } = sources;
  const { keyspace } = group;
  const raft = group.raft.status();
  const members = sources.membership.describe();
  const peers = members
    .filter((member) => member.memberId !== setup.memberId)
    .map(({ memberId, name }): PeerStatus => {
      const progress = raft.peers.find((peer) => peer.peer === memberId);
      return {
        memberId,
        name,
        connected: sources.connected(memberId),
        matchIndex: progress?.matchIndex ?? 0,
        roundTripMs: progress?.roundTripMs ?? 0,
      };
    });
  return {
    clusterId: setup.clusterId,
    memberId: setup.memberId,
    name: setup.name,
    raft,
    leaderName: members.find((member) => member.memberId === raft.leader)?.name ?? '',
    revision: keyspace.revision,
    compactRevision: keyspace.compactRevision,
    snapshotIndex: group.snapshotIndex,
    sizeBytes: keyspace.sizeBytes,
    quotaBytes: setup.quotaBytes,
    leases: keyspace.leaseCount,
    watchers: keyspace.watcherCount,
    members,
    peers,
    stopping: sources.stopping,
    uptimeMs: setup.runtime.clock.monotonicMs() - sources.startedAtMs,
    loopDelayP99Ms: group.loopDelay.p99Ms(),
    loopDelay: group.loopDelay.distribution,
    diskSync: group.syncDelay.distribution,
    proposals: sources.proposals,
    diskSyncP99Ms: group.syncDelay.p99Ms(),
    version,
  };
}

/** What a member tells each other one of itself. */
export interface Announcement {
  /** '' of one that does not say it. */
  readonly name: string;
  readonly clientUrls: readonly string[];
}

export function encodeAnnouncement({ name, clientUrls }: Announcement): Uint8Array {
  const writer = new FrameWriter().u32(clientUrls.length);
  for (const url of clientUrls) writer.text(url);
  return writer.text(name).finish();
}

/** @throws ConclaveError 'invalid-argument' on malformed input. */
export function decodeAnnouncement(payload: Uint8Array): Announcement {
  const reader = new FrameReader(payload);
  const clientUrls = Array.from({ length: Math.min(reader.u32(), 1000) }, () => reader.text());
  return { name: reader.remainingBytes > 0 ? reader.text() : '', clientUrls };
}
