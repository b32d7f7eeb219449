import { constants } from 'node:os';
import { Candidate, type ElectionEvent, type Leadership, type LeaseStore } from '../../election/index.ts';
import type { WhereElectionsAre } from '../client-options.ts';
import { exitCodeOfSignal, exitCodes } from '../exit-codes.ts';
import { CommandFailure, reportOf, sentenceOf } from '../failure.ts';
import { openElections } from '../wiring.ts';
import { campaign, type NotElected } from './campaign.ts';
import type { StopTimes } from './deadlines.ts';
import { whyNotExecutable } from './executable.ts';
import { type CommandEnd, GuardedCommand } from './guarded-command.ts';

export interface ElectOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly where: WhereElectionsAre;
  /** Why two leaders at once would do, on a store where that can be. */
  readonly acceptAdvisory: string | undefined;
  readonly ttlMs: number;
  readonly once: boolean;
  readonly metadata: string;
  readonly priority: number;
  readonly holder: string | undefined;
  readonly graceMs: number;
  /** undefined: the session does not end with its connection. */
  readonly disconnectGraceMs: number | undefined;
  readonly times: StopTimes;
  /** undefined: wait for ever. */
  readonly timeoutMs: number | undefined;
  readonly quiet: boolean;
}

const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
const passedSignals = [...endingSignals, 'SIGUSR1', 'SIGUSR2'] as const;

/** Signals go to the command while it runs; while there is none, those that end a program end the campaign. */
class Signals {
  readonly #interrupted = new AbortController();
  #running: GuardedCommand | undefined;
  #received: NodeJS.Signals | undefined;

  constructor() {
    for (const signal of passedSignals) process.on(signal, () => this.#receive(signal));
  }

  /** Aborts at the first signal that ends a program. */
  get interrupted(): AbortSignal {
    return this.#interrupted.signal;
  }

  /** 128+n for that signal; undefined while there was none. */
  get exitCode(): number | undefined {
    return this.#received === undefined ? undefined : exitCodeOfSignal(constants.signals[this.#received]);
  }

  passTo(command: GuardedCommand | undefined): void {
    this.#running = command;
  }

  #receive(signal: NodeJS.Signals): void {
    this.#running?.forward(signal);
    if (!endingSignals.some((ending) => ending === signal)) return;
    this.#received ??= signal;
    this.#interrupted.abort();
  }
}

/** Campaigns, runs the command while it leads, and resolves to the exit code. */
export async function runElect(options: ElectOptions): Promise<number> {
  const signals = new Signals();
  const tell = (text: string) => {
    if (!options.quiet) process.stderr.write(`conclave: ${text}\n`);
  };
  // Before it takes a token, and the leadership from somebody who could do the job.
  const code = whyNotExecutable(options.command[0] ?? '', process.env.PATH);
  if (code !== undefined) return notStarted(options, { code, message: code });
  await using store = await openElections(options.where);
  checkFits(store, options);
  await using candidate = new Candidate(store, options.name, {
    ...{
      ttlMs: options.ttlMs,
      metadata: options.metadata,
      priority: options.priority,
      graceMs: options.graceMs,
    },
    acceptAdvisory: options.acceptAdvisory,
    holder: options.holder,
    releaseOnDisconnect:
      options.disconnectGraceMs === undefined ? false : { graceMs: options.disconnectGraceMs },
    onEvent: (event) => tellTrouble(event, tell),
  });
  for (;;) {
    const guarded = new GuardedCommand();
    try {
      const won = await campaign({ candidate, store, options, interrupted: signals.interrupted });
      if ('notElected' in won) return signals.exitCode ?? tellNotElected(won.notElected, tell);
      const { leadership } = won;
      tell(`leading ${options.name} with token ${leadership.token} as ${leadership.holder}`);
      signals.passTo(guarded);
      const end = await lead(leadership, guarded, options);
      signals.passTo(undefined);
      await leadership.resign();
      const exitCode = exitCodeOf(end, await leadership.ended, options, tell);
      if (exitCode !== undefined) return exitCode;
      if (signals.exitCode !== undefined) return signals.exitCode;
    } finally {
      await guarded.dispose();
    }
  }
}

