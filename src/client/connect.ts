import { ConclaveError } from '../errors/index.ts';
import { shown } from '../errors/option-names.ts';
import { nodeRuntime, type Runtime } from '../runtime/index.ts';
import { AuthenticatedTransport } from './authenticated-transport.ts';
import { ConclaveClient } from './client.ts';
import { parseEndpoint, type TlsOptions } from './grpc-endpoint.ts';
import { GrpcTransport } from './grpc-transport.ts';
import { checkCredentials, Login } from './login.ts';
import type { TransportFactory } from './transport.ts';

export interface ConnectOptions {
  /**
   * `host:port`, `http://host:port` or, for members with TLS, `https://host:port`; several in an array, or separated by
   * commas.
   */
  readonly endpoints: string | readonly string[];
  /** Shown to the cluster for this client. Default 'conclave'. */
  readonly name?: string;
  /** Who this client is, where the cluster asks. Logs in with the first call, and again when its token has run out. */
  readonly username?: string;
  readonly password?: string;
  /** For a call with all its retries. Default 5000. */
  readonly timeoutMs?: number;
  /** How long an endpoint that owes an answer may say nothing before it is asked for a sign of life. Default 300. */
  readonly silenceMs?: number;
  /** How long it has for that sign, before its connection is given up. Default 300. */
  readonly probeTimeoutMs?: number;
  /** For `https://` endpoints. */
  readonly tls?: TlsOptions;
  /** False where the end of a connection does not tell that this process died. Default true. */
  readonly connectionBound?: boolean;
  /** Default: this machine. */
  readonly runtime?: Runtime;
  /** Default: gRPC. */
  readonly transport?: TransportFactory;
}

const tlsHint =
  'By https:// the member must have a certificate (conclave serve --cert-file), signed by an authority that is given ' +
  'here (tls.certificateAuthority, --cacert); one that asks for certificates needs ours too (tls.certificate and ' +
  'tls.key, --cert and --key).';

/** Makes a client. It connects with its first call. @throws 'invalid-argument' */
export function connectClient(options: ConnectOptions): ConclaveClient {
  const runtime = options.runtime ?? nodeRuntime();
  const endpoints = parseEndpoints(options.endpoints, options.transport === undefined);
  const grpc = { runtime, tlsHint, ...(options.tls && { tls: options.tls }) };
  const plain: TransportFactory = options.transport ?? ((endpoint) => new GrpcTransport(endpoint, grpc));
  const credentials = checkCredentials(options.username, options.password);
  const login = credentials && new Login(credentials);
  return new ConclaveClient({
    endpoints,
    transport: login ? (endpoint) => new AuthenticatedTransport(plain(endpoint), login) : plain,
    runtime,
    name: options.name ?? 'conclave',
    connectionBound: options.connectionBound ?? true,
    timeoutMs: checkDuration('timeoutMs', options.timeoutMs ?? 5000),
    silence: {
      silenceMs: checkDuration('silenceMs', options.silenceMs ?? 300),
      probeTimeoutMs: checkDuration('probeTimeoutMs', options.probeTimeoutMs ?? 300),
    },
  });
}

/** Each once. `grpc`: they must be such as gRPC can be spoken with. @throws 'invalid-argument' */
export function parseEndpoints(endpoints: string | readonly string[], grpc: boolean): string[] {
  const given = typeof endpoints === 'string' ? endpoints.split(',') : endpoints;
  if (!Array.isArray(given)) {
    const message = `endpoints must be the members' addresses, like ['http://127.0.0.1:2379'], not ${typeof given}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  const parsed = [...new Set(given.map((endpoint) => endpoint.trim()).filter((endpoint) => endpoint !== ''))];
  if (grpc) for (const endpoint of parsed) parseEndpoint(endpoint);
  return parsed;
}

/** @throws 'invalid-argument' */
export function checkDuration(name: string, value: number): number {
  if (typeof value === 'number' && value > 0 && value <= 2 ** 31 - 1) return value;
  const message = `${name} is ${shown(value)}; it must be a number above 0 and below 2^31 (ms).`;
  throw new ConclaveError('invalid-argument', message);
}
