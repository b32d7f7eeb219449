import type { MemberStatus } from '../member/types.ts';
import type { MemberStateRequest, MemberStateResponse } from '../wire/index.ts';
import type { ApiServices } from './service.ts';
import type { CallContext } from './types.ts';
import { Wakeup } from './wakeup.ts';

/** Counters such as the commit index move without a change of role; followers see them this often. */
const refreshMs = 250;

/** The state now; with `follow` again at each change of role, term, leader or connections, and every 250 ms. */
export async function* memberState(
  api: ApiServices,
  request: MemberStateRequest,
  context: CallContext,
): AsyncGenerator<MemberStateResponse> {
  let { version } = api.access;
  yield response(api.member.status());
  if (!request.follow) return;
  const { signal } = context;
  const wakeup = new Wakeup();
  const wake = (): void => wakeup.notify();
  const unsubscribe = api.member.onChange(wake);
  signal.addEventListener('abort', wake);
  try {
    for (;;) {
      signal.throwIfAborted();
      const timer = api.runtime.timers.after(refreshMs, wake, { background: true });
      await wakeup.wait();
      timer.cancel();
      if (signal.aborted) continue;
      if (version !== api.access.version) {
        ({ version } = api.access);
        await api.access.require('user', context);
      }
      yield response(api.member.status());
    }
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', wake);
  }
}

function response(status: MemberStatus): MemberStateResponse {
  const { raft } = status;
  return {
    clusterId: status.clusterId,
    memberId: status.memberId,
    name: status.name,
    role: raft.role,
    term: raft.term,
    leader: raft.leader,
    commitIndex: raft.commitIndex,
    appliedIndex: raft.appliedIndex,
    lastIndex: raft.lastIndex,
    revision: status.revision,
    peers: status.peers.map((peer) => ({ ...peer })),
    electionTimeoutMs: raft.electionTimeoutMs,
    loopDelayP99Ms: status.loopDelayP99Ms,
    snapshotIndex: status.snapshotIndex,
    leases: status.leases,
    watchers: status.watchers,
    uptimeMs: status.uptimeMs,
    version: status.version,
    diskSyncP99Ms: status.diskSyncP99Ms,
    diskSyncs: status.diskSync.counts.reduce((sum, count) => sum + count, 0),
  };
}
