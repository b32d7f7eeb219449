import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { CandidateOptions } from '../../src/election/index.ts';
import type { Row } from '../row.ts';
import { milliseconds } from '../statistics.ts';
import { onPath, pause, System } from '../systems.ts';

const candidateScript = fileURLToPath(new URL('../candidate.ts', import.meta.url));

interface Contender {
  readonly process: ChildProcess;
  readonly lines: Interface;
  readonly warm: Promise<bigint>;
  /** Resolves with the machine's monotonic ns at which it began to lead, once for each time. */
  leading: Promise<bigint>;
}

function nextLine(lines: Interface, beginning: string): Promise<bigint> {
  return new Promise((resolve) => {
    const look = (line: string) => {
      if (!line.startsWith(beginning)) return;
      lines.off('line', look);
      resolve(BigInt(line.split(' ')[1] ?? 0));
    };
    lines.on('line', look);
  });
}

function contend(system: System, election: string, options: CandidateOptions): Contender {
  const endpoints = system.members.map((member) => member.clientUrl).join(',');
  const child = spawn(process.execPath, [candidateScript, endpoints, election, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  return { process: child, lines, warm: nextLine(lines, 'warm'), leading: nextLine(lines, 'leading') };
}

async function end(contender: Contender): Promise<void> {
  const ended = once(contender.process, 'exit');
  contender.process.kill('SIGKILL');
  await ended;
}

/** From SIGKILL of the leading process until the waiting one leads. */
async function killTrials(options: CandidateOptions, count: number): Promise<number[]> {
  await using system = await System.start('conclave');
  const figures: number[] = [];
  for (let trial = 0; trial < count; trial++) {
    const first = contend(system, `kill-${trial}`, options);
    await first.leading;
    const second = contend(system, `kill-${trial}`, options);
    await second.warm;
    // Long enough for the second to be waiting, and not in step with the first's renewals.
    await pause(800 + Math.random() * 300);
    const killedAt = process.hrtime.bigint();
    first.process.kill('SIGKILL');
    figures.push(Number((await second.leading) - killedAt) / 1e6);
    await end(second);
  }
  return figures;
}

type Order = 'resign' | 'hand-off';

/** `pauseMs` between two: a cluster that was idle for long takes longer, since everything has to wake first. */
async function resignTrials(count: number, pauseMs: number, order: Order = 'resign'): Promise<number[]> {
  await using system = await System.start('conclave');
  const holders = ['first', 'second'];
  const contenders = holders.map((holder) => contend(system, 'resign', { holder }));
  const figures: number[] = [];
  let leader = await Promise.race(
    contenders.map(async (contender) => {
      await contender.leading;
      return contender;
    }),
  );
  await Promise.all(contenders.map((contender) => contender.warm));
  await pause(1000);
  for (let trial = 0; trial < count; trial++) {
    const next = contenders.find((contender) => contender !== leader) as Contender;
    leader.leading = nextLine(leader.lines, 'leading');
    const resigning = nextLine(leader.lines, 'resigning');
    const to = holders[contenders.indexOf(next)];
    leader.process.stdin?.write(order === 'hand-off' ? `hand-off ${to}\n` : 'resign\n');
    figures.push(Number((await next.leading) - (await resigning)) / 1e6);
    leader = next;
    await pause(pauseMs);
  }
  for (const contender of contenders) await end(contender);
  return figures;
}

/** The same on etcd with what its own tool offers: a lock held under a session of the smallest TTL. */
async function etcdKillTrials(count: number): Promise<number[] | undefined> {
  if (!onPath('etcdctl')) return undefined;
  await using system = await System.start('etcd');
  const endpoints = system.members.map((member) => member.clientUrl).join(',');
  const lock = (name: string) => {
    const child = spawn('etcdctl', ['--endpoints', endpoints, 'lock', '--ttl', '2', name], {
      env: { ...process.env, ETCDCTL_API: '3' },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return { child, held: once(child.stdout, 'data').then(() => process.hrtime.bigint()) };
  };
  const figures: number[] = [];
  for (let trial = 0; trial < count; trial++) {
    const first = lock(`kill-${trial}`);
    await first.held;
    const second = lock(`kill-${trial}`);
    await pause(800 + Math.random() * 300);
    const killedAt = process.hrtime.bigint();
    first.child.kill('SIGKILL');
    figures.push(Number((await second.held) - killedAt) / 1e6);
    second.child.kill('SIGKILL');
    await once(second.child, 'exit');
  }
  return figures;
}

export const electionRows: readonly Row[] = [
  {
    name: 'job-kill',
    what: "SIGKILL of the job's leader to the next one leading, connection-bound session (`releaseOnDisconnect: true`)",
    goal: '30 ms p50',
    async run({ quick, etcd }) {
      const ours = await killTrials({ ttlMs: 5000, releaseOnDisconnect: true }, quick ? 3 : 20);
      const theirs = etcd ? await etcdKillTrials(quick ? 2 : 8) : undefined;
      return {
        conclave: milliseconds(ours),
        etcd: theirs && `${milliseconds(theirs)} (by expiry, TTL 2 s, its smallest)`,
      };
    },
  },
  {
    name: 'job-expiry',
    what: "SIGKILL of the job's leader to the next one leading, by expiry alone, TTL 500 ms",
    goal: '600 ms',
    async run({ quick }) {
      return {
        conclave: milliseconds(await killTrials({ ttlMs: 500 }, quick ? 3 : 20)),
        etcd: 'not possible',
      };
    },
  },
  {
    name: 'resign',
    what: '`resign()` to the next one leading',
    goal: '10 ms p50',
    async run({ quick }) {
      const often = await resignTrials(quick ? 10 : 100, 20);
      const seldom = await resignTrials(quick ? 5 : 40, 500);
      const conclave = `${milliseconds(often)}, 20 ms apart; ${milliseconds(seldom)}, 500 ms apart`;
      return { conclave, etcd: undefined };
    },
  },
  {
    name: 'hand-off',
    what: "`handOff(holder)`: from the abort of the old leader's signal to that one leading",
    goal: '10 ms p50',
    async run({ quick }) {
      const figures = await resignTrials(quick ? 10 : 100, 100, 'hand-off');
      return { conclave: milliseconds(figures), etcd: undefined };
    },
  },
];
