import type { Command } from 'commander';
import { parseDurationMs } from '../durations.ts';
import { CommandFailure } from '../failure.ts';
import { parseWholeNumber } from '../numbers.ts';
import type { DevOptions } from './run.ts';

const examples = `
Starts the members and the candidates of an example job as processes of their own, on loopback, and shows them. The
job adds a line to a shared file through its leadership. In a terminal: k kills the Raft leader, j kills the job's
leader, p pauses it past its lease and lets it wake and try a stale write, h heals all, q quits.

Examples:
  $ conclave dev
  $ conclave dev --members 5 --candidates 10 --ttl 1s
  $ conclave dev --for 20s --script      # plays the keys by itself; exits 0 only if all went well`;

interface Flags {
  readonly members: string;
  readonly candidates: string;
  readonly ttl: string;
  readonly dataDir?: string;
  readonly for?: string;
  readonly script?: boolean;
  readonly json?: boolean;
}

export function addDev(program: Command, finish: (exitCode: number) => void): void {
  program
    .command('dev')
    .description('Watch processes elect a leader through a cluster on this machine.')
    .option('--members <N>', 'Members of the cluster: 1, 3, 5 or 7.', '3')
    .option('--candidates <N>', 'Processes that campaign, 1 to 50.', '3')
    .option('--ttl <DURATION>', 'TTL of the leadership, 500ms to 1m.', '2s')
    .option('--data-dir <PATH>', 'Keep data and logs there. Default: a temporary folder, removed in the end.')
    .option('--for <DURATION>', 'End after this time.')
    .option('--script', 'Kill, pause and heal by itself, then judge what was seen.')
    .option('--json', 'Events as JSON lines instead of the view.')
    .addHelpText('after', examples)
    .action(async (flags: Flags) => {
      const options = resolveDevOptions(flags);
      const { runDev } = await import('./run.ts');
      finish(await runDev(options));
    });
}

export function resolveDevOptions(flags: Flags): DevOptions {
  const members = parseWholeNumber(flags.members, '--members', 1, 7);
  if (members % 2 === 0)
    throw new CommandFailure('usage', `--members: ${members} is even; use 1, 3, 5 or 7.`);
  const candidates = parseWholeNumber(flags.candidates, '--candidates', 1, 50);
  const ttlMs = parseDurationMs(flags.ttl, '--ttl');
  if (ttlMs < 500 || ttlMs > 60_000)
    throw new CommandFailure('usage', `--ttl: ${flags.ttl} is not from 500ms to 1m.`);
  if (flags.script && (members < 3 || candidates < 2)) {
    throw new CommandFailure(
      'usage',
      '--script kills leaders: it needs at least 3 members and 2 candidates.',
    );
  }
  return {
    ...{ members, candidates, ttlMs },
    dataDir: flags.dataDir,
    forMs: flags.for === undefined ? undefined : parseDurationMs(flags.for, '--for'),
    script: flags.script === true,
    json: flags.json === true,
  };
}
