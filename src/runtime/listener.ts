import type * as net from 'node:net';
import { ConclaveError } from '../errors/index.ts';
import type { Address, Listener } from './types.ts';

/** A listening server of Node's as a Listener. */
export class NodeListener implements Listener {
  readonly address: Address;
  readonly #server: net.Server;

  constructor(server: net.Server, host: string) {
    const bound = server.address();
    this.#server = server;
    this.address = { host, port: typeof bound === 'object' && bound !== null ? bound.port : 0 };
  }

  async close(): Promise<void> {
    // Node's callback would wait for the last connection; the port is free without that.
    if (this.#server.listening) this.#server.close();
    await new Promise((resolve) => setImmediate(resolve));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Why an address cannot be listened on. */
export function listenError(address: Address, error: Error): ConclaveError {
  const errno = (error as NodeJS.ErrnoException).code ?? 'unknown';
  const where = display(address);
  const options = { cause: error, details: { host: address.host, port: address.port, errno } };
  if (errno === 'EADDRINUSE') {
    return new ConclaveError(
      'address-in-use',
      `Cannot listen on ${where}: another process does. Stop it, or choose another address.`,
      { ...options, retryable: true },
    );
  }
  const reasons: Record<string, string> = {
    EADDRNOTAVAIL: 'this host has no such address',
    EACCES: 'this user may not listen on that port',
    ENOTSUP: 'this system does not let threads share a port: leave --front-ends out',
    ENOTFOUND: 'the host name does not resolve',
  };
  const reason = reasons[errno] ?? error.message;
  return new ConclaveError('invalid-argument', `Cannot listen on ${where}: ${reason} (${errno}).`, options);
}

/** As in a URL. */
export function display(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
