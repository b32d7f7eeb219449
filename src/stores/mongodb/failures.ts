/** What an error of the driver means. Told apart by name and code, so that a second copy of it does no harm. */
import { ConclaveError, type ErrorOutcome } from '../../errors/index.ts';

interface Described {
  readonly name: string;
  readonly message: string;
  readonly code: unknown;
  readonly keyPattern: unknown;
}

const authenticationFailed: readonly unknown[] = [18, 8000];
const unauthorized = 13;
const validationFailed = 121;
const tooLarge: readonly unknown[] = [10_334, 17_419, 17_420];
/** Of a file that the url names: what sockets fail with has names of the driver's. */
const unreadable: readonly unknown[] = ['ENOENT', 'EACCES', 'EISDIR'];
const duplicateKey = 11_000;
/** Refused since it is no primary, or not one any more, before anything was done. */
const notPrimary: readonly unknown[] = [10_107, 13_435, 10_058];
const outOfTime: readonly unknown[] = [50, 64, 262];
/** Of commands that a server does not know, or a read concern that it does not have. */
const notOffered: readonly unknown[] = [9, 14, 59, 72, 115];

/** Another document has this _id. */
export function isTaken(error: unknown): boolean {
  const { code, keyPattern } = describe(error);
  if (code !== duplicateKey) return false;
  return typeof keyPattern !== 'object' || keyPattern === null || '_id' in keyPattern;
}

/** `outcome`: where it is not known whether it was carried out. */
export function explained(what: string, error: unknown, outcome: ErrorOutcome): ConclaveError {
  if (ConclaveError.is(error)) return error;
  const { name, message, code } = describe(error);
  const said = `${what}: ${message || name}`;
  const mend = (advice: string) =>
    new ConclaveError('failed-precondition', `${said}. ${advice}`, { cause: error });
  if (authenticationFailed.includes(code)) return mend('Check user, password and authSource.');
  if (code === unauthorized) return mend('Grant the user the actions that docs/stores/mongodb.md lists.');
  if (code === validationFailed) return mend('The collection has a validator: use one of its own.');
  if (code === duplicateKey) return mend('The collection has a unique index of yours: use one of its own.');
  if (name === 'MongoParseError' || (name === 'Error' && unreadable.includes(code))) {
    return new ConclaveError('invalid-argument', `${said}. Correct the url`, { cause: error });
  }
  if (/MongoClientClosed|NotConnected|TopologyClosed/.test(name)) {
    return mend('The client is closed: keep it open while the store is in use.');
  }
  if (tooLarge.includes(code)) return new ConclaveError('too-large', said, { cause: error });
  if (notPrimary.includes(code)) {
    return new ConclaveError('unavailable', said, { cause: error, retryable: true });
  }
  if (outOfTime.includes(code) || /Timeout/.test(name)) {
    return new ConclaveError('timeout', said, { cause: error, retryable: true, outcome });
  }
  if (name === 'MongoServerError' && notOffered.includes(code)) {
    return new ConclaveError('unsupported', `${said}. MongoDB 4.2 or later is needed.`, { cause: error });
  }
  if (name === 'MongoServerSelectionError') {
    return new ConclaveError('unavailable', said, { cause: error, retryable: true });
  }
  return new ConclaveError('unavailable', said, { cause: error, retryable: true, outcome });
}

function describe(error: unknown): Described {
  const { name, message, code, keyPattern } = (error ?? {}) as Record<string, unknown>;
  return {
    name: typeof name === 'string' ? name : '',
    message: typeof message === 'string' ? message : String(error),
    code,
    keyPattern,
  };
}
