import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Row } from '../row.ts';
import { format } from '../statistics.ts';
import { type Kind, pause, System } from '../systems.ts';

interface Usage {
  readonly cpuMs: number;
  readonly residentMiB: number;
}

/** From Linux's /proc; elsewhere this row cannot be measured. */
export async function usage(pid: number): Promise<Usage> {
  const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  // The second field is the command in parentheses and may hold spaces; user and system time are the 14th and 15th.
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return {
    cpuMs: (ticks * 1000) / ticksPerSecond,
    residentMiB: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
  };
}

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
