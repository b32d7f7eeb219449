import type { Deadlines } from './deadlines.ts';
import { readUint32 } from './frames.ts';
import type { HeaderField } from './hpack/decoder.ts';
import { type Message, MessageAssembler } from './message-assembler.ts';
import { contentOf, encodings, fieldOf, percentEncoded, type RpcHead } from './rpc-head.ts';
import { type Http2Stream, messageHeadBytes, type StreamReceiver } from './stream.ts';
import type { RpcCauses, RpcContext, RpcMethod, RpcStatus } from './types.ts';
import { okTrailers, responseHeaders } from './wire-writer.ts';

/** gRPC's own codes, for what fails before a handler has been asked. */
const codes = { cancelled: 1, unimplemented: 12, internal: 13, resourceExhausted: 8 } as const;

/** What the calls of one connection share. */
export interface RpcServing<Connection> {
  readonly connection: Connection;
  readonly causes: RpcCauses;
  readonly maxMessageBytes: number;
  readonly deadlines: Deadlines;
  nowMs(): number;
  failed(path: string, error: unknown): RpcStatus;
  /** Counts bytes of requests that are not complete, or wait. False: there are too many. */
  countPartial(bytes: number): boolean;
  /** Counts bytes of a large request that a handler is about to hold. False: there are too many. */
  takeRunning(bytes: number): boolean;
  giveBackRunning(bytes: number): void;
  /** A handler begins to run, or has ended. */
  handlerStarted(): void;
  handlerEnded(): void;
}

/**
 * One call: what all shapes share. It is the context that its handler sees; what few handlers ask for is made when
 * they ask.
 */
export abstract class RpcCall<Connection> implements RpcContext<Connection>, StreamReceiver {
  readonly connection: Connection;
  readonly dueMs: number;
  onAborted: ((cause: Error) => void) | undefined;
  bagPosition = -1;
  protected readonly stream: Http2Stream;
  protected readonly head: RpcHead<Connection>;
  protected readonly serving: RpcServing<Connection>;
  /** The status was sent, or cannot be sent any more. */
  protected over = false;
  #controller: AbortController | undefined;
  #cause: Error | undefined;
  #assembler: MessageAssembler | undefined;
  #countedBytes = 0;
  #headersSent = false;

