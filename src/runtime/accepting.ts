import * as net from 'node:net';
import type * as tls from 'node:tls';
import { ConclaveError } from '../errors/index.ts';
import { listenError, NodeListener } from './listener.ts';
import type { TlsIdentity } from './tls.ts';
import { explainTlsError } from './tls-errors.ts';
import type { Address, Listener } from './types.ts';

/** TCP's own probes find a host that vanished without a word. */
const keepAliveAfterMs = 15_000;
const handshakeWithinMs = 10_000;

export interface AcceptOptions {
  /** For addresses that are `secure`. */
  readonly tls?: TlsIdentity | undefined;
  /** Protocols to agree on by ALPN, the preferred first. */
  readonly protocols?: readonly string[];
  /** Open connections of this address above which new ones are closed at once. Default: no bound. */
  readonly maxConnections?: number | undefined;
  /** Other listeners of this process may listen at the same address; each gets some of the connections. Default: no. */
  readonly shared?: boolean;
  /** Whoever has not finished its TLS handshake by then is cut off. Default 10,000. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** A connection was turned away, and why. */
  readonly onRefused?: ((remote: string, reason: string) => void) | undefined;
}

/** Listens at `address`, by TLS where it is `secure`, and hands out what has connected and may. */
export function acceptSockets(
  address: Address,
  onSocket: (socket: net.Socket | tls.TLSSocket) => void,
  options: AcceptOptions,
): Promise<Listener> {
  const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveAfterMs };
  let server: net.Server;
  if (address.secure !== true) {
    server = net.createServer(socketOptions, onSocket);
  } else if (options.tls === undefined) {
    const message = `Cannot listen on https://${address.host}:${address.port} without a certificate and a key.`;
    return Promise.reject(new ConclaveError('invalid-argument', message));
  } else {
    server = secureServer(options.tls, socketOptions, onSocket, options);
  }
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections;
  server.on('drop', (dropped) => {
    const remote = `${dropped?.remoteAddress ?? 'unknown'}:${dropped?.remotePort ?? 0}`;
    options.onRefused?.(remote, `${options.maxConnections} connections are open, and no more are allowed`);
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(address, error)));
    const { host, port } = address;
    server.listen({ host, port, exclusive: true, ...(options.shared && { reusePort: true }) }, () => {
      // Later errors are of single accepts (out of descriptors): the listener goes on, and clients retry.
      server.on('error', () => {});
      resolve(new NodeListener(server, host));
    });
  });
}

function secureServer(
  identity: TlsIdentity,
  socketOptions: net.ServerOpts,
  onSocket: (socket: tls.TLSSocket) => void,
  { protocols, onRefused, handshakeTimeoutMs = handshakeWithinMs }: AcceptOptions,
): tls.Server {
  const server = identity.createServer(
    {
      ...socketOptions,
      handshakeTimeout: handshakeTimeoutMs,
      ...(protocols && { ALPNProtocols: [...protocols] }),
    },
    (socket) => {
      const refusal = identity.refusal(socket);
      if (refusal === undefined) {
        onSocket(socket);
        return;
      }
      onRefused?.(remoteOf(socket), refusal);
      socket.on('error', () => {});
      socket.destroy();
    },
  );
  // Node asks for an address when it is first wanted. Of a connection whose certificate failed it is gone by then.
  server.prependListener('connection', (tcp) => tcp.remoteAddress);
  server.on('tlsClientError', (error, socket) => {
    // Where the certificate is what fails, Node tells no more by the error than that the connection is gone.
    const code: unknown = socket.authorizationError;
    const reason = explainTlsError(
      typeof code === 'string' ? Object.assign(new Error(code), { code }) : error,
    );
    // Not of a connection that merely went away.
    if (reason !== undefined) onRefused?.(remoteOf(below(socket)), reason);
    socket.destroy();
  });
  return server;
}

/** The TCP socket that TLS runs on; Node has no public name for it. */
function below(socket: tls.TLSSocket): net.Socket {
  const { _parent: parent } = socket as tls.TLSSocket & { readonly _parent?: unknown };
  return parent instanceof net.Socket ? parent : socket;
}

function remoteOf(socket: net.Socket): string {
  return `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`;
}
