import { constants } from 'node:os';
import type { Logger } from 'pino';
import { ConclaveError } from '../../errors/index.ts';
import { hexId } from '../../member/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import { rarelyCollectAll } from '../../runtime/old-generation.ts';
import { collectYoungAlone, releaseYoungGeneration } from '../../runtime/young-generation.ts';
import { exitCodeOfSignal, exitCodes } from '../exit-codes.ts';
import { reportOf } from '../failure.ts';
import { makeLogger } from '../logging.ts';
import { tellWhileLeaderless } from './leaderless.ts';
import type { ServeOptions } from './options.ts';
import { type RunningMember, startMember } from './start-member.ts';

export interface RunOptions {
  /** Whoever started this holds its stdin open; when that ends, so does the member. */
  readonly stopWithStdin: boolean;
  /** Variables that look like ours and mean nothing. */
  readonly unknownVariables: readonly string[];
  /** etcd's, which nothing reads, each with the name that it has here. */
  readonly variablesOfEtcd: readonly (readonly [string, string])[];
}

/** Runs a member until a signal or a failure ends it, and resolves to the exit code. */
export async function runServe(options: ServeOptions, run: RunOptions): Promise<number> {
  const logger = makeLogger(options.logLevel, { name: options.name });
  for (const warning of options.warnings) logger.warn(warning);
  for (const variable of run.unknownVariables)
    logger.warn({ variable }, 'Unknown environment variable; ignored.');
  for (const [variable, ours] of run.variablesOfEtcd)
    logger.warn({ variable }, `A variable of etcd, which is not read here; write ${ours}.`);
  try {
    const stopping = stopRequest(run.stopWithStdin, logger);
    const member = await started(stopping, options, logger);
    if (member === undefined) return exitCodes.ok.code;
    return await serveUntil(stopping, member, options, logger);
  } catch (error) {
    const { exitCode, message } = reportOf(error);
    const code = ConclaveError.is(error) ? error.code : undefined;
    // What is to be moved away, as often as not.
    const folder = code === 'removed' ? { dataDir: options.dataDir } : {};
    logger.fatal({ ...(code !== undefined && { code }), exitCode, ...folder }, message);
    return exitCode;
  }
}

/** A start that does not end by itself soon after it was given up is left where it stands, as by a crash. */
const giveUpWithinMs = 2000;

/** undefined: it was asked to stop before it had started. */
async function started(
  stopping: Promise<string>,
  options: ServeOptions,
  logger: Logger,
): Promise<RunningMember | undefined> {
  const givenUp = new AbortController();
  let over = false;
  const starting = startMember(options, logger, givenUp.signal).finally(() => {
    over = true;
  });
  const left = stopping.then(async (cause) => {
    if (over) return undefined;
    logger.info({ cause }, 'stopping before the member has started');
    givenUp.abort();
    await new Promise((resolve) => setTimeout(resolve, giveUpWithinMs).unref());
    return undefined;
  });
  try {
    return await Promise.race([starting, left]);
  } catch (error) {
    if (givenUp.signal.aborted && ConclaveError.is(error, 'aborted')) return undefined;
    throw error;
  }
}

async function serveUntil(
  stopping: Promise<string>,
  member: RunningMember,
  options: ServeOptions,
  logger: Logger,
): Promise<number> {
  const [memberId, clusterId] = [hexId(member.memberId), hexId(member.clusterId)];
  const clients = options.listenClientEndpoints.map((endpoint) => endpoint.url).join(',');
  const peers = options.listenPeerEndpoints.map((endpoint) => endpoint.url).join(',');
  const { frontEnds } = options.connections;
  const threads = frontEnds > 0 ? { frontEnds } : {};
  logger.info({ clients, peers, memberId, clusterId, dataDir: options.dataDir, ...threads }, 'listening');
  // A member that has stopped before it saw a leader never gets ready.
  void member.ready.then(() => logger.info({ clients }, 'ready to serve client requests'));
  const { timers } = nodeRuntime();
  using _alone = collectYoungAlone();
  using _releasing = releaseYoungGeneration({ timers });
  using _sparing = rarelyCollectAll({ timers });
  const endTelling = tellWhileLeaderless(member.leaderless, (why) => logger.warn(why));
  const cause = await Promise.race([stopping, member.stopped.then(() => undefined)]).finally(endTelling);
  if (cause === undefined) return exitCodes.ok.code;
  logger.info({ cause }, 'stopping; once more stops at once');
  await member.stop();
  logger.info('stopped');
  return exitCodes.ok.code;
}

/** Resolves at the first request to stop; the second one ends the process where it stands. */
function stopRequest(withStdin: boolean, logger: Logger): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (asked) {
          logger.warn({ signal }, 'stopping at once');
          process.exit(exitCodeOfSignal(constants.signals[signal]));
        }
        asked = true;
        resolve(signal);
      });
    }
    // The log may be a terminal that is gone now; the cluster goes on.
    process.on('SIGHUP', () => logger.info('SIGHUP ignored'));
    if (!withStdin) return;
    process.stdin.on('close', () => process.exit(exitCodes.ok.code));
    process.stdin.resume();
  });
}
