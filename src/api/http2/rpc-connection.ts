import type { Duplex } from 'node:stream';
import { Http2Connection } from './connection.ts';
import type { Deadlines } from './deadlines.ts';
import { type ConnectionError, errorCodes } from './frames.ts';
import { HttpExchange } from './http-exchange.ts';
import type { PartialBudget } from './partial-budget.ts';
import type { RequestHead } from './request-head.ts';
import type { RpcServing } from './rpc-call.ts';
import { encodings, isRpc, type RpcHead, rpcHead } from './rpc-head.ts';
import type { RunningBytes } from './running-bytes.ts';
import type { Http2Stream } from './stream.ts';
import { StreamCall } from './stream-call.ts';
import type { Http2Limits, RpcCauses, RpcMethod, RpcStatus } from './types.ts';
import { UnaryCall } from './unary-call.ts';
import { responseHeaders } from './wire-writer.ts';

/** What all connections of a server share. */
export interface RpcShared<Connection> {
  readonly methods: ReadonlyMap<string, RpcMethod<Connection>>;
  readonly causes: RpcCauses;
  readonly limits: Http2Limits;
  readonly maxMessageBytes: number;
  readonly deadlines: Deadlines;
  readonly partials: PartialBudget;
  readonly running: RunningBytes;
  nowMs(): number;
  failed(path: string, error: unknown): RpcStatus;
  /** Serves requests that are no calls; its end is the end of the exchange. undefined: they are refused. */
  readonly onHttp: ((exchange: HttpExchange, connection: Connection) => Promise<void>) | undefined;
}

/** Requests at one time on a connection that are no calls. */
const maxExchanges = 100;

const noPayload = new Uint8Array(8);
const resourceExhausted = 8;

/** The calls of one connection. */
export class RpcConnection<Connection> implements RpcServing<Connection> {
  readonly connection: Connection;
  readonly causes: RpcCauses;
  readonly maxMessageBytes: number;
  readonly deadlines: Deadlines;
  readonly #shared: RpcShared<Connection>;
  readonly #http2: Http2Connection;
  readonly #streams = new Set<StreamCall<Connection>>();
  #running = 0;
  #runningBytes = 0;
  #exchanges = 0;
  #partialBytes = 0;
  #cut = false;