/** @throws CommandFailure 'usage' for flags that this store cannot serve, in the words of the command line. */
function checkFits({ description, capabilities }: LeaseStore, options: ElectOptions): void {
  const { consistency, note, connectionBound, minTtlMs } = capabilities;
  if (consistency !== 'linearizable' && options.acceptAdvisory === undefined) {
    const message = `On ${description} two may lead at once, and tokens may fall (${note}). Use another store, or say with --accept-advisory WHY why that will do.`;
    throw new CommandFailure('usage', message);
  }
  if (options.disconnectGraceMs !== undefined && !connectionBound) {
    const message = `${description} cannot bind a session to its connection: leave out --release-on-disconnect. A leadership of a process that died ends after --ttl.`;
    throw new CommandFailure('usage', message);
  }
  if (options.ttlMs < minTtlMs) {
    const message = `--ttl: ${options.ttlMs}ms is less than ${description} can keep: give ${minTtlMs}ms or more.`;
    throw new CommandFailure('usage', message);
  }
}

/** Keeps the guardian's deadline at what the leadership has left, until nothing of the command runs any more. */
async function lead(
  leadership: Leadership,
  guarded: GuardedCommand,
  options: ElectOptions,
): Promise<CommandEnd> {
  const stop = () => guarded.stop();
  const extend = () => guarded.extend();
  // Finer than the time that a renewal adds, and coarse enough to cost nothing.
  const timer = setInterval(extend, Math.min(250, Math.max(10, options.ttlMs / 20)));
  leadership.signal.addEventListener('abort', stop);
  try {
    const running = guarded.run({
      command: options.command,
      environment: {
        CONCLAVE_TOKEN: String(leadership.token),
        CONCLAVE_ELECTION: leadership.name,
        CONCLAVE_HOLDER: leadership.holder,
      },
      times: options.times,
      killWhenAlone: options.disconnectGraceMs !== undefined,
      remainingMs: () => leadership.remainingMs(),
    });
    if (leadership.signal.aborted) stop();
    return await running;
  } finally {
    clearInterval(timer);
    leadership.signal.removeEventListener('abort', stop);
  }
}

/** undefined: leadership was lost, and another campaign is due. */
function exitCodeOf(
  end: CommandEnd,
  cause: string,
  options: ElectOptions,
  tell: (text: string) => void,
): number | undefined {
  switch (end.type) {
    case 'exited':
      return end.signal === null ? (end.code ?? 0) : exitCodeOfSignal(constants.signals[end.signal]);
    case 'not-started':
      return notStarted(options, end);
    case 'guardian-failed':
      process.stderr.write('conclave: the guardian died; the command was killed.\n');
      return exitCodes.guardianFailed.code;
    case 'stopped':
      tell(`leadership lost (${cause}); the command was ${end.killed ? 'killed' : 'stopped'}`);
      return options.once ? exitCodes.leadershipLost.code : undefined;
  }
}

interface WhyNotStarted {
  readonly code: string;
  readonly message: string;
}

function notStarted({ command }: ElectOptions, end: WhyNotStarted): number {
  process.stderr.write(`conclave: ${command[0]}: ${whyNotStarted(end)}\n`);
  return end.code === 'ENOENT' ? exitCodes.notFound.code : exitCodes.notExecutable.code;
}

function whyNotStarted({ code, message }: WhyNotStarted): string {
  if (code === 'ENOENT')
    return 'there is no such command, or the interpreter that it names is missing (ENOENT).';
  if (code === 'EACCES')
    return 'it may not be executed (EACCES): chmod +x, or put its interpreter before it.';
  return message;
}

function tellNotElected({ leader, failure }: NotElected, tell: (text: string) => void): number {
  if (failure !== undefined) {
    const { exitCode, message } = reportOf(failure);
    process.stderr.write(`conclave: not elected in time, and the store did not say who leads: ${message}\n`);
    return exitCode;
  }
  const who = leader === undefined ? '' : `: ${leader.holder} leads with token ${leader.token}`;
  tell(`not elected in time${who}`);
  return exitCodes.notElected.code;
}

function tellTrouble(event: ElectionEvent, tell: (text: string) => void): void {
  // The client has tried all members for a while by then; after that, now and then.
  if (event.type !== 'trouble' || event.attempt % 10 !== 1) return;
  tell(`${event.what}: ${sentenceOf(event.error)} Trying again.`);
}
