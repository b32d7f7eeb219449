import { decodeClusterRecord, recordsOf } from '../../member/membership/records.ts';
import type { ConfigurationAt } from '../../raft/index.ts';
import type { SimulatedCluster } from '../life/cluster.ts';
import type { Situation } from './plans.ts';

/** The configuration in force as the leader sees it; of two leaders, the one of the later term. */
export function inForce({ present }: Pick<SimulatedCluster, 'present'>): ConfigurationAt | undefined {
  let newest: ConfigurationAt | undefined;
  let newestTerm = -1;
  for (const { raft, running } of present) {
    if (!running || raft === undefined) continue;
    const { role, term, configuration, configurationIndex } = raft.status();
    if (role !== 'leader' || term < newestTerm) continue;
    newest = { index: configurationIndex, configuration };
    newestTerm = term;
  }
  return newest;
}

/** What a change is planned from. */
export function situationOf(cluster: SimulatedCluster, { configuration }: ConfigurationAt): Situation {
  return {
    configuration,
    records: recordsOf(configuration, cluster.initialMembers),
    removed: decodeClusterRecord(configuration.context).removed,
    isLost: (id) =>
      cluster.members.some(({ memberId, lost, diverged }) => memberId === id && (lost || diverged)),
  };
}
