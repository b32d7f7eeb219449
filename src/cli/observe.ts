import type { Command } from 'commander';
import { observe } from '../election/index.ts';
import {
  addStore,
  checkElectionName,
  storeHelp,
  type WhereElectionsAre,
  whereElectionsAre,
} from './client-options.ts';
import { parseDurationMs } from './durations.ts';
import { exitCodes } from './exit-codes.ts';
import { CommandFailure, sentenceOf } from './failure.ts';
import { listenForInterruption } from './interruption.ts';
import { toJsonLine } from './output.ts';
import { openElections } from './wiring.ts';

const examples = `
Prints who leads now, then a line for each change, until it is interrupted.

Examples:
  $ conclave observe nightly-report
  $ conclave observe nightly-report --json | jq -r .leader.holder
  $ conclave observe nightly-report --once           # who leads now`;

export function addObserve(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('observe')
    .description('Follow who leads an election, and with which token.')
    .argument('<NAME>', 'The election.')
    .option('--json', 'One JSON object for each change.')
    .option('--once', 'Print who leads now, and end.')
    .option('--timeout <DURATION>', 'With --once: how long to wait for the answer.', '5s')
    .addHelpText('after', `${examples}\n${storeHelp}`);
  addStore(command);
  command.action(async (name: string, options: ObserveFlags) => {
    const { json = false, once = false } = options;
    if (!once && command.getOptionValueSource('timeout') === 'cli')
      throw new CommandFailure(
        'usage',
        '--timeout means nothing without --once: observe goes on until it is interrupted.',
      );
    const timeoutMs = parseDurationMs(options.timeout, '--timeout');
    const where = whereElectionsAre(command);
    const run = once ? printLeader : runObserve;
    finish(await run(checkElectionName(name), where, { json, timeoutMs }));
  });
}

interface ObserveFlags {
  readonly json?: boolean;
  readonly once?: boolean;
  readonly timeout: string;
}

interface PrintOptions {
  readonly json: boolean;
  readonly timeoutMs: number;
}

/** @throws ConclaveError 'unavailable' or 'timeout' when no member answers in time. */
async function printLeader(name: string, where: WhereElectionsAre, options: PrintOptions): Promise<number> {
  await using store = await openElections(where);
  const { leader } = await store.read(name, { timeoutMs: options.timeoutMs });
  print(name, leader, options);
  return exitCodes.ok.code;
}

async function runObserve(name: string, where: WhereElectionsAre, options: PrintOptions): Promise<number> {
  const interrupted = listenForInterruption();
  await using store = await openElections(where);
  const changes = observe(store, name, {
    signal: interrupted.signal,
    onEvent: (event) => {
      if (event.type !== 'trouble' || event.attempt % 5 !== 1) return;
      process.stderr.write(`conclave: ${event.what}: ${sentenceOf(event.error)} Trying again.\n`);
    },
  });
  for await (const leader of changes) print(name, leader, options);
  return interrupted.exitCode;
}

type Leader = { readonly holder: string; readonly token: number; readonly metadata: string };

function print(name: string, leader: Leader | undefined, { json }: PrintOptions): void {
  const at = new Date().toISOString();
  const line = json
    ? toJsonLine({ at, election: name, leader: leader ?? null })
    : `${at}  ${sentence(leader)}`;
  process.stdout.write(`${line}\n`);
}

function sentence(leader: Leader | undefined): string {
  if (leader === undefined) return 'nobody leads';
  const metadata = leader.metadata === '' ? '' : `, ${leader.metadata}`;
  return `${leader.holder} leads with token ${leader.token}${metadata}`;
}
