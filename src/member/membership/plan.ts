import { type Configuration, isVoter, majorityOf } from '../../raft/index.ts';
import type { MembershipChange, MembershipFailure } from '../types.ts';
import {
  type ClusterRecord,
  decodeClusterRecord,
  encodeClusterRecord,
  type MemberRecord,
} from './records.ts';

/** Etcd's: a learner costs the leader as much as a voter. */
const maxLearners = 1;

/** What a change is judged by. */
export interface Situation {
  readonly configuration: Configuration;
  /** Everybody in it. */
  readonly records: readonly MemberRecord[];
  /** Of the leader itself true. */
  readonly isConnected: (memberId: number) => boolean;
}

/** `memberId` of an addition: drawn by whoever was asked, so that asking again cannot add twice. */
export type Request =
  | MembershipChange
  | (MembershipChange & { readonly type: 'add'; readonly memberId: number });

export interface Target {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  readonly context: Uint8Array;
}

type Plan = Target | { readonly failure: MembershipFailure } | { readonly done: true };

const failed = (failure: MembershipFailure) => ({ failure });

/**
 * What the configuration becomes by this request, or why it may not: etcd's checks, in etcd's order. `again`: it was
 * asked before and may have been carried out; that it has shows in what is there.
 */
export function planChange(
  request: Request & { memberId: number },
  situation: Situation,
  again: boolean,
): Plan {
  switch (request.type) {
    case 'add':
      return planAddition(request, situation);
    case 'remove':
      return planRemoval(request.memberId, situation, again);
    case 'update':
      return planUpdate(request, situation);
    case 'promote':
      return planPromotion(request.memberId, situation, again);
  }
}

function planAddition(
  request: { readonly memberId: number; readonly peerUrls: readonly string[]; readonly isLearner: boolean },
  situation: Situation,
): Plan {
  const { configuration, records } = situation;
  const { memberId, peerUrls, isLearner } = request;
  const { voters, learners = [] } = configuration;
  if (records.some((record) => record.memberId === memberId)) return { done: true };
  const started = startedVoters(situation);
  // From one member to two is allowed: it is how a cluster grows, though it stands still until the second one runs.
  const grows = started === 1 && voters.length === 1;
  if (!isLearner && !grows && started < majorityOf(voters.length + 1)) return failed('not-enough-started');
  if (!voters.every(situation.isConnected)) return failed('unhealthy');
  if (areTaken(peerUrls, records, 0)) return failed('peer-urls-exist');
  if (isLearner && learners.length >= maxLearners) return failed('too-many-learners');
  const record: MemberRecord = { memberId, name: '', peerUrls, clientUrls: [], hasData: false };
  return targetOf(
    isLearner ? voters : [...voters, memberId],
    isLearner ? [...learners, memberId] : learners,
    { members: [...records, record], removed: removedOf(configuration) },
  );
}

function planRemoval(memberId: number, situation: Situation, again: boolean): Plan {
  const { configuration, records } = situation;
  const removed = removedOf(configuration);
  if (again && removed.includes(memberId)) return { done: true };
  if (!records.some((record) => record.memberId === memberId)) return failed('not-found');
  const { voters, learners = [] } = configuration;
  const others = voters.filter((voter) => voter !== memberId);
  if (voters.includes(memberId)) {
    if (startedVoters(situation, memberId) < majorityOf(others.length)) return failed('not-enough-started');
    // One that is away takes nothing from the quorum by going.
    const active = voters.filter(situation.isConnected).length;
    if (situation.isConnected(memberId) && active - 1 < majorityOf(others.length)) return failed('unhealthy');
  }
  return targetOf(
    others,
    learners.filter((learner) => learner !== memberId),
    { members: records.filter((record) => record.memberId !== memberId), removed: [...removed, memberId] },
  );
}

function planUpdate(
  { memberId, peerUrls }: { readonly memberId: number; readonly peerUrls: readonly string[] },
  { configuration, records }: Situation,
): Plan {
  if (!records.some((record) => record.memberId === memberId)) return failed('not-found');
  if (areTaken(peerUrls, records, memberId)) return failed('peer-urls-exist');
  const members = records.map((record) => (record.memberId === memberId ? { ...record, peerUrls } : record));
  return sameMembers(configuration, members);
}

function planPromotion(memberId: number, situation: Situation, again: boolean): Plan {
  const { configuration, records } = situation;
  const { voters, learners = [] } = configuration;
  if (!records.some((record) => record.memberId === memberId)) return failed('not-found');
  if (isVoter(configuration, memberId)) return again ? { done: true } : failed('not-learner');
  // Whether it is caught up, which etcd looks at before this, the core says.
  if (startedVoters(situation) + 1 < majorityOf(voters.length + 1)) return failed('not-enough-started');
  return targetOf(
    [...voters, memberId],
    learners.filter((learner) => learner !== memberId),
    { members: records, removed: removedOf(configuration) },
  );
}

/** Others know more of the members than before; who is one does not change. */
export function sameMembers(configuration: Configuration, members: readonly MemberRecord[]): Target {
  const { voters, learners = [] } = configuration;
  return targetOf(voters, learners, { members, removed: removedOf(configuration) });
}

function targetOf(voters: readonly number[], learners: readonly number[], record: ClusterRecord): Target {
  return { voters, learners, context: encodeClusterRecord(record) };
}

function removedOf(configuration: Configuration): readonly number[] {
  return decodeClusterRecord(configuration.context).removed;
}

function startedVoters({ configuration, records }: Situation, except = 0): number {
  return records.filter(
    ({ memberId, name }) => memberId !== except && name !== '' && configuration.voters.includes(memberId),
  ).length;
}

function areTaken(urls: readonly string[], records: readonly MemberRecord[], except: number): boolean {
  return records.some(
    ({ memberId, peerUrls }) => memberId !== except && peerUrls.some((url) => urls.includes(url)),
  );
}
