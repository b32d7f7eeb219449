import type { Row, RunOptions } from '../row.ts';
import { milliseconds } from '../statistics.ts';
import { connect, type Kind, pause, put, System, type SystemMember } from '../systems.ts';

const probeEveryMs = 2;

/** Writes at the members that stay, a new one every 2 ms, and tells when each was sent and acknowledged. */
async function probeWhile(
  system: System,
  leader: SystemMember,
  act: () => void,
  untilDone: (acknowledgedMs: readonly number[]) => boolean,
): Promise<number[]> {
  const survivors = system.members
    .filter((member) => member !== leader)
    .map((member) => connect(member.clientUrl));
  await Promise.all(survivors.map((transport, position) => put(transport, `warm/${position}`)));
  const startMs = performance.now();
  const acknowledged: number[] = [];
  act();
  for (let number = 0; !untilDone(acknowledged); number++) {
    const transport = survivors[number % survivors.length];
    if (transport) {
      put(transport, `probe/${number}`, 20_000).then(
        () => acknowledged.push(performance.now() - startMs),
        () => undefined,
      );
    }
    await pause(probeEveryMs);
  }
  for (const transport of survivors) transport.close();
  return acknowledged;
}

/** From the signal to the first acknowledgement of a write that was sent after it. */
async function trials(
  kind: Kind,
  signal: 'SIGKILL' | 'SIGSTOP',
  count: number,
  flags: readonly string[] = [],
): Promise<number[]> {
  await using system = await System.start(kind, flags);
  await pause(2000);
  const figures: number[] = [];
  for (let trial = 0; trial < count; trial++) {
    const leader = await system.healthy();
    const acknowledged = await probeWhile(
      system,
      leader,
      () => leader.process.kill(signal),
      (seen) => seen.length > 0,
    );
    figures.push(Math.min(...acknowledged));
    leader.process.kill('SIGCONT');
    await system.restart(leader);
  }
  return figures;
}

/** To the first acknowledgement of a write sent after SIGTERM, and the longest time without one in the second after. */
async function handOvers(kind: Kind, count: number): Promise<string> {
  await using system = await System.start(kind);
  await pause(2000);
  const first: number[] = [];
  const longest: number[] = [];
  for (let trial = 0; trial < count; trial++) {
    const leader = await system.healthy();
    const startMs = performance.now();
    const acknowledged = await probeWhile(
      system,
      leader,
      () => leader.process.kill('SIGTERM'),
      () => performance.now() - startMs > 1000,
    );
    acknowledged.sort((a, b) => a - b);
    first.push(acknowledged[0] ?? Number.NaN);
    longest.push(Math.max(...acknowledged.map((at, position) => at - (acknowledged[position - 1] ?? 0))));
    await system.restart(leader);
  }
  return `${milliseconds(first)}; longest time without one ${milliseconds(longest)}`;
}

async function beside(options: RunOptions, measure: (kind: Kind) => Promise<string>) {
  return { conclave: await measure('conclave'), etcd: options.etcd ? await measure('etcd') : undefined };
}

export const failoverRows: readonly Row[] = [
  {
    name: 'kill',
    what: 'SIGKILL of the Raft leader to the next acknowledged write, defaults',
    goal: '100 ms p50',
    async run(options) {
      const count = options.quick ? 3 : 20;
      const result = await beside(options, async (kind) =>
        milliseconds(await trials(kind, 'SIGKILL', count)),
      );
      if (!options.etcd || options.quick) return result;
      const tuned = await trials('etcd', 'SIGKILL', 8, [
        '--heartbeat-interval',
        '20',
        '--election-timeout',
        '200',
      ]);
      return { ...result, etcd: `${result.etcd}; with 20/200: ${milliseconds(tuned)}` };
    },
  },
  {
    name: 'stop',
    what: 'SIGSTOP of the Raft leader to the next acknowledged write',
    goal: '600 ms p50',
    run: (options) =>
      beside(options, async (kind) => milliseconds(await trials(kind, 'SIGSTOP', options.quick ? 3 : 12))),
  },
  {
    name: 'term',
    what: 'SIGTERM of the Raft leader to the next acknowledged write',
    goal: '10 ms p50, 50 ms worst',
    run: (options) => beside(options, (kind) => handOvers(kind, options.quick ? 3 : 12)),
  },
];
