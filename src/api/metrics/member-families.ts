import { hexId } from '../../member/index.ts';
import type { MemberStatus } from '../../member/types.ts';
import { etcdApiVersion } from '../maintenance.ts';
import { counter, type Family, gauge, histogram } from './family.ts';

/** etcd's, where the meaning is the same. `status` is that of the scrape. */
export function etcdFamilies(status: () => MemberStatus, leaderChanges: () => number): Family[] {
  const is = (name: string, help: string, what: (now: MemberStatus) => boolean): Family =>
    gauge(name, help, () => (what(status()) ? 1 : 0));
  return [
    is('etcd_server_has_leader', 'Whether a Raft leader is known here.', ({ raft }) => raft.leader !== 0),
    is(
      'etcd_server_is_leader',
      'Whether this member is the Raft leader.',
      ({ raft }) => raft.role === 'leader',
    ),
    counter(
      'etcd_server_leader_changes_seen_total',
      'Changes of the Raft leader, as seen here.',
      leaderChanges,
    ),
    gauge(
      'etcd_server_proposals_committed_total',
      'Index of the last committed log entry.',
      () => status().raft.commitIndex,
    ),
    gauge(
      'etcd_server_proposals_applied_total',
      'Index of the last applied log entry.',
      () => status().raft.appliedIndex,
    ),
    gauge(
      'etcd_server_proposals_pending',
      'Changes that wait here to be applied.',
      () => status().proposals.pending,
    ),
    counter(
      'etcd_server_proposals_failed_total',
      'Changes that were given up here, or refused.',
      () => status().proposals.failed,
    ),
    gauge(
      'etcd_server_quota_backend_bytes',
      'Bytes of keys and values above which writes are refused.',
      () => {
        const { quotaBytes } = status();
        return quotaBytes < 0 ? 0 : quotaBytes;
      },
    ),
    gauge('etcd_server_id', 'Id of this member.', () => [
      { labels: { server_id: hexId(status().memberId) }, value: 1 },
    ]),
    gauge('etcd_server_version', 'Version of the API that is served.', () => [
      { labels: { server_version: etcdApiVersion }, value: 1 },
    ]),
    gauge('etcd_cluster_version', 'Version of the API that all members serve.', () => [
      { labels: { cluster_version: etcdApiVersion.replace(/\.\d+$/, '') }, value: 1 },
    ]),
    histogram(
      'etcd_disk_wal_fsync_duration_seconds',
      'Time until entries were durable in the log.',
      () => status().diskSync,
    ),
    gauge(
      'etcd_mvcc_db_total_size_in_bytes',
      'Bytes of keys and values with their history, approximately.',
      () => status().sizeBytes,
    ),
    gauge(
      'etcd_mvcc_db_total_size_in_use_in_bytes',
      'The same: nothing waits to be given back.',
      () => status().sizeBytes,
    ),
    gauge('etcd_debugging_mvcc_current_revision', 'Revision of the store.', () => status().revision),
    gauge(
      'etcd_debugging_mvcc_compact_revision',
      'Revision that the store was last compacted at.',
      () => status().compactRevision,
    ),
    gauge('etcd_debugging_mvcc_watcher_total', 'Watches that are open here.', () => status().watchers),
  ];
}

/** Ours. */
export function conclaveFamilies(status: () => MemberStatus, holderStreams: () => number): Family[] {
  const ofPeers = (read: (peer: MemberStatus['peers'][number]) => number) => () =>
    status().peers.map((peer) => ({
      labels: { peer: peer.name || hexId(peer.memberId) },
      value: read(peer),
    }));
  return [
    gauge('conclave_raft_term', 'Term of Raft.', () => status().raft.term),
    gauge('conclave_raft_role', 'Role of this member in Raft.', () => [
      { labels: { role: status().raft.role }, value: 1 },
    ]),
    gauge(
      'conclave_raft_election_timeout_seconds',
      'Silence after which this member stands for election.',
      () => status().raft.electionTimeoutMs / 1000,
    ),
    gauge('conclave_log_last_index', 'Index of the last entry in the log.', () => status().raft.lastIndex),
    gauge(
      'conclave_log_first_index',
      'Index of the first entry that is still in the log.',
      () => status().raft.firstIndex,
    ),
    gauge(
      'conclave_snapshot_index',
      'Index of the last entry in the newest snapshot.',
      () => status().snapshotIndex,
    ),
    gauge('conclave_leases', 'Leases that live.', () => status().leases),
    gauge(
      'conclave_attached_streams',
      'Connections that leases or sessions are bound to here.',
      holderStreams,
    ),
    gauge(
      'conclave_peer_connected',
      'Whether both connections with that member stand.',
      ofPeers((peer) => (peer.connected ? 1 : 0)),
    ),
    gauge(
      'conclave_peer_round_trip_seconds',
      'Round trip to that member, on the leader.',
      ofPeers((peer) => peer.roundTripMs / 1000),
    ),
    gauge('conclave_peer_lag_entries', 'Log entries that the member lacks, on the leader.', () => {
      const { raft, peers } = status();
      return raft.role === 'leader'
        ? peers.map((peer) => ({
            labels: { peer: peer.name },
            value: Math.max(0, raft.lastIndex - peer.matchIndex),
          }))
        : undefined;
    }),
    histogram(
      'conclave_loop_delay_seconds',
      'How late timers of this member fired: what everything on its loop suffers.',
      () => status().loopDelay,
    ),
    gauge('conclave_uptime_seconds', 'Time since this member started.', () => status().uptimeMs / 1000),
    gauge('conclave_version', 'Version of this program.', () => [
      { labels: { version: status().version }, value: 1 },
    ]),
  ];
}
