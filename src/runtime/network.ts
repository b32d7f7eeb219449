import * as net from 'node:net';
import { ConclaveError } from '../errors/index.ts';
import { NodeConnection } from './connection.ts';
import { display, listenError, NodeListener } from './listener.ts';
import type { Address, Connection, Listener, Network } from './types.ts';

/** Loss of a host that says nothing is found by the peers' own heartbeats; this is for connections left idle. */
const keepAliveAfterMs = 15_000;

/** TCP. */
export class NodeNetwork implements Network {
  listen(address: Address, onConnection: (connection: Connection) => void): Promise<Listener> {
    return new Promise((resolve, reject) => {
      const server = net.createServer(
        { noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveAfterMs },
        (socket) => onConnection(new NodeConnection(socket)),
      );
      server.once('error', (error) => reject(listenError(address, error)));
      server.listen({ host: address.host, port: address.port, exclusive: true }, () => {
        // Later errors are of single accepts (out of descriptors): the listener itself goes on, and peers retry.
        server.on('error', () => {});
        resolve(new NodeListener(server, address.host));
      });
    });
  }

  connect(address: Address, options: { timeoutMs: number; signal?: AbortSignal }): Promise<Connection> {
    const { timeoutMs, signal } = options;
    const where = display(address);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(ConclaveError.aborted(`Connecting to ${where}`, signal));
        return;
      }
      const socket = net.connect({
        host: address.host,
        port: address.port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: keepAliveAfterMs,
      });
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        socket.off('connect', connected);
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
      socket.once('connect', connected);
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
  const errno = (single as NodeJS.ErrnoException).code;
  if (errno === 'ECONNREFUSED') return 'connection refused (ECONNREFUSED)';
  return errno ?? (single instanceof Error ? single.message : String(single));
}
