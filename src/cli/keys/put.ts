import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import type { ConclaveClient } from '../../client/index.ts';
import { addEndpoints, endpointsOf } from '../client-options.ts';
import { parseDurationMs } from '../durations.ts';
import { exitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import { toJsonLine } from '../output.ts';
import { openClient } from '../wiring.ts';
import { ifAtRevision } from './compare.ts';
import { parseLease, parseRevision, rangeOf } from './text.ts';

const help = `
Without VALUE it is read from stdin, all of it. --if-revision makes it a compare-and-swap: read the key with --json, and
put it back only if nobody has changed it since (modRevision); 0 puts it only where there is none. Otherwise nothing is
changed, and the exit code is ${exitCodes.notThere.code}.

Examples:
  $ conclave put config/limit 100
  $ conclave put config/limit 200 --if-revision 1042
  $ conclave put seen/host-1 now --ttl 30s           # gone after 30 s
  $ conclave put config/file < file`;

interface PutOptions {
  readonly endpoints?: string;
  readonly timeout: string;
  readonly lease?: string;
  readonly ttl?: string;
  readonly ifRevision?: string;
  readonly json?: boolean;
}

export function addPut(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('put')
    .argument('<KEY>')
    .argument('[VALUE]')
    .description('Give a key a value.')
    .option('--lease <ID>', 'The key goes when this lease ends.')
    .option('--ttl <DURATION>', 'The key goes after this time: a lease of its own, which nobody renews.')
    .option(
      '--if-revision <REVISION>',
      'Only if this is the revision of its last change; 0: if it is not there.',
    )
    .option('--json', 'One line of JSON.')
    .option('--timeout <DURATION>', 'How long to wait for the answer.', '5s')
    .addHelpText('after', help);
  addEndpoints(command);
  command.action(async (text: string, given: string | undefined, options: PutOptions) => {
    const { key } = rangeOf(text, false);
    if (options.lease !== undefined && options.ttl !== undefined) {
      throw new CommandFailure('usage', '--lease and --ttl contradict each other: give one of them.');
    }
    const chosen = options.lease === undefined ? 0n : parseLease(options.lease);
    const ttlMs = options.ttl === undefined ? undefined : parseDurationMs(options.ttl, '--ttl');
    if (ttlMs === 0) throw new CommandFailure('usage', '--ttl: nothing lives for no time.');
    const ifRevision = parseRevision(options.ifRevision, '--if-revision', 0);
    const timeoutMs = parseDurationMs(options.timeout, '--timeout');
    const value = given === undefined ? await readStdin() : Buffer.from(given);
    await using client = openClient(endpointsOf(options.endpoints));
    const lease = ttlMs === undefined ? chosen : (await client.leaseGrant(ttlMs, { timeoutMs })).lease;
    const revision = await put(client, { key, value, lease, ifRevision, timeoutMs }).catch(
      async (error: unknown) => {
        if (ttlMs !== undefined) await client.leaseRevoke(lease, { timeoutMs }).catch(() => {});
        throw error;
      },
    );
    const told = { revision, ...(lease !== 0n && { lease: lease.toString(16) }) };
    process.stdout.write(
      options.json === true
        ? `${toJsonLine({ key: text, ...told })}\n`
        : `${text} is put, at revision ${revision}\n`,
    );
    finish(exitCodes.ok.code);
  });
}

interface Put {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: bigint;
  readonly ifRevision: number | undefined;
  readonly timeoutMs: number;
}

async function put(
  client: ConclaveClient,
  { key, value, lease, ifRevision, timeoutMs }: Put,
): Promise<number> {
  if (ifRevision === undefined) {
    return (await client.put(key, value, { lease, timeoutMs })).header?.revision ?? 0;
  }
  const request = { $case: 'requestPut', value: { key, value, lease } } as const;
  const { header } = await ifAtRevision(client, { key, ifRevision, request, timeoutMs });
  return header?.revision ?? 0;
}

async function readStdin(): Promise<Uint8Array> {
  if (process.stdin.isTTY) {
    throw new CommandFailure('usage', 'Give VALUE, or the value on stdin: conclave put KEY < FILE.');
  }
  return await buffer(process.stdin);
}
