import { constants } from 'node:os';
import type { Command } from 'commander';
import { observe } from '../election/index.ts';
import { addEndpoints, checkElectionName, endpointsOf } from './client-options.ts';
import { exitCodeOfSignal } from './exit-codes.ts';
import { toJsonLine } from './output.ts';
import { openStore } from './wiring.ts';

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
    .addHelpText('after', examples);
  addEndpoints(command);
  command.action(async (name: string, options: { endpoints?: string; json?: boolean; once?: boolean }) => {
    const { json = false, once = false } = options;
    finish(await runObserve(checkElectionName(name), endpointsOf(options.endpoints), { json, once }));
  });
}

async function runObserve(
  name: string,
  endpoints: readonly string[],
  { json, once }: { json: boolean; once: boolean },
): Promise<number> {
  const interrupted = new AbortController();
  let exitCode = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      exitCode = exitCodeOfSignal(constants.signals[signal]);
      interrupted.abort();
    });
  }
  await using store = openStore(endpoints);
  const changes = observe(store, name, {
    signal: interrupted.signal,
    onEvent: (event) => {
      if (event.type !== 'trouble' || event.attempt % 5 !== 1) return;
      process.stderr.write(`conclave: ${event.what}: ${(event.error as Error).message} Trying again.\n`);
    },
  });
  for await (const leader of changes) {
    const at = new Date().toISOString();
    process.stdout.write(
      json
        ? `${toJsonLine({ at, election: name, leader: leader ?? null })}\n`
        : `${at}  ${sentence(leader)}\n`,
    );
    if (once) break;
  }
  return exitCode;
}

function sentence(leader: { holder: string; token: number; metadata: string } | undefined): string {
  if (leader === undefined) return 'nobody leads';
  const metadata = leader.metadata === '' ? '' : `, ${leader.metadata}`;
  return `${leader.holder} leads with token ${leader.token}${metadata}`;
}
