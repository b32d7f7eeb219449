import { ConclaveError } from '../../errors/index.ts';
import { type Configuration, membersOf } from '../../raft/index.ts';

/** What the cluster knows of one member, beside its part in Raft. Replicated as the context of configurations. */
export interface MemberRecord {
  readonly memberId: number;
  /** '' until the member has started for the first time. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** It is known to have had entries on its disk: one that comes with an empty disk now has lost them. */
  readonly hasData: boolean;
}

export interface ClusterRecord {
  readonly members: readonly MemberRecord[];
  /** Ids that were members once and never will be again, the latest last. */
  readonly removed: readonly number[];
}

/** One that was removed so long ago that it is not among these is merely unknown: it can do as little. */
const rememberedRemovals = 256;
const formatVersion = 1;
const nothing: ClusterRecord = { members: [], removed: [] };

/** JSON, so that parts added later need no new format. */
export function encodeClusterRecord({ members, removed }: ClusterRecord): Uint8Array {
  const kept = removed.slice(-rememberedRemovals);
  return new TextEncoder().encode(JSON.stringify({ formatVersion, members, removed: kept }));
}

/** Of a configuration without context, or with none of ours: nothing is known. */
export function decodeClusterRecord(context: Uint8Array | undefined): ClusterRecord {
  if (context === undefined) return nothing;
  try {
    const { members, removed } = JSON.parse(new TextDecoder().decode(context)) as Partial<ClusterRecord>;
    if (!Array.isArray(members) || !Array.isArray(removed)) return nothing;
    return { members, removed };
  } catch (error) {
    throw new ConclaveError('data-damaged', 'The membership in the log is not what was written.', {
      cause: error,
    });
  }
}

export type KnownMember = Pick<MemberRecord, 'memberId' | 'name' | 'peerUrls'>;

/**
 * Everybody in the configuration, by id. Who is not in its record is looked for among `known`: the members that the
 * cluster began with, or that a joining member was told of. One that knows of no voters yet has only those.
 */
export function recordsOf(configuration: Configuration, known: readonly KnownMember[]): MemberRecord[] {
  const { members } = decodeClusterRecord(configuration.context);
  const ids =
    configuration.voters.length === 0 ? known.map(({ memberId }) => memberId) : membersOf(configuration);
  return ids
    .toSorted((a, b) => a - b)
    .map((memberId) => {
      const record = members.find((one) => one.memberId === memberId);
      if (record !== undefined) return record;
      const first = known.find((one) => one.memberId === memberId);
      const { name = '', peerUrls = [] } = first ?? {};
      return { memberId, name, peerUrls, clientUrls: [], hasData: false };
    });
}
