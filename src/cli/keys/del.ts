import type { Command } from 'commander';
import { addEndpoints, endpointsOf } from '../client-options.ts';
import { parseDurationMs } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import { toJsonLine } from '../output.ts';
import { openClient } from '../wiring.ts';
import { ifAtRevision } from './compare.ts';
import { parseRevision, rangeOf } from './text.ts';

const help = `
Prints how many keys were deleted; that there was none is no failure. With --if-revision, a key that is not at that
revision stays, and the exit code is ${exitCodes.notThere.code}.

Examples:
  $ conclave del config/limit
  $ conclave del config/limit --if-revision 1042
  $ conclave del config/ --prefix`;

interface DelOptions {
  readonly endpoints?: string;
  readonly timeout: string;
  readonly prefix?: boolean;
  readonly ifRevision?: string;
  readonly json?: boolean;
}

export function addDel(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('del')
    .argument('<KEY>')
    .description('Delete a key, or all keys that begin with it.')
    .option('--prefix', 'All keys that begin with KEY.')
    .option('--if-revision <REVISION>', 'Only if this is the revision of its last change.')
    .option('--json', 'One line of JSON.')
    .option('--timeout <DURATION>', 'How long to wait for the answer.', '5s')
    .addHelpText('after', help);
  addEndpoints(command);
  command.action(async (text: string, options: DelOptions) => {
    const { prefix = false } = options;
    const ifRevision = parseRevision(options.ifRevision, '--if-revision', 1);
    if (prefix && ifRevision !== undefined) {
      throw new CommandFailure(
        'usage',
        '--prefix and --if-revision contradict each other: give one of them.',
      );
    }
    // Elections are keys too: an empty variable in a script must not be the end of them all.
    if (text === '') throw new CommandFailure('usage', 'KEY is empty.');
    const { key, rangeEnd } = rangeOf(text, prefix);
    const timeoutMs = parseDurationMs(options.timeout, '--timeout');
    await using client = openClient(endpointsOf(options.endpoints));
    let deleted = 1;
    let revision = 0;
    if (ifRevision === undefined) {
      const answer = await client.deleteRange(key, { rangeEnd, timeoutMs });
      ({ deleted } = answer);
      revision = answer.header?.revision ?? 0;
    } else {
      const request = { $case: 'requestDeleteRange', value: { key } } as const;
      const answer = await ifAtRevision(client, { key, ifRevision, request, timeoutMs });
      revision = answer.header?.revision ?? 0;
    }
    const keys = deleted === 1 ? 'key' : 'keys';
    process.stdout.write(
      options.json === true ? `${toJsonLine({ deleted, revision })}\n` : `${deleted} ${keys} deleted\n`,
    );
    finish(exitCodes.ok.code);
  });
}
