import { ConclaveError, type ErrorCode } from '../errors/index.ts';
import { type ExitReason, exitCodes } from './exit-codes.ts';

/** Thrown by a command to end with a message and a documented exit code. Never leaves `src/cli`. */
export class CommandFailure extends Error {
  readonly reason: ExitReason;

  constructor(reason: ExitReason, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'CommandFailure';
    this.reason = reason;
  }
}

const reasonOfCode: Partial<Record<ErrorCode, ExitReason>> = {
  'invalid-argument': 'usage',
  unavailable: 'unreachable',
  timeout: 'unreachable',
  'no-leader': 'unreachable',
  'address-in-use': 'addressInUse',
  'data-locked': 'dataLocked',
  'data-incompatible': 'dataIncompatible',
  'data-damaged': 'dataDamaged',
  'disk-failed': 'diskFailed',
  'disk-full': 'diskFull',
  removed: 'removed',
  internal: 'internal',
};

export interface FailureReport {
  readonly exitCode: number;
  /** For people, without a stack unless the failure is a bug. */
  readonly message: string;
}

/** How a command that threw `error` ends. */
export function reportOf(error: unknown): FailureReport {
  if (error instanceof CommandFailure) {
    return { exitCode: exitCodes[error.reason].code, message: error.message };
  }
  if (ConclaveError.is(error)) {
    const reason = isUnbindable(error) ? 'addressInUse' : reasonOfCode[error.code];
    const remedy = remedyOf(error);
    return { exitCode: exitCodes[reason ?? 'failed'].code, message: `${error.message}${remedy}` };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    exitCode: exitCodes.internal.code,
    message: `This is a bug in Conclave; please report it with the lines below.\n${text}`,
  };
}

/** The message of a failure that is tried again, as a sentence. */
export function sentenceOf(error: unknown): string {
  const message = ConclaveError.is(error) ? reportOf(error).message : (error as Error).message;
  return message.endsWith('.') ? message : `${message}.`;
}

/** What to do, where the server's own text, which is etcd's, does not say. */
const remedies: readonly (readonly [string, string])[] = [
  [
    'etcdserver: user name is empty',
    ': the cluster asks who you are. Give --user NAME, or CONCLAVE_USER=NAME:PASSWORD.',
  ],
  [
    'etcdserver: permission denied',
    ': no role of this user permits it. Take another (--user), such as root, or grant it: conclave role grant-permission.',
  ],
  [
    'etcdserver: root user does not exist',
    '. Before auth can be enabled: conclave user add root, conclave user grant-role root root.',
  ],
  [
    'etcdserver: root user does not have root role',
    '. Before auth can be enabled: conclave user grant-role root root.',
  ],
  [
    'etcdserver: mvcc: database space exceeded',
    ': the quota is used up, or was (alarm NOSPACE). Delete what is not needed, then: conclave compact, conclave alarm disarm.',
  ],
  [
    'etcdserver: mvcc: required revision has been compacted',
    ': its history is gone. The present state can be read, and the revisions since.',
  ],
  [
    'etcdserver: mvcc: required revision is a future revision',
    ': the cluster is not there yet. conclave status shows its revision.',
  ],
  [
    'etcdserver: requested lease not found',
    ': it has ended, or never was. Take one that lives, or --ttl for a new one.',
  ],
  [
    'etcdserver: request is too large',
    ': members take as much as their --max-request-bytes, 1.5 MiB by default.',
  ],
  [
    'etcdserver: re-configuration failed due to not enough started members',
    ': the voters that run would be no majority then. conclave check says who does not run: start it, or remove it first.',
  ],
  [
    'etcdserver: can only promote a learner member which is in sync with leader',
    ': it lacks some of the log yet. Try again when it has caught up, which conclave status shows.',
  ],
  ['etcdserver: can only promote a learner member', ': this one is a voter already.'],
  ['etcdserver: user name not found', '. Which there are: conclave user list.'],
  ['etcdserver: role name not found', '. Which there are: conclave role list.'],
  ['etcdserver: permission is not granted to the role', '. What it has: conclave role get.'],
  ['etcdserver: role is not granted to the user', '. What it has: conclave user get.'],
  ['etcdserver: too many learner members in cluster', '. Promote or remove the one that is there first.'],
  [
    'etcdserver: Peer URLs already exists',
    ': a member has one of them already. Which: conclave member list.',
  ],
];

/** One member is named, the last that was tried; the cause may be another, or that too few answer. */
const unanswered =
  /did not succeed within \d+ ms\..*(no answer in time|must run and reach each other|has not answered for \d+ ms|ECONNREFUSED [^ ]+\)|could not be made)\.$/;

function remedyOf({ message }: ConclaveError): string {
  // Not of an etcd, whose members `conclave check` cannot ask.
  if (message.includes(' at etcd did not succeed within ')) return '';
  if (unanswered.test(message)) return ' Which members answer, and what is wrong: conclave check.';
  return remedies.find(([text]) => message.endsWith(text))?.[1] ?? '';
}

/** Well written, and still no address that this process may listen on. */
function isUnbindable({ code, details }: ConclaveError): boolean {
  return code === 'invalid-argument' && details.port !== undefined && details.errno !== undefined;
}

/** A flag as it is written, by the name of its value: `--kill-after` for `killAfter`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}
