import type * as net from 'node:net';
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
