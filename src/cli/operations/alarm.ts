import type { Command } from 'commander';
import type { ConclaveClient } from '../../client/index.ts';
import type { AlarmMember, Member } from '../../wire/index.ts';
import { addEndpoints, endpointsOf } from '../client-options.ts';
import { parseDurationMs } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatTable, toJsonLine } from '../output.ts';
import { openClient } from '../wiring.ts';

const kinds = ['NONE', 'NOSPACE', 'CORRUPT'];

interface AlarmOptions {
  readonly endpoints?: string;
  readonly json?: boolean;
  readonly timeout: string;
}

const help = `
NOSPACE: a quota is used up, and writes are refused. CORRUPT: a member's data differs from that of the others.

Examples, after the quota was used up and keys were deleted:
  $ conclave alarm list
  $ conclave compact 120000
  $ conclave alarm disarm`;

/** `conclave alarm list` and `conclave alarm disarm`. */
export function addAlarm(program: Command, finish: (exitCode: number) => void): void {
  const alarm = program
    .command('alarm')
    .description('List the alarms of the cluster, or lift them.')
    .addHelpText('after', help);
  const add = (
    name: string,
    description: string,
    act: (client: ConclaveClient, timeoutMs: number) => Promise<readonly AlarmMember[]>,
    none: string,
  ) => {
    const command = alarm
      .command(name)
      .description(description)
      .option('--json', 'One JSON object for each alarm.')
      .option('--timeout <DURATION>', 'How long to wait for the answer.', '5s');
    addEndpoints(command);
    command.action(async (options: AlarmOptions) => {
      const timeoutMs = parseDurationMs(options.timeout, '--timeout');
      await using client = openClient(endpointsOf(options.endpoints));
      const alarms = await act(client, timeoutMs);
      const members = alarms.length === 0 ? [] : await client.memberList({ timeoutMs, serializable: true });
      print(alarms, members, { json: options.json === true, none });
      finish(exitCodes.ok.code);
    });
  };
  add('list', 'Show the alarms that are raised.', listed, 'No alarm is raised.');
  add(
    'disarm',
    'Lift all alarms. One whose cause is still there is raised again.',
    disarmed,
    'No alarm was raised.',
  );
}

function listed(client: ConclaveClient, timeoutMs: number): Promise<readonly AlarmMember[]> {
  return client.maintenance.alarms({ timeoutMs });
}

async function disarmed(client: ConclaveClient, timeoutMs: number): Promise<readonly AlarmMember[]> {
  const raised = await client.maintenance.alarms({ timeoutMs });
  for (const one of raised) await client.maintenance.disarm(one, { timeoutMs });
  return raised;
}

function print(
  alarms: readonly AlarmMember[],
  members: readonly Member[],
  { json, none }: { readonly json: boolean; readonly none: string },
): void {
  const rows = alarms.map(({ memberID, alarm }) => ({
    member: memberID.toString(16),
    name: members.find(({ ID }) => ID === memberID)?.name ?? '',
    alarm: kinds[alarm] ?? String(alarm),
  }));
  if (json) process.stdout.write(rows.map((row) => `${toJsonLine(row)}\n`).join(''));
  else if (rows.length === 0) process.stderr.write(`${none}\n`);
  else {
    process.stdout.write(
      formatTable(
        ['MEMBER', 'NAME', 'ALARM'],
        rows.map(({ member, name, alarm }) => [member, name === '' ? '-' : name, alarm]),
      ),
    );
  }
}
