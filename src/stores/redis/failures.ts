/** What an error of Redis or of its client means, in words that name the remedy. */
import { withoutCommand } from '../../errors/client-errors.ts';
import { ConclaveError, type ErrorOutcome } from '../../errors/index.ts';
import { saidBy } from './connection.ts';

interface Where {
  /** "Redis at db:6379" */
  readonly description: string;
  readonly prefix: string;
  readonly channel: string;
  /** '': whichever the client has. */
  readonly database: string;
  /** undefined: by a client of the user's. */
  readonly isTls: boolean | undefined;
  /** This server has taken writes before. */
  readonly tried: boolean;
}

/** `what`: "Reading failed: the client of Redis". */
export function ended(what: string, cause: unknown, outcome: ErrorOutcome): ConclaveError {
  const message = `${what} is closed. Connect it first, and keep it open while the store is in use.`;
  return new ConclaveError('failed-precondition', message, { cause: withoutCommand(cause), outcome });
}

export function explained(what: string, error: unknown, outcome: ErrorOutcome, where: Where): ConclaveError {
  if (ConclaveError.is(error)) return error;
  const { database, isTls, tried } = where;
  const said = saidBy(error);
  const cause = withoutCommand(error);
  const message = `${what}: ${withoutPlace(said)}`;
  const mend = (advice: string) =>
    new ConclaveError('failed-precondition', `${message.replace(/\.$/, '')}. ${advice}`, { cause });
  if (/DB index|SELECT is not allowed/.test(said)) {
    const refused = `${what}: database ${database} was refused (${said.replace(/\.? script: .*/, '')}).`;
    const advice =
      'Name one that the server has, in the url or in the options of the client: those below its setting databases, on a cluster 0 alone.';
    return new ConclaveError('failed-precondition', `${refused} ${advice}`, { cause });
  }
  if (isLogin(said)) return mend(checkLogin);
  if (/NOPERM|ACL failure|no permissions|user executing the script/.test(said)) {
    const lacking = `${where.description}: the user lacks a permission, for ${permissionIn(said, where)}`;
    const advice = `Grant all that the store needs: ACL SETUSER its-user ${ruleFor(where)}`;
    return new ConclaveError('failed-precondition', `${lacking}. ${advice}`, { cause, outcome });
  }
  if (/READONLY/.test(said)) {
    const advice = 'This is a replica, which takes no writes: connect to the primary, or through Sentinel.';
    if (!tried) return mend(advice);
    // A failover may have made it one; clients follow it.
    const details = { cause, retryable: true } as const;
    return new ConclaveError('unavailable', `${message}. ${advice}`, details);
  }
  if (/non deterministic|unknown command/.test(said)) {
    return new ConclaveError('unsupported', `${message}. Redis 5 or later is needed.`, { cause });
  }
  if (/LOADING|CLUSTERDOWN|MASTERDOWN|MISCONF|NOREPLICAS|TRYAGAIN|\bBUSY\b|\bOOM\b/.test(said)) {
    const full = /\bOOM\b/.test(said)
      ? '. Its memory is full: give it more by maxmemory, or delete keys.'
      : '';
    return new ConclaveError('unavailable', `${message}${full}`, { cause, retryable: true });
  }
  const advice = tried ? '' : adviceOnTls(said, isTls);
  return new ConclaveError('unavailable', `${message}${advice}`, { cause, retryable: true, outcome });
}

/** In which line of which script it was is nothing to anybody. */
function withoutPlace(said: string): string {
  return said.replace(/\.? script: [0-9a-f]+, on @user_script:\d+\.?/, '');
}

export function isLogin(said: string): boolean {
  return /WRONGPASS|NOAUTH|invalid password|invalid username/.test(said);
}

export const checkLogin =
  'Check user and password: of the client, in the url, or in REDISCLI_AUTH, which openStore and the commands read.';

/** As in docs/stores/redis.md. */
export function ruleFor({ prefix, channel }: Pick<Where, 'prefix' | 'channel'>): string {
  return `~${prefix}* &${channel} ${commands.map((command) => `+${command}`).join(' ')}`;
}

const commands: readonly string[] = [
  ...['eval', 'evalsha', 'time', 'type', 'hmget', 'hset', 'hdel', 'pexpire', 'persist', 'del'],
  ...['zadd', 'zrem', 'zrange', 'zremrangebyscore', 'publish', 'subscribe', 'unsubscribe'],
  ...['ping', 'info', 'select', 'hello', 'client', 'command', 'cluster'],
];

/** Older servers do not tell of a command in a script which one it is. */
function permissionIn(said: string, { prefix, channel }: Where): string {
  const [, command] = /run the '([^' ]+)/.exec(said) ?? [];
  if (command !== undefined) return `the command ${command}`;
  if (/channel/.test(said)) return `the channel ${channel}`;
  if (/\bkeys?\b/.test(said)) return `the keys ${prefix}*`;
  return `a command (${said.replace(/\.$/, '')})`;
}

/** What to say of a server that was asked for TLS, has never answered, and goes on saying nothing. */
export const silentTls = 'perhaps that port speaks no TLS, and is written redis://';

/** Who speaks TLS to a port without it, or the other way round, hears nothing of that. */
function adviceOnTls(said: string, isTls: boolean | undefined): string {
  if (/certificate/.test(said)) {
    return '. Name the authority that signed it in NODE_EXTRA_CA_CERTS, or hand the store a client that knows it.';
  }
  if (isTls === true && /timed? ?out|wrong version|packet length/i.test(said)) {
    return '. Does that port speak TLS? One that does not is written redis://.';
  }
  if (isTls === false && /ECONNRESET|closed/.test(said)) {
    return '. Does that port want TLS? Then it is written rediss://.';
  }
  return '';
}

/** @param type as Redis calls it. */
export function foreign(description: string, type: string, key: string): ConclaveError {
  const message = `The key ${key} of ${description} holds a ${type} that was not written by Conclave, and is left as it is: use another prefix.`;
  return new ConclaveError('data-incompatible', message);
}
