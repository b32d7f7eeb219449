import type { SharedFolder } from '../disk/index.ts';
import type { Divergence } from '../divergence/index.ts';
import type { CandidateWorkload } from '../elections/index.ts';
import type { Fault } from '../faults/schedule.ts';
import { memberFor, type Strikable, type Targets } from '../faults/targets.ts';
import type { Operator } from '../membership/index.ts';
import type { SimulatedNetwork } from '../network/index.ts';
import type { SharingWorkload } from '../sharing/index.ts';
import type { ClientWorkload } from '../workload/index.ts';
import type { World } from '../world/world.ts';
import type { SimulatedCluster } from './cluster.ts';
import type { SimulatedMember } from './simulated-member.ts';

interface Parts {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly cluster: SimulatedCluster;
  readonly clients: ClientWorkload;
  readonly candidates: CandidateWorkload;
  readonly sharers: SharingWorkload;
  readonly shared: SharedFolder;
  readonly operator: Operator | undefined;
  readonly divergence: Divergence | undefined;
}

/** What the faults of one life can strike. */
export function faultTargets(parts: Parts): Targets {
  const { world, network, cluster, candidates, sharers, shared, operator, divergence } = parts;
  const { damage } = cluster;
  const memberOf = (fault: Fault): SimulatedMember => memberFor(fault, targets) as SimulatedMember;
  const targets: Targets = {
    ...{ world, network, clients: strikableClients(parts.clients) },
    get members() {
      return cluster.present;
    },
    ...{ candidates: [...candidates.subjects, ...sharers.subjects], shared },
    // Once at a time: what is on a new disk is trusted again.
    harm: ({ position }, how) =>
      !damage.damaged(position) && cluster.diverged === undefined && damage.harm(position, how),
    ...(operator !== undefined && { change: (fault) => operator.strike(fault, memberOf) }),
    ...(divergence !== undefined && { diverge: (fault, done) => divergence.strike(fault, memberOf, done) }),
  };
  return targets;
}

function strikableClients(workload: ClientWorkload): Strikable[] {
  return Array.from({ length: workload.size }, (_none, at) => ({
    name: `client-${at + 1}`,
    host: workload.hostOf(at),
    get process() {
      return workload.processOf(at);
    },
    kill: () => workload.kill(at),
    start: () => workload.restart(at),
  }));
}