  constructor(serving: RpcServing<Connection>, stream: Http2Stream, head: RpcHead<Connection>) {
    this.serving = serving;
    this.connection = serving.connection;
    this.stream = stream;
    this.head = head;
    // Counted by the connection, which would not have opened the call otherwise.
    this.#countedBytes = head.heldBytes;
    const calls = head.method?.calls;
    if (calls !== undefined) calls.started += 1;
    if (head.timeoutMs === undefined) {
      this.dueMs = Number.POSITIVE_INFINITY;
    } else {
      this.dueMs = serving.nowMs() + head.timeoutMs;
      serving.deadlines.add(this);
    }
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cause !== undefined) this.#controller.abort(this.#cause);
    }
    return this.#controller.signal;
  }

  get deadlineMs(): number | undefined {
    return this.dueMs === Number.POSITIVE_INFINITY
      ? undefined
      : Math.max(0, this.dueMs - this.serving.nowMs());
  }

  header(name: string): string | undefined {
    return fieldOf(this.head, name);
  }

  /** Content of the request. */
  data(bytes: Uint8Array, from: number, to: number, end: boolean): void {
    if (this.over) return;
    if (this.#assembler === undefined && this.#isMessage(bytes, from, to)) {
      const start = bytes.byteOffset + from + messageHeadBytes;
      // Not `subarray`, which of a Buffer costs several times as much.
      const message = new Uint8Array(bytes.buffer, start, to - from - messageHeadBytes);
      this.received({ compressed: bytes[from] !== 0, bytes: message });
    } else if (to > from) {
      this.#assemble(bytes, from, to);
    }
    if (this.over) return;
    if (end) {
      const isPartial = this.#assembler !== undefined && this.#assembler.partialBytes > 0;
      return isPartial ? this.refuse(codes.internal, 'a message ends in its middle') : this.ended();
    }
    this.countHeld();
    if (!this.over) this.useContent(to - from);
  }

  aborted(): void {
    if (this.over) return;
    this.over = true;
    this.released();
    this.head.method?.calls?.handled(codes.cancelled);
    this.abort(this.serving.causes.cancelled());
  }

  drained(): void {}

  /** Its time is up. */
  expire(): void {
    this.fail(this.serving.causes.deadlineExceeded());
  }

  /** Ends the call with the status of this error, unless it is over, and tells the handler. */
  fail(error: unknown): void {
    if (this.over) return;
    const status = this.serving.failed(this.head.path, error);
    this.finish(status);
    this.abort(error instanceof Error ? error : new Error(status.message));
  }

  /** A status of gRPC's own. */
  protected refuse(code: number, message: string): void {
    this.finish({ code, message });
    this.abort(new Error(message));
  }

  protected abort(cause: Error): void {
    this.#cause ??= cause;
    this.#controller?.abort(this.#cause);
    this.onAborted?.(this.#cause);
    this.interrupted();
  }

  /** The status; undefined: all went well. */
  protected finish(status: RpcStatus | undefined): void {
    if (this.over) return;
    this.over = true;
    this.released();
    this.head.method?.calls?.handled(status?.code ?? 0);
    if (status === undefined) {
      this.sendHead();
      this.stream.sendTrailers(okTrailers);
    } else if (this.#headersSent) {
      this.stream.sendTrailers(trailersOf(status));
    } else {
      this.stream.sendOnlyHeaders([...responseHeaders, ...trailersOf(status)]);
    }
  }

  protected sendHead(): void {
    if (this.#headersSent) return;
    this.#headersSent = true;
    this.stream.sendHeaders(responseHeaders);
  }

  /** Decodes within the limits; ends the call and answers undefined where that cannot be. */
  protected decoded(
    message: Message,
    method: RpcMethod<Connection>,
  ): { readonly request: unknown } | undefined {
    const { maxMessageBytes, causes } = this.serving;
    const content = contentOf(message, this.head.encoding, maxMessageBytes);
    if (content === undefined) {
      const known = encodings.split(',').includes(this.head.encoding);
      const text = known
        ? `a message is not in the encoding ${this.head.encoding}`
        : `grpc: Decompressor is not installed for grpc-encoding "${this.head.encoding}"`;
      const metadata: HeaderField[] = [['grpc-accept-encoding', encodings]];
      this.finish({ code: known ? codes.internal : codes.unimplemented, message: text, metadata });
      return undefined;
    }
    if (content.length > maxMessageBytes) {
      this.fail(causes.tooLarge(content.length));
      return undefined;
    }
    try {
      return { request: method.decode(content) };
    } catch (error) {
      this.fail(error);
      return undefined;
    }
  }

  /** As much more content may come as has been used. */
  protected useContent(bytes: number): void {
    this.stream.consumed(bytes);
  }

  protected abstract received(message: Message): void;
  /** All requests have come. */
  protected abstract ended(): void;
  /** `signal` has been aborted. */
  protected interrupted(): void {}

  /** One whole message and nothing else, which is what most requests are. */
  #isMessage(bytes: Uint8Array, from: number, to: number): boolean {
    const length = to - from - messageHeadBytes;
    return length >= 0 && length <= this.serving.maxMessageBytes && readUint32(bytes, from + 1) === length;
  }

  #assemble(bytes: Uint8Array, from: number, to: number): void {
    this.#assembler ??= new MessageAssembler(this.serving.maxMessageBytes);
    const assembler = this.#assembler;
    assembler.push(bytes, from, to, (message) => {
      if (!this.over) this.received(message);
    });
    if (assembler.tooLarge !== undefined) this.fail(this.serving.causes.tooLarge(assembler.tooLarge));
  }

  /** Bytes of messages that are complete and that no handler has taken. */
  protected abstract get waitingBytes(): number;

  /**
   * What all calls of a connection hold of requests is bounded together: large headers, messages that are not complete, and those that
   * wait, which in a call that takes one is until its caller says that there are no more.
   */
  protected countHeld(): void {
    const heldBytes = this.head.heldBytes + this.waitingBytes + (this.#assembler?.partialBytes ?? 0);
    const more = heldBytes - this.#countedBytes;
    if (more === 0) return;
    this.#countedBytes = heldBytes;
    if (this.serving.countPartial(more)) return;
    this.refuse(codes.resourceExhausted, 'grpc: too many incomplete messages on this connection');
  }

  /** What the call held is free again. */
  protected released(): void {
    if (this.#countedBytes > 0) this.serving.countPartial(-this.#countedBytes);
    this.#countedBytes = 0;
    this.#assembler = undefined;
    if (this.dueMs !== Number.POSITIVE_INFINITY) this.serving.deadlines.remove(this);
  }
}

function trailersOf(status: RpcStatus): HeaderField[] {
  const trailers: HeaderField[] = [['grpc-status', String(status.code)]];
  if (status.message !== '') trailers.push(['grpc-message', percentEncoded(status.message)]);
  for (const field of status.metadata ?? []) trailers.push(field);
  return trailers;
}
