import type { Command } from 'commander';
import type { CallOptions, ConclaveClient } from '../../client/index.ts';
import { addEndpoints, endpointsOf } from '../client-options.ts';
import { parseDurationMs } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { formatTable, toJsonLine } from '../output.ts';
import { openClient } from '../wiring.ts';

/** What a command about users prints: a sentence, or rows under headings. */
export type Told =
  | string
  | {
      readonly heading: readonly string[];
      readonly rows: readonly (readonly (string | number)[])[];
      readonly json: readonly object[];
    };

type Act = (
  client: ConclaveClient,
  words: readonly string[],
  options: Readonly<Record<string, unknown>>,
  call: CallOptions,
) => Promise<Told>;

interface Subcommand {
  readonly name: string;
  /** As commander names them. */
  readonly words: string;
  readonly description: string;
  /** Whether it answers with something to be read by programs. */
  readonly listing?: boolean;
  readonly flags?: readonly (readonly [flag: string, text: string])[];
  readonly act: Act;
}

/** Adds a command with subcommands that each ask the cluster one thing. */
export function addSubcommands(
  parent: Command,
  subcommands: readonly Subcommand[],
  finish: (exitCode: number) => void,
): void {
  for (const { name, words, description, listing = false, flags = [], act } of subcommands) {
    const command = parent.command(`${name} ${words}`.trim()).description(description);
    for (const [flag, text] of flags) command.option(flag, text);
    if (listing) command.option('--json', 'One JSON object for each.');
    command.option('--timeout <DURATION>', 'How long to wait for the answer.', '5s');
    addEndpoints(command);
    command.action(async () => {
      const options = command.opts<{ endpoints?: string; json?: boolean; timeout: string }>();
      const timeoutMs = parseDurationMs(options.timeout, '--timeout');
      await using client = openClient(endpointsOf(options.endpoints));
      print(await act(client, command.args, { ...options }, { timeoutMs }), options.json === true);
      finish(exitCodes.ok.code);
    });
  }
}

function print(told: Told, json: boolean): void {
  if (typeof told === 'string') process.stdout.write(`${told}\n`);
  else if (json) process.stdout.write(told.json.map((row) => `${toJsonLine(row)}\n`).join(''));
  else if (told.rows.length > 0) process.stdout.write(formatTable(told.heading, told.rows));
}
