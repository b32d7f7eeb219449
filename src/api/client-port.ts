import type { Duplex } from 'node:stream';
import type { SocketInfo } from '../runtime/sockets.ts';
import type { Timers } from '../runtime/types.ts';
import type { CallConnection } from './types.ts';

interface Acceptor {
  accept(socket: Duplex, connection: CallConnection): void;
}

export interface ClientPortOptions {
  readonly grpc: Acceptor;
  readonly http: Acceptor;
  readonly timers: Timers;
}

/** How HTTP/2 begins with prior knowledge. No method of HTTP/1.1 has this name. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n', 'latin1');
/** A connection that does not say what it is for so long is closed. */
const prefaceWithinMs = 10_000;

/** Gives each connection of the client port to who speaks its protocol: gRPC, or HTTP/1.1. */
export class ClientPort {
  readonly #options: ClientPortOptions;
  readonly #undecided = new Set<Duplex>();

  constructor(options: ClientPortOptions) {
    this.#options = options;
  }

  /** With TLS the handshake has told already; else the first bytes tell. */
  accept(socket: Duplex, info: SocketInfo): void {
    if (info.protocol === undefined) this.#await(socket, info);
    else (info.protocol === 'h2' ? this.#options.grpc : this.#options.http).accept(socket, info);
  }

  /** Cuts what has not said yet what it is. */
  close(): void {
    for (const socket of this.#undecided) socket.destroy();
  }

  #await(socket: Duplex, info: SocketInfo): void {
    let head: Buffer = Buffer.alloc(0);
    const timer = this.#options.timers.after(prefaceWithinMs, () => socket.destroy(), { background: true });
    const settle = (): void => {
      timer.cancel();
      this.#undecided.delete(socket);
      socket.off('readable', look);
      socket.off('close', settle);
    };
    const look = (): void => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const known = Math.min(head.length, preface.length);
      const http2 = head.subarray(0, known).equals(preface.subarray(0, known));
      if (http2 && known < preface.length) return;
      settle();
      socket.unshift(head);
      (http2 ? this.#options.grpc : this.#options.http).accept(socket, info);
    };
    this.#undecided.add(socket);
    socket.on('error', () => {});
    socket.on('readable', look);
    socket.on('close', settle);
  }
}