  /** `onRefused`: the other side broke the protocol, or asked too much, and was told so. */
  constructor(
    shared: RpcShared<Connection>,
    socket: Duplex,
    connection: Connection,
    onRefused: (error: ConnectionError) => void,
  ) {
    this.#shared = shared;
    this.connection = connection;
    this.causes = shared.causes;
    this.maxMessageBytes = shared.maxMessageBytes;
    this.deadlines = shared.deadlines;
    this.#http2 = new Http2Connection(socket, {
      limits: shared.limits,
      nowMs: shared.nowMs,
      onRequest: (stream, head, ended) => this.#request(stream, head, ended),
      onTooLarge: (stream) => refuse(stream, resourceExhausted, 'grpc: the headers are too large'),
      onError: onRefused,
    });
  }

  /** It has said that it speaks HTTP/2. */
  get settled(): boolean {
    return this.#http2.settled;
  }

  nowMs(): number {
    return this.#shared.nowMs();
  }

  failed(path: string, error: unknown): RpcStatus {
    return this.#shared.failed(path, error);
  }

  countPartial(bytes: number): boolean {
    this.#partialBytes += bytes;
    if (!this.#cut) this.#shared.partials.count(this, bytes);
    return bytes <= 0 || this.#partialBytes <= this.#shared.limits.maxPartialBytes;
  }

  takeRunning(bytes: number): boolean {
    if (!this.#shared.running.take(bytes, this.#runningBytes)) return false;
    this.#runningBytes += bytes;
    return true;
  }

  giveBackRunning(bytes: number): void {
    this.#runningBytes -= bytes;
    this.#shared.running.giveBack(bytes);
  }

  handlerStarted(): void {
    this.#running += 1;
  }

  handlerEnded(): void {
    this.#running -= 1;
  }

  /** Takes no new calls, and ends streams. Unary calls go on; the connection closes after the last one. */
  stop(): void {
    for (const call of this.#streams) call.stop();
    this.#http2.goAway();
  }

  /** It holds more than any other of what never gets complete. */
  cut(): void {
    this.#cut = true;
    // Not from within the frame that was too much.
    queueMicrotask(() => this.#http2.sendAway('too many incomplete messages'));
  }

  /** Asks for a sign of life. */
  ping(): void {
    this.#http2.ping(noPayload);
  }

  destroy(): void {
    this.#http2.destroy();
  }

  #request(stream: Http2Stream, request: RequestHead, ended: boolean): void {
    request.prepared ??= isRpc(request) ? rpcHead(request, this.#shared.methods) : noRpc;
    if (request.prepared === noRpc) return this.#plain(stream, request, ended);
    const head = request.prepared as RpcHead<Connection>;
    const { problem } = head;
    if (problem !== undefined) return refuse(stream, problem.code, problem.text);
    // Calls that were reset may still be at work: they count, or resetting would be a way around the limit.
    if (this.#running >= this.#shared.limits.maxConcurrentStreams)
      return stream.reset(errorCodes.refusedStream);
    const { method, heldBytes } = head;
    if (method === undefined) return;
    if (heldBytes > 0 && !this.countPartial(heldBytes)) {
      this.countPartial(-heldBytes);
      return refuse(stream, resourceExhausted, 'grpc: too many large headers on this connection');
    }
    if (method.shape === 'unary') stream.receiver = new UnaryCall(this, stream, head, method);
    else this.#open(stream, new StreamCall(this, stream, head, method));
    if (ended) stream.receiver?.data(noContent, 0, 0, true);
  }

  /** A request that is no call. */
  #plain(stream: Http2Stream, request: RequestHead, ended: boolean): void {
    const { onHttp } = this.#shared;
    if (onHttp === undefined) return refuseHttp(stream, request, ended);
    if (this.#exchanges >= maxExchanges) return stream.reset(errorCodes.refusedStream);
    const exchange = new HttpExchange(stream, request);
    stream.receiver = exchange;
    this.#exchanges += 1;
    const over = () => {
      this.#exchanges -= 1;
    };
    onHttp(exchange, this.connection).then(over, () => {
      over();
      exchange.reset(errorCodes.internal);
    });
    if (ended) exchange.data(noContent, 0, 0, true);
  }

  #open(stream: Http2Stream, call: StreamCall<Connection>): void {
    stream.receiver = call;
    this.#streams.add(call);
    call.onOver = () => this.#streams.delete(call);
    call.begin();
  }
}

const refusal = new TextEncoder().encode('Over HTTP/2 this is for gRPC: POST with application/grpc.\n');
const noContent = new Uint8Array(0);
const noRpc = Symbol('not a call');

function refuse(stream: Http2Stream, code: number, message: string): void {
  stream.sendOnlyHeaders([
    ...responseHeaders,
    ['grpc-status', String(code)],
    ['grpc-message', message],
    ['grpc-accept-encoding', encodings],
  ]);
}

/** Not a call: what gRPC asks servers to answer then, once all of it has come. */
function refuseHttp(stream: Http2Stream, request: RequestHead, ended: boolean): void {
  const answer = () => {
    const status = request.method === 'POST' ? '415' : '405';
    stream.sendHeaders([
      [':status', status],
      ['content-type', 'text/plain'],
      ['content-length', String(refusal.length)],
    ]);
    stream.send(refusal);
    stream.sendTrailers([]);
  };
  if (ended) return answer();
  stream.receiver = {
    data(_bytes, from, to, end) {
      if (end) answer();
      else stream.consumed(to - from);
    },
    aborted() {},
    drained() {},
  };
}
