import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import { ConclaveError } from '../errors/index.ts';
import { certificateIsFor, isAddress } from '../runtime/server-identity.ts';

export interface TlsOptions {
  /** PEM; default: the authorities that Node trusts. */
  readonly certificateAuthority?: Uint8Array;
  /** PEM of the client's own certificate and key, where the server asks for one. */
  readonly certificate?: Uint8Array;
  readonly key?: Uint8Array;
  /** Takes any certificate of the server, so anybody in between may read and change everything. Default false. */
  readonly insecureSkipVerify?: boolean;
}

export interface GrpcEndpoint {
  readonly target: string;
  readonly secure: boolean;
}

/** @throws ConclaveError 'invalid-argument' */
export function parseEndpoint(endpoint: string): GrpcEndpoint {
  const bad = (): ConclaveError =>
    new ConclaveError(
      'invalid-argument',
      `"${endpoint}" is no endpoint: give host:port, http://host:port or https://host:port.`,
    );
  let url: URL;
  try {
    url = new URL(endpoint.includes('://') ? endpoint : `http://${endpoint}`);
  } catch {
    throw bad();
  }
  const secure = url.protocol === 'https:';
  if (!secure && url.protocol !== 'http:') throw bad();
  if (url.hostname === '' || url.username !== '' || (url.pathname !== '/' && url.pathname !== ''))
    throw bad();
  const port = url.port === '' ? (secure ? '443' : endpoint.includes('://') ? '80' : '2379') : url.port;
  return { target: `${url.hostname}:${port}`, secure };
}

/** The name that a server is asked for by TLS where only its address is known. Addresses may not stand there (RFC 6066). */
const noServerName = 'address.invalid';

/** How a channel to the endpoint proves who we are, and checks who answers. */
export function channelSecurity(
  { target, secure }: GrpcEndpoint,
  tls: TlsOptions = {},
): { readonly credentials: ChannelCredentials; readonly options: ChannelOptions } {
  if (!secure) return { credentials: credentials.createInsecure(), options: {} };
  const { certificateAuthority, key, certificate, insecureSkipVerify } = tls;
  const { hostname } = new URL(`https://${target}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  const byAddress = isAddress(host);
  return {
    credentials: credentials.createSsl(pem(certificateAuthority), pem(key), pem(certificate), {
      rejectUnauthorized: insecureSkipVerify !== true,
      ...(byAddress && { checkServerIdentity: (_name, shown) => certificateIsFor(host, shown) }),
    }),
    options: byAddress ? { 'grpc.ssl_target_name_override': noServerName } : {},
  };
}

function pem(bytes: Uint8Array | undefined): Buffer | null {
  return bytes === undefined ? null : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
