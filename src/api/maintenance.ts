import type { SnapshotResponse, services } from '../wire/index.ts';
import { alarm, alarmText } from './alarms.ts';
import type { ApiServices } from './service.ts';
import { commandFailure, failure, unimplemented } from './status.ts';
import type { CallContext, HandlerOf } from './types.ts';

type Maintenance = typeof services.Maintenance;
type Offered =
  | 'status'
  | 'alarm'
  | 'defragment'
  | 'hash'
  | 'hashKV'
  | 'snapshot'
  | 'moveLeader'
  | 'downgrade';

/** The level of etcd's API that we answer at. Clients choose features by it. */
export const etcdApiVersion = '3.5.0';

export function maintenanceService(api: ApiServices): { [Name in Offered]: HandlerOf<Maintenance[Name]> } {
  const { member, headers } = api;
  return {
    async status() {
      const status = member.status();
      return {
        header: headers.header(),
        version: etcdApiVersion,
        dbSize: status.sizeBytes,
        leader: BigInt(status.raft.leader),
        raftIndex: status.raft.commitIndex,
        raftTerm: status.raft.term,
        raftAppliedIndex: status.raft.appliedIndex,
        errors: [
          ...(status.raft.leader === 0 ? ['etcdserver: no leader'] : []),
          ...member.keyspace.alarms().map(alarmText),
        ],
        dbSizeInUse: status.sizeBytes,
        isLearner: member.isLearner,
        storageVersion: '',
        dbSizeQuota: Math.max(0, status.quotaBytes),
        downgradeInfo: undefined,
      };
    },

    alarm: (request, context) => alarm(api, request, context),

    async defragment() {
      await member.upkeep.defragment();
      // etcd gives no header here.
      return { header: undefined };
    },

    async hash() {
      return { header: headers.header(), hash: member.keyspace.stateHash() };
    },

    async hashKV(request) {
      const answer = member.keyspace.hashAt(request.revision);
      if ('failed' in answer) throw commandFailure(answer.failed);
      const { hash, revision, compactRevision } = answer;
      return { header: headers.header(), hash, compactRevision, hashRevision: revision };
    },

    snapshot(_request, context) {
      return snapshotStream(api, context);
    },

    async moveLeader({ targetID }) {
      const target = targetID > BigInt(Number.MAX_SAFE_INTEGER) ? 0 : Number(targetID);
      const outcome = await member.transferLeadership(target);
      if (outcome === 'not-leader') throw failure('notLeader');
      if (outcome === 'bad-target') throw failure('badTransferee');
      if (outcome === 'failed') throw failure('transferTimeout');
      return { header: headers.header() };
    },

    async downgrade({ action, version }) {
      const cancel = 2;
      if (action === cancel) throw failure('noDowngrade');
      if (!/^v?\d+\.\d+(\.\d+)?$/.test(version)) throw failure('downgradeFormat');
      throw unimplemented(
        'a downgrade (stop the member and start the older version: it says whether it can)',
      );
    },
  };
}

/** As fast as the caller takes it: the next piece is read when the one before it has left. */
async function* snapshotStream(api: ApiServices, { signal }: CallContext): AsyncGenerator<SnapshotResponse> {
  await using backup = await api.member.upkeep.backup();
  let remainingBytes = backup.sizeBytes;
  for await (const blob of backup.read()) {
    signal.throwIfAborted();
    remainingBytes -= blob.length;
    yield { header: undefined, remainingBytes, blob, version: etcdApiVersion };
  }
}
