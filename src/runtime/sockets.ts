import type * as net from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { type AcceptOptions, acceptSockets } from './accepting.ts';
import { commonNameOf } from './tls.ts';
import type { Address, CloseCause, Listener } from './types.ts';

/** What the listener knows of a raw socket that it handed out. */
export interface SocketInfo {
  /** `host:port` of the other side, as node names it; unique among the open sockets of one listener. */
  readonly remote: string;
  /** Resolves when the socket is over. Never rejects. */
  readonly ended: Promise<CloseCause>;
  /** The same without waiting; set at the first sign of the end, before anything on the socket hears of it. */
  readonly endedBy: CloseCause | undefined;
  /** What the TLS handshake chose (ALPN): 'h2', 'http/1.1'. undefined: the connection is not by TLS. */
  readonly protocol: string | undefined;
  /** Common name of the certificate that the other side proved to have. undefined: none, or it is not to count. */
  readonly commonName: string | undefined;
}

/**
 * Listens for TCP connections whose sockets a library will drive (HTTP/2), and tells why each ended. Port 0 takes a
 * free one. @throws ConclaveError 'address-in-use', 'invalid-argument'.
 */
export function listenSockets(
  address: Address,
  onSocket: (socket: Duplex, info: SocketInfo) => void,
  options: AcceptOptions = {},
): Promise<Listener> {
  const named = options.tls?.usersByCommonName === true;
  return acceptSockets(address, (socket) => onSocket(socket, new ObservedSocket(socket, named)), options);
}

/** Watches a socket without touching its data. Made before any other listener, so that it hears everything first. */
class ObservedSocket implements SocketInfo {
  readonly remote: string;
  readonly ended: Promise<CloseCause>;
  readonly protocol: string | undefined;
  readonly commonName: string | undefined;
  #endedBy: CloseCause | undefined;

  constructor(socket: net.Socket, named: boolean) {
    if (socket instanceof TLSSocket) {
      this.protocol = socket.alpnProtocol || 'http/1.1';
      if (named) this.commonName = commonNameOf(socket);
    }
    this.remote = `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`;
    // Prepended: node's own listener answers a FIN by ending our side, after which we could not tell who began.
    socket.prependListener('end', () => {
      this.#endedBy ??= socket.writableEnded ? 'local' : 'peer';
    });
    socket.prependListener('error', (error: NodeJS.ErrnoException) => {
      // EPIPE follows a FIN that was not read yet, answered by RST to our write.
      const fromPeer = error.code === 'ECONNRESET' || error.code === 'EPIPE';
      this.#endedBy ??= fromPeer ? 'peer' : 'broken';
    });
    this.ended = new Promise((resolve) => {
      socket.prependListener('close', () => {
        this.#endedBy ??= 'local';
        resolve(this.#endedBy);
      });
    });
  }

  get endedBy(): CloseCause | undefined {
    return this.#endedBy;
  }
}
