import type { Command } from 'commander';
import { addEndpoints, endpointsOf } from '../client-options.ts';
import { formatDuration, parseDurationMs } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { calledOf, findMembers, type Target, whyFailed, whyNoEndpoint } from '../members.ts';
import { openClient } from '../wiring.ts';

const help = `
Members do this by themselves as they go; by hand it is of use after a large compaction, or to shorten the log before a
member is stopped. Each member serves on meanwhile; they take their turns, so that no two do it at once.

Examples:
  $ conclave defrag                                         # all members of the cluster on this machine
  $ conclave defrag --endpoints http://10.0.0.2:2379 --only # this member alone`;

export function addDefrag(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('defrag')
    .description(
      'Free the memory of what was compacted, write a snapshot and shorten the log, on each member.',
    )
    .option('--only', 'The given endpoints, rather than all members of their cluster.')
    .option('--timeout <DURATION>', 'How long to wait for each member.', '5m')
    .addHelpText('after', help);
  addEndpoints(command);
  command.action(async (options: { endpoints?: string; only?: boolean; timeout: string }) => {
    const timeoutMs = parseDurationMs(options.timeout, '--timeout');
    const endpoints = endpointsOf(options.endpoints);
    const all = options.only !== true;
    const targets = all
      ? await findMembers(endpoints, Math.min(timeoutMs, 5000))
      : endpoints.map((endpoint) => ({ id: '', name: '', endpoint }));
    let failures = 0;
    for (const target of targets) if (!(await defragment(target, timeoutMs))) failures += 1;
    finish(failures === 0 ? exitCodes.ok.code : exitCodes.unreachable.code);
  });
}

async function defragment(target: Target, timeoutMs: number): Promise<boolean> {
  const { name, endpoint } = target;
  const who = name === '' || endpoint === '' ? calledOf(target) : `${name} (${endpoint})`;
  if (endpoint === '') {
    process.stderr.write(`conclave: ${who}: ${whyNoEndpoint(target)}\n`);
    return false;
  }
  try {
    await using client = openClient([endpoint]);
    const startMs = performance.now();
    await client.maintenance.defragment({ endpoint, timeoutMs });
    process.stdout.write(`${who}: done in ${formatDuration(performance.now() - startMs)}\n`);
    return true;
  } catch (error) {
    process.stderr.write(`conclave: ${who}: ${whyFailed(error)}\n`);
    return false;
  }
}
