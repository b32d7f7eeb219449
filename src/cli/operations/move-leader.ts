import type { Command } from 'commander';
import { addEndpoints, endpointsOf } from '../client-options.ts';
import { parseDurationMs } from '../durations.ts';
import { CommandFailure } from '../failure.ts';
import { openClient } from '../wiring.ts';
import { describe, find } from './member.ts';

const help = `
MEMBER is an id or a name, as \`conclave member list\` shows them. Requests that are under way wait for the new leader.

Example:
  $ conclave move-leader m2`;

export function addMoveLeader(program: Command): void {
  const command = program
    .command('move-leader <MEMBER>')
    .description('Hand Raft leadership to another voter.')
    .option('--timeout <DURATION>', 'How long to wait for each answer.', '10s')
    .addHelpText('after', help);
  addEndpoints(command);
  command.action(async (text: string, options: { endpoints?: string; timeout: string }) => {
    const timeoutMs = parseDurationMs(options.timeout, '--timeout');
    const endpoints = endpointsOf(options.endpoints);
    await using client = openClient(endpoints);
    const target = await find(client, text, timeoutMs);
    const { leader } = await client.status({ timeoutMs });
    const members = await client.memberList({ timeoutMs, serializable: true });
    if (leader === target.ID) {
      process.stdout.write(`${describe(target)} leads already\n`);
      return;
    }
    const from = members.find((one) => one.ID === leader);
    const endpoint = from?.clientURLs[0];
    if (from === undefined || endpoint === undefined) {
      throw new CommandFailure(
        'unreachable',
        'No Raft leader is known, or it has not told an address for clients.',
      );
    }
    await using atLeader = openClient([endpoint]);
    await atLeader.maintenance.moveLeader(target.ID, { endpoint, timeoutMs });
    process.stdout.write(`Leadership moved from ${describe(from)} to ${describe(target)}\n`);
  });
}
