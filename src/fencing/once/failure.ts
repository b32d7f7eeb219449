/** Errors as they are recorded, and as every caller gets them. */
import { ConclaveError, type ConclaveErrorOptions, type ErrorCode, errorCodes } from '../../errors/index.ts';

type Details = Readonly<Record<string, unknown>>;

export interface RecordedFailure {
  readonly name: string;
  readonly message: string;
  readonly code?: string | number | undefined;
  readonly details?: Details | undefined;
  /** Of a ConclaveError. */
  readonly conclave?:
    | { readonly retryable: boolean; readonly outcome: 'not-applied' | 'unknown' }
    | undefined;
}

const messageLimit = 8192;
const detailsLimitBytes = 16_384;

/** Name, message, code and details are kept; the stack and the cause are not. */
export function recordFailure(error: unknown): RecordedFailure {
  if (ConclaveError.is(error)) {
    const { name, message, code, details, retryable, outcome } = error;
    return {
      ...{ name, code, message: message.slice(0, messageLimit) },
      ...{ details: smallDetails(details), conclave: { retryable, outcome } },
    };
  }
  if (!(error instanceof Error)) return { name: 'Error', message: textOf(error).slice(0, messageLimit) };
  const { code, details } = error as { code?: unknown; details?: unknown };
  return {
    name: textOf(error.name),
    message: textOf(error.message).slice(0, messageLimit),
    ...((typeof code === 'string' || typeof code === 'number') && { code }),
    ...(typeof details === 'object' && details !== null && { details: smallDetails(details as Details) }),
  };
}

/** `cause`: what was thrown, for the caller that ran the function. */
export function reviveFailure(failure: RecordedFailure, cause?: unknown): Error {
  const { name, message, code, conclave } = failure;
  const details = failure.details && reviveDetails(failure.details);
  if (conclave !== undefined && isErrorCode(code)) {
    const known =
      details === undefined ? {} : { details: details as ConclaveErrorOptions['details'] & object };
    return new ConclaveError(code, message, { ...conclave, ...known, ...(cause !== undefined && { cause }) });
  }
  const error = new Error(message, cause === undefined ? undefined : { cause });
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true });
  return Object.assign(error, code !== undefined && { code }, details !== undefined && { details });
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorCodes, code);
}

/** A bigint, which JSON has not, goes as an object of one property. */
function smallDetails(details: Details): Details | undefined {
  try {
    const text = JSON.stringify(details, (_key, value: unknown) =>
      typeof value === 'bigint' ? { $bigint: String(value) } : value,
    );
    return text.length > detailsLimitBytes ? undefined : (JSON.parse(text) as Details);
  } catch {
    // Not representable: the failure itself matters more.
    return undefined;
  }
}

function reviveDetails(details: Details): Details {
  return JSON.parse(JSON.stringify(details), (_key, value: unknown) => {
    const { $bigint } = (value ?? {}) as { $bigint?: unknown };
    return typeof $bigint === 'string' && /^-?\d+$/.test($bigint) ? BigInt($bigint) : value;
  }) as Details;
}

function textOf(value: unknown): string {
  try {
    return typeof value === 'object' && value !== null
      ? (JSON.stringify(value) ?? String(value))
      : String(value);
  } catch {
    return 'Something that has no text was thrown.';
  }
}
