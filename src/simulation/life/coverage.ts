import type { Entry, RaftEffects, SnapshotMeta } from '../../raft/index.ts';
import type { DivergenceCounts } from '../divergence/divergence.ts';
import type { ElectionCounts } from '../elections/index.ts';
import type { ChangeCounts } from '../membership/index.ts';
import type { NetworkCounts } from '../network/index.ts';
import type { Checker, MemberSight } from '../observation.ts';
import type { SharingCounts } from '../sharing/index.ts';
import type { History } from '../workload/index.ts';
import type { Counts } from './types.ts';

/** Counts what took place, so that a run which showed nothing is known for one. Claims nothing. */
export class Coverage implements Checker {
  readonly name = 'coverage';
  readonly claim = 'Something took place.';
  #elections = 0;
  #memberStarts = 0;
  #snapshotsMade = 0;
  #snapshotsInstalled = 0;
  #entries = 0;
  readonly #snapshotIndexes = new Map<MemberSight, number>();

  memberStarted(): void {
    this.#memberStarts += 1;
  }

  drained(_member: MemberSight, effects: RaftEffects): void {
    if (effects.state?.role === 'leader') this.#elections += 1;
  }

  durable(member: MemberSight): void {
    const { snapshotIndex } = member.durable;
    if (snapshotIndex > (this.#snapshotIndexes.get(member) ?? 0)) this.#snapshotsMade += 1;
    this.#snapshotIndexes.set(member, snapshotIndex);
  }

  installed(_member: MemberSight, _snapshot: SnapshotMeta): void {
    this.#snapshotsInstalled += 1;
  }

  committed(_entry: Entry): void {
    this.#entries += 1;
  }

  counts(
    history: History,
    {
      elections,
      sharing,
      network,
      changes,
      divergence,
      permissionChanges,
    }: {
      elections: ElectionCounts;
      sharing: SharingCounts;
      network: NetworkCounts;
      changes: ChangeCounts | undefined;
      divergence: DivergenceCounts | undefined;
      permissionChanges: number;
    },
  ): Counts {
    const outcomes = { ok: 0, 'not-applied': 0, unknown: 0, pending: 0 };
    for (const { outcome } of history.operations) outcomes[outcome] += 1;
    return {
      elections: this.#elections,
      'member starts': this.#memberStarts,
      'snapshots made': this.#snapshotsMade,
      'snapshots installed': this.#snapshotsInstalled,
      'entries committed': this.#entries,
      operations: history.operations.length,
      'operations acknowledged': outcomes.ok,
      'operations refused': outcomes['not-applied'],
      'operations with unknown outcome': outcomes.unknown + outcomes.pending,
      'answers told together': answeredTogether(history),
      'entries of several commands': history.sharedEntries,
      'keys shown to be linearizable': history.decidedKeys,
      'keys undecided': history.undecidedKeys,
      leaderships: elections.leaderships,
      'hand-offs': elections.handOffs,
      resignations: elections.resignations,
      'leaderships lost': elections.losses,
      'fenced writes': elections.fencedWrites,
      'stale writes refused': elections.staleWritesRefused,
      'stale writes taken without fencing': elections.staleWritesTaken,
      'leases granted': elections.leasesGranted,
      'leases expired': elections.leasesExpired,
      'graces kept': elections.gracesKept,
      'partition leaderships': sharing.partitionLeaderships,
      'partitions moved': sharing.partitionsMoved,
      'operations run once': sharing.operationsRun,
      'operations taken over': sharing.operationsTakenOver,
      'outcomes of operations told': sharing.operationsTold,
      'permits taken': sharing.permitsTaken,
      'read-write locks taken': sharing.locksTaken,
      'log appends': sharing.logAppends,
      'gate passages': sharing.gatePassages,
      'stale sharers refused': sharing.staleRefused,
      'guarded writes': sharing.guardedWrites,
      'guarded claims': sharing.guardedClaims,
      'stale writes refused by guards': sharing.staleRefusedByGuards,
      'members added': changes?.added ?? 0,
      'learners promoted': changes?.promoted ?? 0,
      'members removed': changes?.removed ?? 0,
      'joint changes': changes?.exchanged ?? 0,
      'members lost for good': changes?.lost ?? 0,
      'removed members refused': changes?.refused ?? 0,
      'members with a wrong value': divergence?.values ?? 0,
      'members with a wrong lease': divergence?.leases ?? 0,
      'bits flipped in memory': divergence?.memory ?? 0,
      compactions: history.compactions,
      'changes of users and roles': permissionChanges,
      'operations not permitted': history.operations.filter(({ code }) => code === 'permission-denied')
        .length,
      'watches told of a compaction': history.watchesCompacted,
      'Raft messages': network.raftMessages,
      'Raft messages lost': network.raftMessagesLost,
      'Raft messages repeated': network.raftMessagesRepeated,
      'Raft messages overtaken': network.raftMessagesOvertaken,
      'packets lost': network.packetsLost,
    };
  }
}

/** How often several operations of one client were answered in one step. */
function answeredTogether(history: Pick<History, 'operations'>): number {
  const several = new Map<string, number>();
  for (const { outcome, client, completedUs } of history.operations) {
    if (outcome !== 'ok') continue;
    const step = `${client} ${completedUs}`;
    several.set(step, (several.get(step) ?? 0) + 1);
  }
  let times = 0;
  for (const operations of several.values()) if (operations > 1) times += 1;
  return times;
}
