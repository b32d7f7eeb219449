import { ConclaveError } from '../errors/index.ts';
import type {
  MemberDescription,
  MembershipChange,
  MembershipFailure,
  MembershipOutcome,
} from '../member/types.ts';
import type * as wire from '../wire/index.ts';
import type { services } from '../wire/index.ts';
import type { ApiServices } from './service.ts';
import { failure } from './status.ts';
import type { StatusName } from './status-texts.ts';
import type { CallContext, HandlerOf } from './types.ts';
import { untilLeft } from './waiting.ts';

type Cluster = typeof services.Cluster;

const failureNames: Readonly<Record<MembershipFailure, StatusName>> = {
  'not-found': 'memberNotFound',
  'peer-urls-exist': 'peerUrlsExist',
  'not-enough-started': 'notEnoughStarted',
  unhealthy: 'unhealthy',
  'too-many-learners': 'tooManyLearners',
  'not-learner': 'notLearner',
  'learner-not-ready': 'learnerNotReady',
};

/** Who is in the cluster, and changes of that, with etcd's checks and in its words. Any member can be asked. */
export function clusterService(api: ApiServices): { [Name in keyof Cluster]: HandlerOf<Cluster[Name]> } {
  const { member, headers } = api;
  // etcd's has no revision here.
  const header = () => headers.header(0);

  async function change(
    wanted: MembershipChange,
    { signal }: CallContext,
  ): Promise<MembershipOutcome & { ok: true }> {
    const outcome = await member.changeMembership(wanted, { signal });
    if (outcome.ok) return outcome;
    throw failure(failureNames[outcome.failure]);
  }

  return {
    async memberAdd({ peerURLs, isLearner }, context) {
      const wanted: MembershipChange = { type: 'add', peerUrls: peerURLs, isLearner };
      const { memberId, members } = await withGoodUrls(change(wanted, context));
      const added = members.find((one) => one.memberId === memberId);
      return {
        header: header(),
        member: added === undefined ? undefined : memberMessage(added),
        members: members.map(memberMessage),
      };
    },

    async memberRemove({ ID }, context) {
      const { members } = await change({ type: 'remove', memberId: knownId(ID) }, context);
      return { header: header(), members: members.map(memberMessage) };
    },

    async memberUpdate({ ID, peerURLs }, context) {
      const wanted: MembershipChange = { type: 'update', memberId: knownId(ID), peerUrls: peerURLs };
      const { members } = await withGoodUrls(change(wanted, context));
      return { header: header(), members: members.map(memberMessage) };
    },

    async memberPromote({ ID }, context) {
      const { members } = await change({ type: 'promote', memberId: knownId(ID) }, context);
      return { header: header(), members: members.map(memberMessage) };
    },

    async memberList(request, context) {
      if (request.linearizable) await member.readBarrier(untilLeft(context));
      const members = [...member.status().members].sort((a, b) => a.memberId - b.memberId);
      return { header: header(), members: members.map(memberMessage) };
    },
  };
}

/** Ours have 48 bits: a larger one is nobody's. @throws StatusError */
function knownId(id: bigint): number {
  if (id > BigInt(Number.MAX_SAFE_INTEGER)) throw failure('memberNotFound');
  return Number(id);
}

async function withGoodUrls<Result>(changing: Promise<Result>): Promise<Result> {
  try {
    return await changing;
  } catch (error) {
    throw ConclaveError.is(error, 'invalid-argument') ? failure('badPeerUrls') : error;
  }
}

function memberMessage(one: MemberDescription): wire.Member {
  return {
    ID: BigInt(one.memberId),
    name: one.name,
    peerURLs: [...one.peerUrls],
    // Of one that has not started etcd knows none either.
    clientURLs: one.name === '' ? [] : [...one.clientUrls],
    isLearner: one.isLearner,
  };
}
