/** The packages that speak NATS, loaded where they are needed, and connections of the store's own. */
import type { Kvm } from '@nats-io/kv';
import type { Authenticator, NatsConnection } from '@nats-io/transport-node';
import { ConclaveError } from '../../errors/index.ts';
import type { Disk } from '../../runtime/types.ts';

/** A connection, or a JetStream client of one. */
export type NatsClient = ConstructorParameters<typeof Kvm>[0];

export interface OwnNats {
  readonly connection: NatsClient;
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
    const authenticator = await authenticatorOf(disk, { credsFile, nkeyFile });
    return await connectNats(hosts, { authenticator });
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

async function connectNats(
  hosts: readonly string[],
  login: NatsLogin | { readonly authenticator: Authenticator },
): Promise<OwnNats> {
  const { connect } = await transport();
  const connection = await connect({
    ...login,
    servers: [...hosts],
    name: 'conclave',
    // By the scheme alone the package would send the login to a server without TLS.
    ...(hosts.some((host) => host.startsWith('tls://')) && { tls: {} }),
    // For as long as the store is open.
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    // A peer that is gone without a word is noticed within seconds.
    pingInterval: 5000,
    timeout: 5000,
  });
  return { connection, close: () => connection.close() };
}

/** Of a file as `nsc` makes it, or with the seed of a user's key. No message shows what it holds. */
async function authenticatorOf(disk: Disk, { credsFile, nkeyFile }: NatsAccess): Promise<Authenticator> {
  const path = credsFile ?? nkeyFile ?? '';
  const content = await disk.read(path).catch((error: unknown) => {
    const said = error instanceof Error ? error.message : String(error);
    const message = `The login to NATS cannot be read. ${said} It is named by ${credsFile === undefined ? 'nkeyFile, or NATS_NKEY' : 'credsFile, or NATS_CREDS'}.`;
    throw new ConclaveError('failed-precondition', message, { cause: error });
  });
  const { credsAuthenticator, nkeyAuthenticator } = await transport();
  const text = new TextDecoder().decode(content);
  if (credsFile !== undefined && /BEGIN NATS USER JWT[\s\S]*BEGIN USER NKEY SEED/.test(text)) {
    return credsAuthenticator(content);
  }
  const [seed] = (credsFile === undefined && /\bSU[A-Z2-7]{56}\b/.exec(text)) || [];
  if (seed !== undefined) return nkeyAuthenticator(new TextEncoder().encode(seed));
  const lacks =
    credsFile === undefined
      ? "no seed of a user's key, which begins with SU"
      : 'no JWT of a user with the seed of its key, as nsc writes them';
  throw new ConclaveError('failed-precondition', `The file ${path} holds ${lacks}.`);
}

function transport(): Promise<typeof import('@nats-io/transport-node')> {
  return needed('@nats-io/transport-node', () => import('@nats-io/transport-node'));
}

/** What is not documented of a connection: whether there is one just now. */
export function whyNoAnswer(connection: NatsConnection | undefined): string | undefined {
  const { protocol } = (connection ?? {}) as { protocol?: { connected?: unknown } };
  if (protocol?.connected !== false) return undefined;
  return `no server can be reached (last tried: ${connection?.getServer()}): start it, or mend the network`;
}

export function kvPackage(): Promise<typeof import('@nats-io/kv')> {
  return needed('@nats-io/kv', () => import('@nats-io/kv'));
}

async function needed<Package>(name: string, load: () => Promise<Package>): Promise<Package> {
  try {
    return await load();
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const message = `natsStore needs the package ${name}: npm install @nats-io/kv @nats-io/transport-node.`;
    throw new ConclaveError('unsupported', message, { cause: error });
  }
}
