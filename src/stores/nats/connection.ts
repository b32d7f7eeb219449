/** The packages that speak NATS, loaded where they are needed, and connections of the store's own. */
import type { Kvm } from '@nats-io/kv';
import { ConclaveError } from '../../errors/index.ts';

/** A connection, or a JetStream client of one. */
export type NatsClient = ConstructorParameters<typeof Kvm>[0];

export interface OwnNats {
  readonly connection: NatsClient;
  close(): Promise<void>;
}

export interface NatsLogin {
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
}

/** @throws 'invalid-argument', without the text: it may hold a password. */
export function checkUrl(url: unknown): { readonly hosts: readonly string[]; readonly login: NatsLogin } {
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

/** @throws 'unsupported' where the package is missing, and what `connect` throws. */
export async function connectNats(hosts: readonly string[], login: NatsLogin): Promise<OwnNats> {
  const { connect } = await needed('@nats-io/transport-node', () => import('@nats-io/transport-node'));
  const connection = await connect({
    ...login,
    servers: [...hosts],
    name: 'conclave',
    // For as long as the store is open.
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
    // A peer that is gone without a word is noticed within seconds.
    pingInterval: 5000,
    timeout: 5000,
  });
  return { connection, close: () => connection.close() };
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
