import type { RaftOptions } from '../raft/index.ts';
import type { MemberSetup } from './options.ts';

/** What the core is told of how this member was started. */
export function raftOptions(setup: MemberSetup, groupId: number): RaftOptions {
  const { random } = setup.runtime;
  return {
    groupId,
    memberId: setup.memberId,
    // One that joins knows of no voter until the log tells it.
    configuration: { voters: setup.joins ? [] : setup.members.map((member) => member.memberId) },
    heartbeatIntervalMs: setup.heartbeatIntervalMs,
    ...(setup.electionTimeoutMs === undefined ? {} : { electionTimeoutMs: setup.electionTimeoutMs }),
    ...setup.queueBounds,
    leaseReads: setup.leaseReads,
    random: () => random.unit(),
  };
}
