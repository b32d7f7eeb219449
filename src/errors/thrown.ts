import { ConclaveError, type ConclaveErrorOptions, type ErrorCode, type ErrorOutcome } from './index.ts';

/** An error as it crosses between threads. */
export interface ThrownError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly outcome: ErrorOutcome;
  readonly retryable: boolean;
  readonly details: NonNullable<ConclaveErrorOptions['details']>;
}

export function toThrown(error: unknown): ThrownError {
  if (ConclaveError.is(error)) {
    const { code, message, outcome, retryable, details } = error;
    return { code, message, outcome, retryable, details };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: 'internal', message, outcome: 'unknown', retryable: false, details: {} };
}

export function fromThrown({ code, message, ...rest }: ThrownError): ConclaveError {
  return new ConclaveError(code, message, rest);
}
