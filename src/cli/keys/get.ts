import { once } from 'node:events';
import type { Command } from 'commander';
import type { ConclaveClient } from '../../client/index.ts';
import type { KeyValue } from '../../wire/index.ts';
import { addEndpoints, endpointsOf } from '../client-options.ts';
import { parseDurationMs } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import { toJsonLine } from '../output.ts';
import { openClient } from '../wiring.ts';
import { keyJson, parseRevision, printable, rangeOf } from './text.ts';

const help = `
Prints the value of one key as it is, with a line break after it; of many, a line for each: key, tab, value. Exits with
${exitCodes.notThere.code} where the one key is not there.

Examples:
  $ conclave get config/limit
  $ conclave get config/ --prefix
  $ conclave get config/limit --rev 1042             # as it was, unless that is compacted
  $ conclave get '' --prefix --json | jq -r .key     # every key`;

/** Keys of one answer: what they take together stays small, and the loop of the member free. */
const pageKeys = 500;

interface GetOptions {
  readonly endpoints?: string;
  readonly timeout: string;
  readonly prefix?: boolean;
  readonly rev?: string;
  readonly json?: boolean;
}

export function addGet(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('get')
    .argument('<KEY>')
    .description('Print the value of a key, or all keys that begin with it.')
    .option('--prefix', 'All keys that begin with KEY.')
    .option('--rev <REVISION>', 'As of this revision. Default: now.')
    .option('--json', 'One JSON object for each key.')
    .option('--timeout <DURATION>', 'How long to wait for each answer.', '5s')
    .addHelpText('after', help);
  addEndpoints(command);
  command.action(async (text: string, options: GetOptions) => {
    const { prefix = false, json = false } = options;
    const range = rangeOf(text, prefix);
    const revision = parseRevision(options.rev, '--rev', 1) ?? 0;
    const timeoutMs = parseDurationMs(options.timeout, '--timeout');
    await using client = openClient(endpointsOf(options.endpoints));
    let found = 0;
    for await (const entry of entries(client, { ...range, revision, timeoutMs })) {
      found += 1;
      // A reader that is slower than the cluster costs no memory.
      if (!process.stdout.write(textOf(entry, { prefix, json }))) await once(process.stdout, 'drain');
    }
    if (found === 0 && !prefix) throw new CommandFailure('notThere', `There is no key '${text}'.`);
    finish(exitCodes.ok.code);
  });
}

function textOf(entry: KeyValue, { prefix, json }: { prefix: boolean; json: boolean }): string | Uint8Array {
  if (json) return `${toJsonLine(keyJson(entry))}\n`;
  if (prefix) return `${printable(entry.key)}\t${printable(entry.value)}\n`;
  return Buffer.concat([entry.value, Buffer.from('\n')]);
}

interface Wanted {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly revision: number;
  readonly timeoutMs: number;
}

/** In the order of the keys, all as of one revision. */
async function* entries(client: ConclaveClient, wanted: Wanted): AsyncGenerator<KeyValue, void, undefined> {
  const { rangeEnd, timeoutMs } = wanted;
  let { key, revision } = wanted;
  for (;;) {
    const answer = await client.range({ key, rangeEnd, revision, limit: pageKeys }, { timeoutMs });
    yield* answer.kvs;
    const last = answer.kvs.at(-1);
    if (!answer.more || last === undefined) return;
    if (revision === 0) revision = answer.header?.revision ?? 0;
    key = Buffer.concat([last.key, Uint8Array.of(0)]);
  }
}
