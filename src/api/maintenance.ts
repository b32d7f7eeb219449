import type { services } from '../wire/index.ts';
import type { ApiServices } from './service.ts';
import { unimplemented } from './status.ts';
import type { HandlerOf } from './types.ts';

type Maintenance = typeof services.Maintenance;
type Offered = 'status' | 'alarm';

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
        errors: status.raft.leader === 0 ? ['etcdserver: no leader'] : [],
        dbSizeInUse: status.sizeBytes,
        isLearner: false,
        storageVersion: '',
        dbSizeQuota: 0,
        downgradeInfo: undefined,
      };
    },

    // No alarm is ever raised: a full disk stops the member. So there is none to list, and none to lift.
    async alarm(request) {
      if (request.action === 1) throw unimplemented('raising an alarm');
      return { header: headers.header(), alarms: [] };
    },
  };
}
