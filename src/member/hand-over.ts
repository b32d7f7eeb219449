import type { Group } from './group.ts';

export interface HandOverContext {
  readonly group: Group;
  readonly isConnected: (peer: number) => boolean;
  /** Waits for what is in flight, for a while. */
  readonly drain: () => Promise<unknown>;
}

/** Gives Raft leadership to the voter that is furthest and takes it. Returns which; 0: nobody, or it was not ours. */
export async function handOver({ group, isConnected, drain }: HandOverContext): Promise<number> {
  if (group.role.role !== 'leader') return 0;
  await drain().catch(() => undefined);
  const status = group.raft.status();
  if (status.role !== 'leader') return 0;
  const { voters } = status.configuration;
  const candidates = status.peers.filter(({ peer }) => voters.includes(peer) && isConnected(peer));
  candidates.sort((a, b) => b.matchIndex - a.matchIndex);
  for (const { peer } of candidates) if (await group.transfer(peer)) return peer;
  return 0;
}
