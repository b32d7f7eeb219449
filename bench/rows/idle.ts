import type { Row } from '../row.ts';
import { format } from '../statistics.ts';
import { type Kind, pause, System } from '../systems.ts';
import { usage } from '../usage.ts';

async function idle(kind: Kind, quick: boolean): Promise<string> {
  await using system = await System.start(kind);
  await pause(quick ? 2000 : 10_000);
  const pids = system.members.map((member) => member.process.pid as number);
  const before = await Promise.all(pids.map(usage));
  const startMs = performance.now();
  await pause(quick ? 3000 : 30_000);
  const after = await Promise.all(pids.map(usage));
  const elapsedMs = performance.now() - startMs;
  const shares = after.map(
    (now, position) => ((now.cpuMs - (before[position]?.cpuMs ?? 0)) / elapsedMs) * 100,
  );
  const resident = Math.max(...after.map((now) => now.residentMiB));
  return `CPU ${shares.map((share) => share.toFixed(2)).join(', ')} %; resident ${format(resident)} MiB at most`;
}

export const idleRows: readonly Row[] = [
  {
    name: 'idle',
    what: 'Idle member: share of one core (leader and followers), resident memory',
    goal: 'below 1 %, below 110 MB',
    async run({ quick, etcd }) {
      return { conclave: await idle('conclave', quick), etcd: etcd ? await idle('etcd', quick) : undefined };
    },
  },
];
