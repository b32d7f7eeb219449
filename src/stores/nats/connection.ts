/** Where NATS is, and connections of the store's own. */
import type { Kvm } from '@nats-io/kv';
import type { Authenticator, NatsConnection } from '@nats-io/transport-node';
import { ConclaveError } from '../../errors/index.ts';
import type { Disk } from '../../runtime/types.ts';
import { isLoginError } from './failures.ts';
import { LoginFile } from './login-file.ts';
import { transport } from './packages.ts';

/** A connection, or a JetStream client of one. */
export type NatsClient = ConstructorParameters<typeof Kvm>[0];

export interface OwnNats {
  readonly connection: NatsClient;
  /** By what was heard last; a new connection is made all the same, again and again. */
  readonly isLoginRefused?: boolean;
  close(): Promise<void>;
}

interface NatsLogin {
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
}

export interface NatsAccess {
  readonly url?: string | undefined;
  readonly credsFile?: string | undefined;
  readonly nkeyFile?: string | undefined;
}

export interface NatsPlace {
  readonly hosts: readonly string[];
  /** @throws 'unsupported' where the package is missing, 'failed-precondition' for a file, and what `connect` throws. */
  connect(disk: Disk): Promise<OwnNats>;
}

/** @throws 'invalid-argument' */
export function natsPlace({ url, credsFile, nkeyFile }: NatsAccess): NatsPlace {
  const { hosts, login } = checkUrl(url);
  const logins = [credsFile, nkeyFile, Object.keys(login)[0]].filter((one) => one !== undefined);
  if (logins.length > 1) {
    const message = 'Give one login to NATS: in the url, as credsFile, or as nkeyFile.';
    throw new ConclaveError('invalid-argument', message);
  }
  for (const [name, file] of Object.entries({ credsFile, nkeyFile })) {
    if (file === undefined || (typeof file === 'string' && file !== '')) continue;
    throw new ConclaveError('invalid-argument', `${name} must be the path of a file.`);
  }
  const connect = async (disk: Disk) => {
    if (credsFile === undefined && nkeyFile === undefined) return await connectNats(hosts, login);
    const file = await LoginFile.read(disk, { credsFile, nkeyFile });
    return await connectNats(hosts, { authenticator: file.authenticator }, () => file.readAgain());
  };
  return { hosts, connect };
}

/** @throws 'invalid-argument', without the text: it may hold a password. */
function checkUrl(url: unknown): { readonly hosts: readonly string[]; readonly login: NatsLogin } {
  const malformed = new ConclaveError(
    'invalid-argument',
    'url must be a text like nats://user:password@host:4222, or tls:// for TLS; more hosts follow after commas.',
  );
  const [, scheme, credentials, rest = ''] =
    /^(nats|tls):\/\/(?:([^@/]*)@)?([^@/?#]+)\/?$/.exec(typeof url === 'string' ? url : '') ?? [];
  const hosts = rest.split(',').map((host) => (scheme === 'tls' ? `tls://${host}` : host));
  if (scheme === undefined || rest.split(',').some((host) => !URL.canParse(`http://${host}`)))
    throw malformed;
  if (credentials === undefined) return { hosts, login: {} };
  try {
    const [first = '', ...more] = credentials.split(':').map(decodeURIComponent);
    return { hosts, login: more.length === 0 ? { token: first } : { user: first, pass: more.join(':') } };
  } catch {
    throw malformed;
  }
}

/** `lost`: what is to be done while there is no connection, so that the next attempt may be better. */
async function connectNats(
  hosts: readonly string[],
  login: NatsLogin | { readonly authenticator: Authenticator },
  lost: () => Promise<void> = async () => {},
): Promise<OwnNats> {
  const { connect } = await transport();
  const connection = await connect({
    ...login,
    servers: [...hosts],
    name: 'conclave',
    // By the scheme alone the package would send the login to a server without TLS.
    ...(hosts.some((host) => host.startsWith('tls://')) && { tls: {} }),
    // For as long as the store is open. By default a login that is refused twice would close the connection for good,
    // though it is the server's that changes, or is read anew from its file.
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: 500,
    // A peer that is gone without a word is noticed within seconds.
    pingInterval: 5000,
    timeout: 5000,
  });
  const own = { connection, isLoginRefused: false, close: () => connection.close() };
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect' || status.type === 'reconnecting') await lost();
      if (status.type === 'reconnect') own.isLoginRefused = false;
      if (status.type === 'error' && isLoginError(status.error)) own.isLoginRefused = true;
    }
  })();
  return own;
}

/** What is not documented of a connection: whether there is one just now. */
export function whyNoAnswer(
  connection: NatsConnection | undefined,
  own: OwnNats | undefined,
): string | undefined {
  const { protocol } = (connection ?? {}) as { protocol?: { connected?: unknown } };
  if (protocol?.connected !== false) return undefined;
  const server = connection?.getServer();
  return own?.isLoginRefused
    ? `the server refuses the login (${server}): let it in, or mend the login`
    : `no server can be reached (last tried: ${server}): start it, or mend the network`;
}
