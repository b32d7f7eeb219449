import type { Command } from 'commander';
import {
  addStore,
  checkElectionName,
  storeHelp,
  type WhereElectionsAre,
  whereElectionsAre,
} from '../client-options.ts';
import { parseDurationMs, parseTimerMs } from '../durations.ts';
import { describeExitCodes } from '../exit-codes.ts';
import { CommandFailure } from '../failure.ts';
import { parseWholeNumber } from '../numbers.ts';
import { fitsTtl, type StopTimes, stopTimesFor } from './deadlines.ts';
import type { ElectOptions } from './run.ts';

const help = `
The command finds CONCLAVE_TOKEN (the fencing token), CONCLAVE_ELECTION and CONCLAVE_HOLDER in its environment. It
runs in a session of its own without a controlling terminal; signals sent to conclave are passed on to it and to its
children. When leadership is lost it gets SIGTERM, and SIGKILL in time for nothing of it to run when another may
lead. That holds too when conclave itself is killed or frozen: a guardian process sees to it. What has left the
process group (by setsid) it cannot reach.

When leadership was lost, conclave campaigns again and then runs the command again; with --once it ends.

Exit codes: the command's own when it ended by itself, else:
${describeExitCodes('elect')}

Examples:
  # one instance of many runs the job; CONCLAVE_TOKEN goes with every write
  $ conclave elect nightly-report -- ./report.sh

  # takes over soon after a crash
  $ conclave elect ingest --ttl 3s --release-on-disconnect -- node ingest.js

  # like a lock around a command
  $ conclave elect deploy --once --timeout 10m -- ./deploy.sh`;

interface Flags {
  readonly acceptAdvisory?: string;
  readonly ttl: string;
  readonly once?: boolean;
  readonly metadata: string;
  readonly priority: string;
  readonly holder?: string;
  readonly grace: string;
  readonly releaseOnDisconnect?: boolean;
  readonly disconnectGrace?: string;
  readonly killAfter?: string;
  readonly timeout?: string;
  readonly quiet?: boolean;
}

export function addElect(program: Command, finish: (exitCode: number) => void): void {
  const command = program
    .command('elect')
    .description('Run a command while leading an election.')
    .usage('[options] NAME -- COMMAND [ARGUMENT…]')
    .argument('<NAME>', 'The election.')
    .argument('<COMMAND...>', 'What to run; everything after --.')
    .option('--ttl <DURATION>', 'How long a leader that stopped answering keeps the leadership.', '5s')
    .option('--once', 'End when leadership was lost, rather than campaign again.')
    .option('--metadata <TEXT>', 'Shown to observers.', '')
    .option('--priority <N>', 'Higher ones of those who wait lead first.', '0')
    .option(
      '--holder <NAME>',
      'Who this is; unique for each start. Default: host, process and a random part.',
    )
    .option('--grace <DURATION>', 'How long nobody may lead after this leadership was lost uncleanly.', '0')
    .option('--release-on-disconnect', 'Free the leadership soon after the connection ended, as by a crash.')
    .option(
      '--disconnect-grace <DURATION>',
      'How soon, with --release-on-disconnect. Default: what stopping the command may take, and 500ms.',
    )
    .option('--kill-after <DURATION>', 'From SIGTERM to SIGKILL. Default: a fifth of --ttl.')
    .option('--timeout <DURATION>', 'Give up when not leading after this time. Default: wait for ever.')
    .option('--quiet', 'Say nothing on stderr but errors.')
    .option(
      '--accept-advisory <WHY>',
      'Take a store on which two may lead at once, such as Redis with replicas, and say why that will do.',
    )
    .addHelpText('after', `${help}\n${storeHelp}`);
  addStore(command);
  command.action(async (name: string, words: string[], flags: Flags) => {
    const options = resolveElectOptions(name, words, flags, whereElectionsAre(command));
    const { runElect } = await import('./run.ts');
    finish(await runElect(options));
  });
}

/** Checks what can be checked without the store. */
export function resolveElectOptions(
  name: string,
  words: readonly string[],
  flags: Flags,
  where: WhereElectionsAre,
): ElectOptions {
  const ttlMs = parseDurationMs(flags.ttl, '--ttl');
  if (ttlMs < 100 || ttlMs > 86_400_000) {
    throw new CommandFailure('usage', `--ttl: ${flags.ttl} is not from 100ms to 24h.`);
  }
  const killAfterMs =
    flags.killAfter === undefined ? undefined : parseDurationMs(flags.killAfter, '--kill-after');
  const times = stopTimesFor(ttlMs, killAfterMs);
  if (!fitsTtl(ttlMs, times)) {
    throw new CommandFailure(
      'usage',
      `--kill-after: ${flags.killAfter} and ${times.safetyMs} ms of safety are more than half of --ttl ${flags.ttl}. ` +
        'Raise --ttl or lower --kill-after.',
    );
  }
  const graceMs = parseDurationMs(flags.grace, '--grace');
  if (graceMs > 86_400_000) throw new CommandFailure('usage', `--grace: ${flags.grace} is more than 24h.`);
  if (flags.holder?.trim() === '')
    throw new CommandFailure('usage', '--holder is empty: is the variable that it comes from set?');
  return {
    name: checkElectionName(name),
    command: words,
    where,
    acceptAdvisory: flags.acceptAdvisory,
    ttlMs,
    once: flags.once === true,
    metadata: flags.metadata,
    priority: parseWholeNumber(flags.priority, '--priority', -(2 ** 31), 2 ** 31 - 1),
    holder: flags.holder,
    graceMs,
    disconnectGraceMs: disconnectGrace(flags, times),
    times,
    timeoutMs: flags.timeout === undefined ? undefined : parseTimerMs(flags.timeout, '--timeout'),
    quiet: flags.quiet === true,
  };
}

/**
 * The store frees the leadership this long after the connection ended. The command must be gone by then, and a
 * short break must leave time to connect again before it is told to stop.
 */
function disconnectGrace(flags: Flags, times: StopTimes): number | undefined {
  if (flags.releaseOnDisconnect !== true) {
    if (flags.disconnectGrace === undefined) return undefined;
    throw new CommandFailure('usage', '--disconnect-grace means nothing without --release-on-disconnect.');
  }
  const stopMs = times.killAfterMs + times.safetyMs;
  if (flags.disconnectGrace === undefined) return stopMs + 500;
  const graceMs = parseDurationMs(flags.disconnectGrace, '--disconnect-grace');
  if (graceMs >= stopMs) return graceMs;
  throw new CommandFailure(
    'usage',
    `--disconnect-grace: ${flags.disconnectGrace} is less than the ${stopMs} ms that stopping the command may take. ` +
      'Raise it or lower --kill-after.',
  );
}
