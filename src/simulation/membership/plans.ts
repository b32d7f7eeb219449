import type { MembershipChange } from '../../member/index.ts';
import type { Target } from '../../member/membership/index.ts';
import { encodeClusterRecord, type MemberRecord } from '../../member/membership/records.ts';
import type { Configuration } from '../../raft/index.ts';

/** As many voters as a cluster has at most; learners come on top. */
const mostVoters = 5;

/** What an operator sees in a list of the members, and knows of their disks. */
export interface Situation {
  readonly configuration: Configuration;
  readonly records: readonly MemberRecord[];
  readonly removed: readonly number[];
  /** It is gone for good. */
  readonly isLost: (memberId: number) => boolean;
}

export type Request =
  | { readonly type: 'change'; readonly change: MembershipChange }
  /** By the core alone, which can do several at once: the API cannot. */
  | { readonly type: 'at-once'; readonly target: Target };

/** What to ask for now; undefined: nothing, or nothing that an operator would. */
export type Plan = (situation: Situation) => Request | undefined;

/** What is left must have a quorum that can be started. */
function isViable(voters: readonly number[], { isLost }: Situation): boolean {
  return voters.length > 0 && voters.filter((voter) => !isLost(voter)).length * 2 > voters.length;
}

export function addition(peerUrl: string, isLearner: boolean): Plan {
  return (situation) => {
    const { configuration, records } = situation;
    if (records.some(({ peerUrls }) => peerUrls.includes(peerUrl))) return undefined;
    const { voters, learners = [] } = configuration;
    if (isLearner ? learners.length > 0 : voters.length >= mostVoters) return undefined;
    if (!isViable(voters, situation)) return undefined;
    return { type: 'change', change: { type: 'add', peerUrls: [peerUrl], isLearner } };
  };
}

export function promotion(): Plan {
  return (situation) => {
    const { voters, learners = [] } = situation.configuration;
    const [memberId] = learners;
    if (memberId === undefined || voters.length >= mostVoters || situation.isLost(memberId)) return undefined;
    return isViable(voters, situation)
      ? { type: 'change', change: { type: 'promote', memberId } }
      : undefined;
  };
}

export function removal(memberId: number): Plan {
  return (situation) => {
    const { configuration, records } = situation;
    if (!records.some((record) => record.memberId === memberId)) return undefined;
    const left = configuration.voters.filter((voter) => voter !== memberId);
    return isViable(left, situation) ? { type: 'change', change: { type: 'remove', memberId } } : undefined;
  };
}

/** These come and those go, in one joint change. */
export function exchange(
  added: readonly { readonly memberId: number; readonly peerUrl: string }[],
  removed: readonly number[],
): Plan {
  return (situation) => {
    const { configuration, records } = situation;
    const { voters, outgoing, learners = [] } = configuration;
    const isThere = (id: number): boolean => records.some(({ memberId }) => memberId === id);
    if (outgoing !== undefined || !removed.every(isThere) || added.some(({ memberId }) => isThere(memberId)))
      return undefined;
    const next = [
      ...voters.filter((voter) => !removed.includes(voter)),
      ...added.map(({ memberId }) => memberId),
    ];
    if (next.length > mostVoters || !isViable(next, situation) || !isViable(voters, situation))
      return undefined;
    const members = [
      // Also of those that go: they are talked to until the joint configuration is left.
      ...records,
      ...added.map(({ memberId, peerUrl }) => ({
        ...{ memberId, name: '', peerUrls: [peerUrl], clientUrls: [], hasData: false },
      })),
    ];
    const context = encodeClusterRecord({ members, removed: [...situation.removed, ...removed] });
    const staying = learners.filter((learner) => !removed.includes(learner));
    return { type: 'at-once', target: { voters: next, learners: staying, context } };
  };
}
