import { ElectionCluster } from './cluster.ts';
import { boundMs, type ElectionSettings, type ElectionTimes, heartbeatMs } from './settings.ts';

/** How long a leader must have had the trust of all before it crashes. */
const settledForMs = 300;
/** Timeouts that adapt to what was seen want to have seen it. */
const adaptedForMs = 8000;
const settleWithinMs = 15_000;
/** A cluster that does not settle is replaced so often. */
const clustersInVain = 3;
const restartAfterMs = 50;

/**
 * Crashes one leader after the other of a cluster of five and measures how long there is none, as section 9.3 of the
 * extended Raft paper does: the leader lets a broadcast of heartbeats out and is crashed at a moment drawn uniformly
 * from the heartbeat interval that follows. It is started again and everybody settles before the next crash.
 */
export async function electionTimes(settings: ElectionSettings): Promise<ElectionTimes> {
  const timesMs: number[] = [];
  let seed = settings.seed;
  let cluster = new ElectionCluster(settings, seed);
  let inVain = 0;
  while (timesMs.length < settings.crashes) {
    const timeMs = await crashOnce(cluster, settings);
    if (timeMs !== undefined) {
      timesMs.push(timeMs);
      inVain = 0;
      continue;
    }
    inVain += 1;
    if (inVain === clustersInVain) {
      const electionsPerSecond = cluster.elections / (cluster.nowMs / 1000);
      return { timesMs: [], leadersLast: false, electionsPerSecond };
    }
    seed += 1_000_003;
    cluster = new ElectionCluster(settings, seed);
  }
  return { timesMs: timesMs.sort((a, b) => a - b), leadersLast: true, electionsPerSecond: 0 };
}

/** undefined: the cluster never settled. */
async function crashOnce(cluster: ElectionCluster, settings: ElectionSettings): Promise<number | undefined> {
  const settleMs = settings.timeoutsMs === undefined ? adaptedForMs : settledForMs;
  const untilMs = cluster.nowMs + settleWithinMs;
  while (cluster.nowMs < untilMs) {
    const leader = await cluster.settle(settleMs, untilMs - cluster.nowMs);
    if (leader === undefined) return undefined;
    const shorter =
      settings.logs === 'different' ? cluster.random.shuffled(cluster.followersOf(leader)).slice(2) : [];
    if (!(await cluster.commitWithout(leader, shorter))) continue;
    if (!(await cluster.freezeAfterHeartbeat(leader))) continue;
    // Still until then: whatever the settings are, no other heartbeat leaves in the interval.
    await cluster.pass(cluster.random.unit() * heartbeatMs(settings));
    leader.crash(settings.crash);
    const timeMs = await cluster.untilElected(boundMs);
    await cluster.pass(restartAfterMs);
    leader.start();
    return timeMs;
  }
  return undefined;
}
