import { type Command, Option } from 'commander';
import { addSecurity, isSecured } from './client-security.ts';
import { CommandFailure, flagOf } from './failure.ts';
import { parseClientEndpoints } from './urls.ts';

const fallback = 'http://127.0.0.1:2379';
const securedFallback = 'https://127.0.0.1:2379';

/** Adds `--endpoints`, and how they are secured, to a command that talks to a cluster. */
export function addEndpoints(command: Command): void {
  command.addOption(
    new Option('--endpoints <URLS>', `Members to talk to. Default: ${fallback}.`).env('CONCLAVE_ENDPOINTS'),
  );
  addSecurity(command);
}

export function endpointsOf(value: string | undefined): string[] {
  const given = value === undefined || value === '' ? (isSecured() ? securedFallback : fallback) : value;
  return parseClientEndpoints(given, '--endpoints', isSecured() ? 'https' : 'http');
}

/** Where a command finds its election. */
export interface WhereElectionsAre {
  readonly endpoints: readonly string[];
  /** In place of the endpoints. */
  readonly storeUrl: string | undefined;
}

/** Adds `--endpoints` and `--store` to a command that needs an election. */
export function addStore(command: Command): void {
  addEndpoints(command);
  command.addOption(
    new Option('--store <URL>', 'Another store, as postgres://HOST/DATABASE. Default: the members.').env(
      'CONCLAVE_STORE',
    ),
  );
}

/** A store that is named as a flag goes before endpoints from the environment, and the other way round. */
export function whereElectionsAre(command: Command): WhereElectionsAre {
  const { endpoints, store } = command.opts<{ endpoints?: string; store?: string }>();
  const bySource = (name: string) => command.getOptionValueSource(name) === 'cli';
  if (bySource('store') && bySource('endpoints')) {
    throw new CommandFailure('usage', '--store and --endpoints contradict each other: give one of them.');
  }
  if (bySource('store') && store?.trim() === '') {
    throw new CommandFailure('usage', '--store is empty: is the variable that it comes from set?');
  }
  const isOther = store !== undefined && store !== '' && !bySource('endpoints');
  const membersOnly = ['cacert', 'cert', 'key', 'insecureSkipTlsVerify', 'user'].find(bySource);
  if (isOther && membersOnly !== undefined) {
    throw new CommandFailure(
      'usage',
      `${flagOf(membersOnly)} is for Conclave's own members, not for --store or CONCLAVE_STORE: its login stands in the URL or in the variables of its vendor, and an authority for TLS in NODE_EXTRA_CA_CERTS.`,
    );
  }
  return { endpoints: endpointsOf(endpoints), storeUrl: isOther ? store : undefined };
}

/** For the help of commands that take `--store`. */
export const storeHelp = `
Stores besides Conclave's own members, each with its driver installed beside conclave (docs/guides/choosing-a-store.md):
  postgres://USER@HOST/DATABASE   mysql://USER@HOST/DATABASE   redis://HOST   mongodb://HOST/DATABASE   nats://HOST
  etcd://HOST:2379,HOST:2379      zk://HOST:2181,HOST:2181     consul://HOST:8500               kubernetes://NAMESPACE
  dynamodb://REGION/TABLE         s3://BUCKET/PREFIX           cassandra://HOST,HOST/KEYSPACE?datacenter=NAME
Passwords and tokens may stand in the variables that the vendor's tools read (PGPASSWORD, MYSQL_PWD, REDISCLI_AUTH,
NATS_CREDS, ETCDCTL_PASSWORD, CONSUL_HTTP_TOKEN, AWS_ACCESS_KEY_ID, …); what the URL has goes before them. A URL in
CONCLAVE_STORE is not seen by other users of the machine, as one in a flag is.`;

/** The name of an election, within the store's limits. */
export function checkElectionName(name: string): string {
  if (name !== '' && Buffer.byteLength(name) <= 1024 && !/\p{Cc}/u.test(name)) return name;
  throw new CommandFailure('usage', 'NAME must be 1 to 1024 bytes without control characters.');
}
