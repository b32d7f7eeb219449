/** What the guards need of a client: `ioredis` (also its Cluster) and `redis` (also createCluster) fulfil it. */
import { withoutCommand } from '../../errors/client-errors.ts';
import { ConclaveError, type ErrorOutcome } from '../../errors/index.ts';
import type { Script } from './scripts.ts';

/** `Redis` or `Cluster` of ioredis. */
export interface IoredisClient {
  evalsha(sha1: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
  eval(source: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
}

/** What createClient or createCluster of the package `redis` gives. */
export interface NodeRedisClient {
  evalSha(sha1: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  eval(source: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

export type RedisClient = IoredisClient | NodeRedisClient;

export interface ScriptRunner {
  /** The client itself may send a script again after its connection broke, without a word: an answer is that of the last copy. */
  readonly resends: boolean;
  /** Sends the script by its hash, and whole where the server does not know it. Throws as the client does. */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown>;
}

export function scriptRunner(client: RedisClient): ScriptRunner {
  const known = client as Partial<IoredisClient & NodeRedisClient> | undefined | null;
  if (typeof known?.eval !== 'function' || (known.evalSha ?? known.evalsha) === undefined) {
    const message = 'A client of the package ioredis or redis is needed.';
    throw new ConclaveError('invalid-argument', message);
  }
  const send = (script: Script, whole: boolean, keys: readonly string[], args: readonly string[]) => {
    if (typeof known.evalSha === 'function') {
      const options = { keys: [...keys], arguments: [...args] };
      const nodeRedis = client as NodeRedisClient;
      return whole ? nodeRedis.eval(script.source, options) : nodeRedis.evalSha(script.sha1, options);
    }
    const ioredis = client as IoredisClient;
    return whole
      ? ioredis.eval(script.source, keys.length, ...keys, ...args)
      : ioredis.evalsha(script.sha1, keys.length, ...keys, ...args);
  };
  return {
    resends: mayResend(known),
    async run(script, keys, args) {
      try {
        return await send(script, false, keys, args);
      } catch (error) {
        if (errorCode(error) !== 'NOSCRIPT') throw error;
        return await send(script, true, keys, args);
      }
    },
  };
}

/** By default ioredis does so, and its Cluster in any case; the package `redis` fails what was sent. */
function mayResend(client: Partial<IoredisClient & NodeRedisClient>): boolean {
  if (typeof client.evalSha === 'function') return false;
  const { options } = client as { readonly options?: { readonly autoResendUnfulfilledCommands?: unknown } };
  return options?.autoResendUnfulfilledCommands !== false;
}

/** The word in capitals with which an error of the server begins; undefined: it is not the server's. */
function errorCode(error: unknown): string | undefined {
  const message = error instanceof Error ? error.message : '';
  return /^([A-Z]{3,})(?:\s|$)/.exec(message)?.[1];
}

/** The server refused before it ran anything, and may take it later. */
const transient: readonly string[] = [
  'BUSY',
  'CLUSTERDOWN',
  'LOADING',
  'MASTERDOWN',
  'MISCONF',
  'NOREPLICAS',
  'OOM',
  'READONLY',
  'TRYAGAIN',
];

export interface FailureContext {
  readonly what: string;
  readonly signal: AbortSignal | undefined;
  /** What is unknown when no answer came. */
  readonly outcome: ErrorOutcome;
  /** See `ScriptRunner`. */
  readonly resends: boolean;
  /** A script of the user's ran: what it did before it failed stays. */
  readonly userScript: boolean;
}

export function failure(
  error: unknown,
  { what, signal, outcome, resends, userScript }: FailureContext,
): ConclaveError {
  if (ConclaveError.is(error)) return error;
  const cause = withoutCommand(error);
  if (signal?.aborted) {
    return new ConclaveError('aborted', `${what} was aborted by its signal.`, { outcome, cause });
  }
  const said = `${what} failed: ${error instanceof Error ? error.message : String(error)}`;
  const code = errorCode(error);
  if (code === undefined) {
    const timedOut = /time(d )?out/i.test(said);
    return new ConclaveError(timedOut ? 'timeout' : 'unavailable', said, {
      outcome,
      retryable: true,
      cause,
    });
  }
  if (transient.includes(code)) {
    // An earlier copy may have met the server before it was in this state.
    const known = resends ? outcome : 'not-applied';
    return new ConclaveError('unavailable', said, { outcome: known, retryable: true, cause });
  }
  // A script that failed on its way is not undone.
  const inside = userScript && /script/i.test(said) && !/compiling/i.test(said);
  return new ConclaveError('failed-precondition', said, {
    outcome: inside ? 'unknown' : 'not-applied',
    cause,
  });
}
