/** Who writes: what every guard needs to know of a leadership, and the checks of it that come before any effect. */
import { ConclaveError } from '../errors/index.ts';

/** What fencing needs of a leadership; `Leadership` of the election fulfils it. */
export interface FencedLeadership {
  /** Of the election: tokens of different elections do not compare. */
  readonly name: string;
  readonly token: number;
  /** False: the store may begin its tokens anew when the election's records are deleted. Then no guard takes it. */
  readonly tokenSurvivesDeletion?: boolean | undefined;
  assertHeld(): void;
}

/** Who writes: a leadership, or a bare token and, for tokens of more than one election, which one it is from. */
export type Writer =
  | { readonly leadership: FencedLeadership; readonly token?: undefined; readonly election?: undefined }
  | { readonly token: number; readonly election?: string | undefined; readonly leadership?: undefined };

export interface CheckedWriter {
  readonly token: number;
  /** '': not named. */
  readonly election: string;
  assertHeld(): void;
}

/** @throws 'invalid-argument'; 'unsupported' for a leadership whose tokens do not survive deletion. */
export function checkWriter(writer: Writer): CheckedWriter {
  checkObject('Who writes must be said: { leadership }, or { token, election }', writer);
  const { leadership, token, election } = writer;
  if (leadership === undefined) {
    checkCount('The token', token, 0, Number.MAX_SAFE_INTEGER);
    return { token, election: election ?? '', assertHeld: () => {} };
  }
  return checkLeadership(leadership);
}

/** @throws as `checkWriter`. */
export function checkLeadership(leadership: FencedLeadership): CheckedWriter {
  if (typeof leadership !== 'object' || leadership === null || typeof leadership.assertHeld !== 'function') {
    throw new ConclaveError('invalid-argument', 'A leadership is needed, as a campaign gives it.');
  }
  const { name, token, tokenSurvivesDeletion } = leadership;
  if (typeof name !== 'string') {
    throw new ConclaveError('invalid-argument', 'A leadership names its election: name must be a string.');
  }
  checkCount('The token', token, 0, Number.MAX_SAFE_INTEGER);
  if (tokenSurvivesDeletion === false) {
    const message = `The tokens of election ${JSON.stringify(name)} may begin anew when its records are deleted from their store, so they cannot fence: use a store whose tokens survive that.`;
    throw new ConclaveError('unsupported', message, { details: { name } });
  }
  return { token, election: name, assertHeld: () => leadership.assertHeld() };
}

/**
 * Compares with what a resource has seen.
 * @throws 'stale-token' for a lower token; 'failed-precondition' for a token of another election.
 */
export function checkToken(
  resource: string,
  writer: { readonly token: number; readonly election: string },
  seen: { readonly token: number; readonly election: string },
): void {
  if (seen.election !== '' && writer.election !== '' && seen.election !== writer.election) {
    const names = `election ${JSON.stringify(seen.election)}, not by ${JSON.stringify(writer.election)}`;
    throw new ConclaveError(
      'failed-precondition',
      `${resource} is guarded by ${names}; tokens do not compare.`,
    );
  }
  if (writer.token < seen.token) {
    throw new ConclaveError(
      'stale-token',
      `${resource} has seen token ${seen.token}; token ${writer.token} is refused: its leadership is over, or its store was begun anew.`,
      { details: { token: writer.token, highestToken: seen.token } },
    );
  }
}

/** @throws 'invalid-argument': `need`. */
export function checkObject(need: string, value: unknown): void {
  if (typeof value === 'object' && value !== null) return;
  throw new ConclaveError('invalid-argument', `${need}.`);
}

/** Before any effect; what is called only after one would be found missing too late. @throws 'invalid-argument' */
export function checkFunction(what: string, value: unknown): void {
  if (typeof value === 'function') return;
  throw new ConclaveError('invalid-argument', `${what} must be a function, not ${typeof value}.`);
}

export function checkCount(what: string, value: number, least: number, most: number): number {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    const message = `${what} must be a whole number from ${least} to ${most}, not ${String(value)}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  return value;
}
