import type { Duplex } from 'node:stream';
import type { Timer, Timers } from '../../runtime/types.ts';

interface Watched {
  readonly ping: () => void;
  readBytes: number;
}

export interface KeepAliveOptions {
  readonly timers: Timers;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** Asks connections on which nothing comes whether they live, with one timer for all of them. */
export class KeepAlive {
  readonly #options: KeepAliveOptions;
  readonly #watched = new Map<Duplex, Watched>();
  #timer: Timer | undefined;

  constructor(options: KeepAliveOptions) {
    this.#options = options;
  }

  /** Until the socket closes. */
  watch(socket: Duplex, ping: () => void): void {
    this.#watched.set(socket, { ping, readBytes: 0 });
    socket.once('close', () => this.#watched.delete(socket));
    this.#sweepLater();
  }

  #sweepLater(): void {
    if (this.#timer !== undefined || this.#watched.size === 0) return;
    const sweep = (): void => {
      this.#timer = undefined;
      for (const [socket, watched] of this.#watched) this.#look(socket, watched);
      this.#sweepLater();
    };
    this.#timer = this.#options.timers.after(this.#options.intervalMs, sweep, { background: true });
  }

  #look(socket: Duplex, watched: Watched): void {
    const readBytes = readBytesOf(socket);
    if (readBytes !== watched.readBytes) {
      watched.readBytes = readBytes;
      return;
    }
    watched.ping();
    const check = (): void => {
      if (readBytesOf(socket) === readBytes) socket.destroy();
    };
    this.#options.timers.after(this.#options.timeoutMs, check, { background: true });
  }
}

/** Sockets count them. */
function readBytesOf(socket: Duplex): number {
  return (socket as Duplex & { readonly bytesRead?: number }).bytesRead ?? 0;
}
