import * as net from 'node:net';
import { ConclaveError } from '../errors/index.ts';
import { acceptSockets } from './accepting.ts';
import { NodeConnection } from './connection.ts';
import { display } from './listener.ts';
import type { TlsIdentity } from './tls.ts';
import { explainTlsError } from './tls-errors.ts';
import type { Address, Connection, Listener, Network } from './types.ts';

/** Loss of a host that says nothing is found by the peers' own heartbeats; this is for connections left idle. */
const keepAliveAfterMs = 15_000;

export interface NetworkOptions {
  /** For addresses that are `secure`. */
  readonly tls?: TlsIdentity | undefined;
  /** A connection to one of our listeners was turned away, and why. */
  readonly onRefused?: ((remote: string, reason: string) => void) | undefined;
}

/** TCP, and TLS on it for addresses that are `secure`. */
export class NodeNetwork implements Network {
  readonly #options: NetworkOptions;

  constructor(options: NetworkOptions = {}) {
    this.#options = options;
  }

  listen(address: Address, onConnection: (connection: Connection) => void): Promise<Listener> {
    return acceptSockets(address, (socket) => onConnection(new NodeConnection(socket)), this.#options);
  }

  connect(address: Address, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Connection> {
    const { timeoutMs, signal } = options;
    const where = display(address);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(ConclaveError.aborted(`Connecting to ${where}`, signal));
        return;
      }
      const socketOptions = {
        host: address.host,
        port: address.port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: keepAliveAfterMs,
      };
      const { tls } = this.#options;
      const secure = address.secure === true;
      if (secure && tls === undefined) {
        const message = `Cannot connect to https://${where} without a certificate: give --peer-cert-file and --peer-key-file.`;
        reject(new ConclaveError('invalid-argument', message));
        return;
      }
      const socket = (secure && tls?.connect(socketOptions)) || net.connect(socketOptions);
      const ready = secure ? 'secureConnect' : 'connect';
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        socket.off(ready, connected);
        socket.off('error', failed);
      };
      const giveUp = (error: ConclaveError): void => {
        settle();
        socket.on('error', () => {});
        socket.destroy();
        reject(error);
      };
      const connected = (): void => {
        // With nobody listening on a loopback port, TCP can connect a socket to itself.
        if (socket.localPort === socket.remotePort && socket.localAddress === socket.remoteAddress) {
          giveUp(unavailable(where, 'nobody listens there'));
          return;
        }
        settle();
        resolve(new NodeConnection(socket));
      };
      const failed = (error: Error): void => giveUp(unavailable(where, explain(error), error));
      const aborted = (): void => giveUp(ConclaveError.aborted(`Connecting to ${where}`, signal));
      const timer = setTimeout(
        () => giveUp(unavailable(where, `no answer within ${timeoutMs} ms`)),
        timeoutMs,
      );
      signal?.addEventListener('abort', aborted, { once: true });
      socket.once(ready, connected);
      socket.once('error', failed);
    });
  }
}

function unavailable(where: string, reason: string, cause?: Error): ConclaveError {
  return new ConclaveError('unavailable', `Cannot connect to ${where}: ${reason}.`, {
    retryable: true,
    cause,
  });
}

/** A host with several addresses fails with one error for each. */
function explain(error: Error): string {
  const single = error instanceof AggregateError ? error.errors[0] : error;
  const byTls = explainTlsError(single);
  if (byTls !== undefined) return byTls.replace(/\.?( \([^)]*\))$/, '$1');
  const errno = (single as NodeJS.ErrnoException).code;
  if (errno === 'ECONNREFUSED') return 'connection refused (ECONNREFUSED)';
  return errno ?? (single instanceof Error ? single.message : String(single));
}
