import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { Wakeup } from './wakeup.ts';

type Readable = ServerDuplexStream<Uint8Array, Uint8Array>;
type Writable = ServerDuplexStream<Uint8Array, Uint8Array> | ServerWritableStream<Uint8Array, Uint8Array>;

/** Requests decoded and not yet taken by the handler, above which the transport stops reading. */
const waitingRequests = 64;

/**
 * The requests of a stream, for one reader. Ends with the caller's half; a message that does not decode is thrown
 * in its turn. Unlike node's own iterator it leaves the call alone when the reader stops.
 */
export class RequestStream<Req> implements AsyncIterable<Req> {
  readonly #call: Readable;
  readonly #waiting: Uint8Array[] = [];
  readonly #decode: (bytes: Uint8Array) => unknown;
  readonly #wakeup = new Wakeup();
  #over = false;

  constructor(call: Readable, decode: (bytes: Uint8Array) => unknown) {
    this.#call = call;
    this.#decode = decode;
    call.on('data', (bytes: Uint8Array) => {
      this.#waiting.push(bytes);
      if (this.#waiting.length >= waitingRequests) call.pause();
      this.#wakeup.notify();
    });
    call.on('end', () => this.end());
    call.on('close', () => this.end());
  }

  /** No more requests will be given, also not those that wait. Idempotent. */
  end(): void {
    this.#over = true;
    this.#wakeup.notify();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Req> {
    for (;;) {
      const bytes = this.#waiting.shift();
      if (bytes !== undefined) {
        if (this.#call.isPaused()) this.#call.resume();
        yield this.#decode(bytes) as Req;
      } else if (this.#over) {
        return;
      } else {
        await this.#wakeup.wait();
      }
    }
  }
}

/** Resolves when the stream takes more, or is over. */
export function drained(call: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      call.off('cancelled', done);
      call.off('close', done);
      resolve();
    };
    if (call.cancelled || call.destroyed) resolve();
    else call.on('drain', done).on('cancelled', done).on('close', done);
  });
}
