import type * as net from 'node:net';
import type { Address, CloseCause, Connection } from './types.ts';

/** Several chunks of together no more than this are copied into one, which is cheaper than queueing each. */
const copyUpToBytes = 16 * 1024;
/** How long a connection that we ended waits for the peer's FIN. */
const lingerMs = 1000;

/** A TCP connection. */
export class NodeConnection implements Connection {
  readonly remote: Address;
  onClose: ((cause: CloseCause) => void) | undefined;
  onDrained: (() => void) | undefined;
  readonly #socket: net.Socket;
  #onData: ((chunk: Uint8Array) => void) | undefined;
  /** What arrived before there was a handler for it. */
  #early: Uint8Array[] = [];
  /** The first cause is the true one: what follows, follows from it. */
  #cause: CloseCause | undefined;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.remote = { host: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    socket.on('data', this.#received);
    socket.on('end', () => {
      this.#cause ??= 'peer';
      // No half-open connections: the peer has closed, so what is still queued would reach nobody.
      socket.destroy();
    });
    socket.on('error', (error) => {
      const errno = (error as NodeJS.ErrnoException).code;
      this.#cause ??= errno === 'ECONNRESET' || errno === 'EPIPE' ? 'peer' : 'broken';
    });
    socket.on('close', () => this.onClose?.(this.#cause ?? 'broken'));
  }

  get onData(): ((chunk: Uint8Array) => void) | undefined {
    return this.#onData;
  }

  set onData(handler: ((chunk: Uint8Array) => void) | undefined) {
    this.#onData = handler;
    if (handler === undefined || this.#early.length === 0) return;
    // Not from within the assignment: the caller is still setting up.
    process.nextTick(() => {
      const early = this.#early;
      this.#early = [];
      for (const chunk of early) this.#onData?.(chunk);
      this.#socket.resume();
    });
  }

  get bufferedBytes(): number {
    return this.#socket.writableLength;
  }

  write(chunks: readonly Uint8Array[]): void {
    if (this.#cause !== undefined || !this.#socket.writable) return;
    const first = chunks[0];
    if (first === undefined) return;
    if (chunks.length === 1) {
      this.#socket.write(first, this.#written);
      return;
    }
    let totalBytes = 0;
    for (const chunk of chunks) totalBytes += chunk.length;
    if (totalBytes <= copyUpToBytes) {
      this.#socket.write(Buffer.concat(chunks, totalBytes), this.#written);
      return;
    }
    this.#socket.cork();
    for (let at = 0; at < chunks.length; at++) {
      const chunk = chunks[at] as Uint8Array;
      if (at === chunks.length - 1) this.#socket.write(chunk, this.#written);
      else this.#socket.write(chunk);
    }
    this.#socket.uncork();
  }

  end(): void {
    if (this.#cause !== undefined) return;
    this.#cause = 'local';
    // Closing with unread data would reset the connection, and could take our last bytes with it: so, once all is
    // flushed, read on until the peer has closed too, for a while.
    this.#socket.once('finish', () => {
      const linger = setTimeout(() => this.#socket.destroy(), lingerMs);
      linger.unref();
      this.#socket.once('close', () => clearTimeout(linger));
    });
    this.#socket.end();
  }

  destroy(): void {
    this.#cause ??= 'local';
    this.#socket.destroy();
  }

  readonly #received = (data: Buffer): void => {
    // A plain Uint8Array, since a Buffer's `slice` does not copy. Its memory is its own: Node shrinks what it reads.
    const chunk = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (this.#early.length === 0 && this.#onData !== undefined) {
      this.#onData(chunk);
      return;
    }
    if (this.#cause === 'local') return;
    this.#early.push(chunk);
    this.#socket.pause();
  };

  readonly #written = (error?: Error | null): void => {
    if (!error && this.#socket.writableLength === 0 && this.#cause === undefined) this.onDrained?.();
  };
}
