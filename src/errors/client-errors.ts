/** What ioredis hangs on its errors: the command with all its arguments, and the error of a node, which has one too. */
const withArguments: readonly string[] = ['command', 'lastNodeError'];

/**
 * The error for `cause`, without the command that failed: who logs a refused login would log its password. The error
 * itself is its client's, and may go to others as well.
 */
export function withoutCommand(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const cause = withoutCommand(error.cause);
  if (cause === error.cause && !withArguments.some((name) => name in error)) return error;
  const bare = new Error(error.message, cause === undefined ? undefined : { cause });
  Object.defineProperty(bare, 'name', { value: error.name, configurable: true, writable: true });
  if (error.stack !== undefined) bare.stack = error.stack;
  return bare;
}
