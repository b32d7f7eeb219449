/** What the end of a function makes of its operation. */
import { ConclaveError } from '../../errors/index.ts';
import { recordFailure } from './failure.ts';
import type { OnceSettings } from './options.ts';
import type { FinalRecord } from './record.ts';

export type Ending =
  | { readonly status: 'returned'; readonly value: unknown }
  | { readonly status: 'threw'; readonly error: unknown }
  /** It returned, and the store refuses its result for good. */
  | { readonly status: 'refused'; readonly error: unknown };

export interface Verdict {
  readonly record: FinalRecord;
  /** What a failure comes from. */
  readonly cause: unknown;
}

type Attempt = { readonly token: number; readonly attempt: number };

/** undefined: nothing is recorded, and the next caller runs the operation. */
export function judge(
  settings: OnceSettings,
  { token, attempt }: Attempt,
  ending: Ending,
): Verdict | undefined {
  const failed = (error: unknown, cause: unknown): Verdict => ({
    record: { state: 'failed', token, attempt, failure: recordFailure(error) },
    cause,
  });
  if (ending.status === 'threw') {
    const { error } = ending;
    return settings.signal?.aborted || mayBeTriedAgain(settings, error) ? undefined : failed(error, error);
  }
  if (ending.status === 'refused') {
    return failed(tooLarge(settings, 'the store takes no record of that size'), ending.error);
  }
  let result: unknown;
  try {
    result = settings.codec.encode(ending.value);
    if (!(result instanceof Uint8Array)) throw new TypeError('the codec gave no Uint8Array');
  } catch (error) {
    return failed(unencodable(settings, error), error);
  }
  const { resultLimitBytes } = settings;
  if (result.length > resultLimitBytes) {
    const why = `it has ${result.length} bytes, and resultLimitBytes is ${resultLimitBytes}`;
    return failed(tooLarge(settings, why), undefined);
  }
  return { record: { state: 'done', token, attempt, result }, cause: undefined };
}

function mayBeTriedAgain({ isRetryable }: OnceSettings, error: unknown): boolean {
  if (ConclaveError.is(error) && error.retryable) return true;
  try {
    return isRetryable(error) === true;
  } catch {
    // A predicate that throws has not said so.
    return false;
  }
}

function unencodable({ operationId }: OnceSettings, error: unknown): ConclaveError {
  const why = error instanceof Error ? error.message : String(error);
  const message = `Operation ${JSON.stringify(operationId)} has run and taken effect, but its result cannot be recorded: ${why}. Give a codec, or return what JSON can hold.`;
  return new ConclaveError('invalid-argument', message, { outcome: 'unknown', details: { operationId } });
}

function tooLarge({ operationId }: OnceSettings, why: string): ConclaveError {
  const message = `Operation ${JSON.stringify(operationId)} has run and taken effect, but its result is too large to be recorded: ${why}. Keep it elsewhere, and return where.`;
  return new ConclaveError('too-large', message, { outcome: 'unknown', details: { operationId } });
}
