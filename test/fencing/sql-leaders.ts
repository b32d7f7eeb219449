// Leaderships and expectations that the tests of all SQL guards share.
import { ConclaveError, type ErrorOutcome } from '../../src/errors/index.ts';
import type { FencedLeadership } from '../../src/fencing/index.ts';

/** One that believes that it leads, whatever is true. */
export function leader(token: number, name = 'jobs'): FencedLeadership {
  return { name, token, assertHeld: () => {} };
}

/** For `assert.rejects`. */
export function offered(
  code: string,
  retryable: boolean,
  outcome: ErrorOutcome = 'not-applied',
): (error: unknown) => boolean {
  return (error) => {
    if (
      ConclaveError.is(error) &&
      error.code === code &&
      error.retryable === retryable &&
      error.outcome === outcome
    )
      return true;
    throw new Error(`expected ${code}, retryable ${retryable}, outcome ${outcome}`, { cause: error });
  };
}
