import type { DurableState, MemberSight } from '../observation.ts';
import { type LinkGraph, positions } from './link-graph.ts';

/** Whether some member is linked with a quorum of members to which its log is up to date (raft §5.4.1). */
export function mayElect(graph: LinkGraph, members: readonly Pick<MemberSight, 'durable'>[]): boolean {
  return positions(graph.members).some((candidate) => {
    const voters = positions(graph.members).filter((voter) => {
      const [own, other] = [members[candidate], members[voter]];
      if (own === undefined || other === undefined) return false;
      return graph.linked(candidate, voter) && isUpToDate(own.durable, other.durable);
    });
    return voters.length >= graph.quorum;
  });
}

function isUpToDate(own: DurableState, other: DurableState): boolean {
  const [ownTerm, otherTerm] = [lastTerm(own), lastTerm(other)];
  return ownTerm === otherTerm ? own.lastIndex >= other.lastIndex : ownTerm > otherTerm;
}

function lastTerm(durable: DurableState): number {
  return durable.entryAt(durable.lastIndex)?.term ?? durable.snapshotTerm;
}
