import type { Command } from 'commander';
import type { WatchOptions } from '../../client/index.ts';
import { type Event, Event_EventType } from '../../wire/index.ts';
import { addEndpoints, endpointsOf } from '../client-options.ts';
import { listenForInterruption } from '../interruption.ts';
import { toJsonLine } from '../output.ts';
import { openClient } from '../wiring.ts';
import { field, keyJson, parseRevision, printable, rangeOf } from './text.ts';

const help = `
Prints a line for each change, in the order in which they took place, until it is interrupted: put, tab, key, tab, value;
or delete, tab, key. When members fail it goes on elsewhere, with nothing left out and nothing twice.

Examples:
  $ conclave watch config/ --prefix
  $ conclave watch config/ --prefix --rev 1042       # what has changed since too, unless that is compacted
  $ conclave watch config/limit --json | jq .value`;

interface WatchFlags {
  readonly endpoints?: string;
  readonly prefix?: boolean;
  readonly rev?: string;
  readonly json?: boolean;
}

export function addWatch(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('watch')
    .argument('<KEY>')
    .description('Follow the changes of a key, or of all keys that begin with it.')
    .option('--prefix', 'All keys that begin with KEY.')
    .option('--rev <REVISION>', 'Begin with the changes of this revision. Default: with the next.')
    .option('--json', 'One JSON object for each change.')
    .addHelpText('after', help);
  addEndpoints(command);
  command.action(async (text: string, options: WatchFlags) => {
    const { prefix = false, json = false } = options;
    const startRevision = parseRevision(options.rev, '--rev', 1) ?? 0;
    finish(await follow(endpointsOf(options.endpoints), { ...rangeOf(text, prefix), startRevision }, json));
  });
}

async function follow(endpoints: readonly string[], request: WatchOptions, json: boolean): Promise<number> {
  const interrupted = listenForInterruption();
  await using client = openClient(endpoints);
  let stands = false;
  for await (const { events, revision } of client.watch(request, { signal: interrupted.signal })) {
    if (!stands) process.stderr.write(`conclave: watching, ${sinceWhen(request.startRevision, revision)}\n`);
    stands = true;
    if (events.length > 0) process.stdout.write(events.map((event) => `${lineOf(event, json)}\n`).join(''));
  }
  return interrupted.exitCode;
}

/** From an old revision the watch begins before the member could look whether its history is still there. */
function sinceWhen(startRevision: number | undefined, revision: number): string {
  return startRevision ? `from revision ${startRevision} on` : `at revision ${revision}`;
}

function lineOf({ type, kv }: Event, json: boolean): string {
  if (kv === undefined) return '';
  const isPut = type === Event_EventType.PUT;
  if (!json) {
    return isPut ? `put\t${printable(kv.key)}\t${printable(kv.value)}` : `delete\t${printable(kv.key)}`;
  }
  return toJsonLine(
    isPut
      ? { type: 'put', ...keyJson(kv) }
      : { type: 'delete', ...field('key', kv.key), modRevision: kv.modRevision },
  );
}
