import { type Command, Option } from 'commander';
import { CommandFailure } from './failure.ts';
import { parseClientEndpoints } from './urls.ts';

const fallback = 'http://127.0.0.1:2379';

/** Adds `--endpoints` to a command that talks to a cluster. */
export function addEndpoints(command: Command): void {
  command.addOption(
    new Option('--endpoints <URLS>', `Members to talk to. Default: ${fallback}.`).env('CONCLAVE_ENDPOINTS'),
  );
}

export function endpointsOf(value: string | undefined): string[] {
  return parseClientEndpoints(value === undefined || value === '' ? fallback : value, '--endpoints');
}

/** The name of an election, within the store's limits. */
export function checkElectionName(name: string): string {
  if (name !== '' && Buffer.byteLength(name) <= 1024 && !/\p{Cc}/u.test(name)) return name;
  throw new CommandFailure('usage', 'NAME must be 1 to 1024 bytes without control characters.');
}
