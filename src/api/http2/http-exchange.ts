import { joined } from './frame-reader.ts';
import type { HeaderField } from './hpack/decoder.ts';
import type { RequestHead } from './request-head.ts';
import type { Http2Stream, StreamReceiver } from './stream.ts';

const smallPieceBytes = 1024;

/** A request that is no call, and its answer: for whoever serves plain HTTP beside gRPC. */
export class HttpExchange implements StreamReceiver {
  readonly head: RequestHead;
  /** Called when the other side gave up or its connection went. */
  onAborted: () => void = () => {};
  readonly #stream: Http2Stream;
  readonly #waiting: Uint8Array[] = [];
  #received = false;
  #over = false;
  #wakeReader: () => void = () => {};
  #wakeWriter: () => void = () => {};

  constructor(stream: Http2Stream, head: RequestHead) {
    this.#stream = stream;
    this.head = head;
  }

  /** The answer's status and headers, once, before its content. */
  respond(status: number, fields: readonly HeaderField[]): void {
    this.#stream.sendHeaders([[':status', String(status)], ...fields]);
  }

  /** Resolves when more of the answer can be taken, or when nobody wants it any more. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#over || this.#stream.send(bytes)) return;
    await new Promise<void>((resolve) => {
      this.#wakeWriter = resolve;
    });
  }

  end(): void {
    this.#over = true;
    this.#stream.sendTrailers([]);
  }

  /** Instead of an answer, or of the rest of one. */
  reset(code: number): void {
    this.#over = true;
    this.#stream.reset(code);
  }

  /** The request's content, for one reader. Ends early when the other side gives up. */
  async *content(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const bytes = this.#waiting.shift();
      if (bytes !== undefined) {
        this.#stream.consumed(bytes.length);
        yield bytes;
      } else if (this.#received || this.#over) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wakeReader = resolve;
        });
      }
    }
  }

  data(bytes: Uint8Array, from: number, to: number, end: boolean): void {
    if (to > from) this.#keep(bytes.subarray(from, to));
    this.#received ||= end;
    this.#wakeReader();
  }

  /** Small pieces are put together: each by itself would cost many times its size. */
  #keep(piece: Uint8Array): void {
    const last = this.#waiting.at(-1);
    if (last === undefined || last.length + piece.length > smallPieceBytes) this.#waiting.push(piece);
    else this.#waiting[this.#waiting.length - 1] = joined(last, piece);
  }

  aborted(): void {
    this.#over = true;
    this.#wakeReader();
    this.#wakeWriter();
    this.onAborted();
  }

  drained(): void {
    this.#wakeWriter();
  }
}
