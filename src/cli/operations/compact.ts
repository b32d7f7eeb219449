import type { Command } from 'commander';
import { addEndpoints, endpointsOf } from '../client-options.ts';
import { parseDurationMs } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { parseWholeNumber } from '../numbers.ts';
import { openClient } from '../wiring.ts';

const help = `
Keys keep their value at REVISION and what came after it. Reads and watches from before it end with an error. What was
compacted makes room by and by, or at once with \`conclave defrag\`. The revision now: \`conclave status\`.

Example:
  $ conclave compact 120000`;

export function addCompact(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('compact')
    .argument('<REVISION>')
    .description('Forget the history of all keys before a revision.')
    .option('--timeout <DURATION>', 'How long to wait for the answer.', '5s')
    .addHelpText('after', help);
  addEndpoints(command);
  command.action(async (text: string, options: { endpoints?: string; timeout: string }) => {
    const revision = parseWholeNumber(text, 'REVISION', 1, Number.MAX_SAFE_INTEGER);
    const timeoutMs = parseDurationMs(options.timeout, '--timeout');
    await using client = openClient(endpointsOf(options.endpoints));
    await client.compact(revision, { timeoutMs });
    process.stdout.write(`compacted revision ${revision}\n`);
    finish(exitCodes.ok.code);
  });
}
