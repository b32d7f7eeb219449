/**
 * Takes away sessions that nobody ended, by the clock of ZooKeeper's leader alone: what it gives a node written now,
 * less what it gave the others. Never early while the clocks of those who led differ by less than `marginMs`.
 */
import { contentOf, parseVersion } from './layout.ts';
import type { Nodes } from './nodes.ts';
import { deleting, settingData } from './wire.ts';

export interface SweepLimits {
  readonly everyMs: number;
  readonly marginMs: number;
}

const hourly: SweepLimits = { everyMs: 3_600_000, marginMs: 86_400_000 };
const atATime = 100;

export async function sweepSessions(
  nodes: Nodes,
  root: string,
  signal: AbortSignal,
  { everyMs, marginMs }: SweepLimits = hourly,
): Promise<void> {
  const bounds = { signal, timeoutMs: 5000 };
  const path = `${root}/swept`;
  await nodes.ensure([path], bounds);
  const [last] = await nodes.find([path], bounds);
  if (last === undefined) return;
  const touch = settingData(path, '', last.stat.version);
  const [now] = (await nodes.change(path, [touch], bounds)).stats;
  // Another process was first, or it was done not long ago.
  if (now === undefined || now.changedAtMs - last.stat.changedAtMs < everyMs) return;
  const left = (await nodes.children(`${root}/sessions`, bounds)).map((name) => `${root}/sessions/${name}`);
  while (left.length > 0 && !signal.aborted) {
    const paths = left.splice(0, atATime);
    for (const [at, node] of (await nodes.find(paths, bounds)).entries()) {
      if (node === undefined) continue;
      const { stored, keepMs } = contentOf(node);
      if (keepMs === undefined || node.stat.changedAtMs + keepMs + marginMs >= now.changedAtMs) continue;
      const { version } = parseVersion(stored.version);
      const removal = deleting(paths[at] ?? '', version);
      await nodes.change(paths[at] ?? '', [removal], bounds);
    }
  }
}
