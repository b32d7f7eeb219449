import { Violation } from '../observation.ts';
import type { LifeFailure } from './types.ts';

let livesWithoutStacks = 0;
let usualStackTraceLimit = 0;

/**
 * Errors are a matter of course under faults, and where they came from is most of what one costs. Who looks at a failure
 * lives it again with its trace, and has the stacks then. Call what it returns when the life is over.
 */
export function withoutStacks(): () => void {
  if (livesWithoutStacks === 0) {
    usualStackTraceLimit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
  }
  livesWithoutStacks += 1;
  return () => {
    livesWithoutStacks -= 1;
    if (livesWithoutStacks === 0) Error.stackTraceLimit = usualStackTraceLimit;
  };
}

export function describeFailure(error: unknown, atUs: number): LifeFailure {
  const stack = error instanceof Error ? error.stack : undefined;
  if (error instanceof Violation) {
    return { checker: error.checker, claim: error.claim, message: error.message, atUs, stack };
  }
  return {
    checker: 'program',
    claim: 'The code under test goes on under every fault that it claims to bear.',
    message: error instanceof Error ? error.message : String(error),
    atUs,
    stack,
  };
}
