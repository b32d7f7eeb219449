import type { MemberStatus } from '../../member/index.ts';

/** From when on it is told, and how often. */
export const tellLeaderlessEveryMs = 10_000;

/** Why no Raft leader may be known, as far as this member can see. Undefined: one is. */
export function whyLeaderless(
  status: Pick<MemberStatus, 'memberId' | 'raft' | 'members' | 'peers'>,
): string | undefined {
  if (status.raft.leader !== 0) return undefined;
  const voters = status.members.filter(({ isLearner }) => !isLearner);
  const needed = Math.floor(voters.length / 2) + 1;
  const missing = voters.filter(
    ({ memberId }) =>
      memberId !== status.memberId &&
      !status.peers.some((peer) => peer.memberId === memberId && peer.connected),
  );
  const began = 'No Raft leader is known, so requests wait: ';
  if (voters.length - missing.length >= needed) {
    return (
      `${began}enough members are connected, and none was elected for a while. If it stays so, a disk or a processor ` +
      'is too slow, or the network loses what members say: see `conclave check`.'
    );
  }
  const names = missing.map(({ name, peerUrls }) => [name, peerUrls.join(',')].filter(Boolean).join(' at '));
  return (
    `${began}${needed} of ${voters.length} voters must be connected with each other, and this member does not reach ` +
    `${names.join(', ')}. Start them, or look at the network and at those addresses.`
  );
}

/** Calls `tell` with the reason, first when no leader was known for one interval, then ever more seldom. Returns how to end it. */
export function tellWhileLeaderless(read: () => string | undefined, tell: (why: string) => void): () => void {
  let intervals = 0;
  const timer = setInterval(() => {
    const why = read();
    intervals = why === undefined ? 0 : intervals + 1;
    // After 10 s, 20 s, 40 s and so on.
    if (why !== undefined && Number.isInteger(Math.log2(intervals))) tell(why);
  }, tellLeaderlessEveryMs);
  timer.unref();
  return () => clearInterval(timer);
}
