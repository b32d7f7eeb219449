/**
 * Logins from the variables that the vendors' own tools read.
 *
 * Guarantees: what stands in the URL goes before them, and a name there is never sent with another user's password; a
 * variable that is empty is as good as none; no message holds a secret.
 *
 * Must not: look at a variable of another vendor than the URL's; read files, which is for who connects.
 */
import { ConclaveError } from '../errors/index.ts';
import type { StoreUrl } from './store-url.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Login {
  readonly user: string | undefined;
  readonly password: string | undefined;
}

/** @throws 'invalid-argument' for a user without a password. */
export function etcdLogin(url: StoreUrl, environment: Environment): Login {
  const { ETCDCTL_USER, ETCDCTL_PASSWORD } = environment;
  const login = namedLogin(url, ETCDCTL_USER, ETCDCTL_PASSWORD);
  if (login.user === undefined || login.password !== undefined) return login;
  const other = ETCDCTL_PASSWORD ? ' (that of ETCDCTL_USER, who is another, is not sent)' : '';
  const message = `A password is missing for the user ${JSON.stringify(login.user)} of etcd${other}: set ETCDCTL_PASSWORD, or write it into the URL (${url.scheme}://user:password@host).`;
  throw new ConclaveError('invalid-argument', message);
}

/** A user without a password has an empty one. */
export function conclaveLogin(url: StoreUrl, environment: Environment): Login {
  return namedLogin(url, environment.CONCLAVE_USER, undefined);
}

/** `both`: "name" or "name:password". */
function namedLogin(url: StoreUrl, both: string | undefined, password: string | undefined): Login {
  const [name, secret] = splitOnce(both ?? '', ':');
  const usual = secret ?? (password || undefined);
  const given = url.login();
  if (given.user === undefined) return name === '' ? given : { user: name, password: usual };
  if (given.password !== undefined) return given;
  return { user: given.user, password: name === '' || name === given.user ? usual : undefined };
}

/** Of mysql, mariadb and redis-cli, which read a password alone. Parameters that say it too are the driver's. */
export function supplyPassword(
  url: StoreUrl,
  password: string | undefined,
  parameters: readonly string[] = [],
): void {
  if (!password || parameters.some((name) => url.has(name))) return;
  const { user = '', password: given = '' } = url.login();
  if (given === '') url.logIn(user, password);
}

export interface NatsFiles {
  readonly credsFile?: string | undefined;
  readonly nkeyFile?: string | undefined;
}

/** As `nats` does: a user without a password is a token. Gives the files that are to be read in place of a login. */
export function supplyNatsLogin(url: StoreUrl, environment: Environment): NatsFiles {
  const { NATS_USER, NATS_PASSWORD, NATS_TOKEN, NATS_CREDS, NATS_NKEY } = environment;
  const { user, password } = url.login();
  if (user !== undefined || password !== undefined) return {};
  if (NATS_USER) url.logIn(NATS_USER, NATS_PASSWORD || undefined);
  else if (NATS_CREDS) return { credsFile: NATS_CREDS };
  else if (NATS_NKEY) return { nkeyFile: NATS_NKEY };
  else if (NATS_TOKEN) url.logIn(NATS_TOKEN, undefined);
  return {};
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
