import type { Duplex } from 'node:stream';
import {
  type ConnectionInjector,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  type StatusObject,
} from '@grpc/grpc-js';
import type { Clock, Timers } from '../runtime/types.ts';
import { statusOfCall } from './failed-call.ts';
import { GrpcCallContext } from './grpc-call.ts';
import { drained, RequestStream } from './grpc-streams.ts';
import { failure, type StatusError, trailerNames } from './status.ts';
import type { CallConnection, Logger, Registry, ServedMethod } from './types.ts';
import { Wakeup } from './wakeup.ts';

type Bytes = Uint8Array;
type Stream = ServerDuplexStream<Bytes, Bytes> | ServerWritableStream<Bytes, Bytes>;

const asBuffer = (bytes: Bytes): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const asBytes = (buffer: Buffer): Bytes => buffer;

const serverOptions = {
  // The registry answers in etcd's words above its own limit; this one only bounds memory.
  'grpc.max_receive_message_length': 8 * 1024 * 1024,
  'grpc.max_send_message_length': -1,
  'grpc.enable_channelz': 0,
  'grpc-node.flow_control_window': 1024 * 1024,
};

/** Serves a registry over gRPC on sockets that somebody else accepts. */
export class GrpcServer {
  readonly #server = new Server(serverOptions);
  readonly #injector: ConnectionInjector;
  readonly #connections = new Map<string, CallConnection>();
  readonly #streams = new Set<GrpcCallContext>();
  readonly #sockets = new Set<Duplex>();
  readonly #socketClosed = new Wakeup();
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #logger: Logger;

  constructor(registry: Registry, options: { clock: Clock; timers: Timers; logger: Logger }) {
    this.#clock = options.clock;
    this.#timers = options.timers;
    this.#logger = options.logger;
    for (const method of registry.values()) this.#register(method);
    this.#injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Takes over the socket: HTTP/2 with prior knowledge. */
  accept(socket: Duplex, connection: CallConnection): void {
    this.#connections.set(connection.remote, connection);
    this.#sockets.add(socket);
    // HTTP/2 hears errors too; this one keeps a socket that fails before that from ending the process.
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#socketClosed.notify();
      if (this.#connections.get(connection.remote) === connection) {
        this.#connections.delete(connection.remote);
      }
    });
    this.#injector.injectConnection(socket);
  }

  /** Ends streams with 'server stopped', lets unary calls finish for up to `graceMs`, then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    for (const context of this.#streams) context.abort(failure('stopped'));
    // Its callback comes at once on a Node that closes the sessions of a closing server itself: the sockets tell.
    this.#server.tryShutdown(() => {});
    await this.#socketsClosed(graceMs);
    this.#server.forceShutdown();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #socketsClosed(withinMs: number): Promise<void> {
    let late = false;
    const timer = this.#timers.after(withinMs, () => {
      late = true;
      this.#socketClosed.notify();
    });
    while (this.#sockets.size > 0 && !late) await this.#socketClosed.wait();
    timer.cancel();
  }

  #register(method: ServedMethod): void {
    const { path } = method.descriptor;
    if (method.shape === 'unary') {
      this.#server.register(path, this.#unary(method), asBuffer, asBytes, 'unary');
    } else if (method.shape === 'duplex') {
      const handler: handleBidiStreamingCall<Bytes, Bytes> = (call) => {
        const requests = new RequestStream(call, method.decode);
        const context = this.#context(call);
        const answer = (): AsyncIterable<unknown> => method.handler(requests, context);
        void this.#stream(call, context, method, answer).finally(() => requests.end());
      };
      this.#server.register(path, handler, asBuffer, asBytes, 'bidi');
    } else {
      const handler: handleServerStreamingCall<Bytes, Bytes> = (call) => {
        const context = this.#context(call);
        const answer = (): AsyncIterable<unknown> => method.handler(method.decode(call.request), context);
        void this.#stream(call, context, method, answer);
      };
      this.#server.register(path, handler, asBuffer, asBytes, 'serverStream');
    }
  }

  #unary(method: Extract<ServedMethod, { shape: 'unary' }>): handleUnaryCall<Bytes, Bytes> {
    const { decode, encode, handler, calls } = method;
    return (call, callback) => {
      const fail = (error: unknown): void => callback(this.#status(method, error));
      calls.started += 1;
      let answer: Promise<unknown>;
      try {
        answer = handler(decode(call.request), this.#context(call));
      } catch (error) {
        fail(error);
        return;
      }
      answer
        .then((response) => {
          callback(null, encode(response));
          calls.handled(0);
        })
        .catch(fail);
    };
  }

  /** Writes what the handler gives, one response at a time, as fast as the caller takes them. Never rejects. */
  async #stream(
    call: Stream,
    context: GrpcCallContext,
    method: ServedMethod,
    answer: () => AsyncIterable<unknown>,
  ): Promise<void> {
    this.#streams.add(context);
    method.calls.started += 1;
    const { signal } = context;
    try {
      for await (const response of answer()) {
        if (signal.aborted) break;
        if (!call.write(method.encode(response))) await drained(call);
      }
      if (signal.aborted) throw signal.reason;
      call.end();
      method.calls.handled(0);
    } catch (error) {
      const status = this.#status(method, error);
      // Its listener in grpc-js sends this as the status and ends the call.
      if (!call.cancelled) call.emit('error', status);
    } finally {
      this.#streams.delete(context);
    }
  }

  #context(call: Stream | Parameters<handleUnaryCall<Bytes, Bytes>>[0]): GrpcCallContext {
    return new GrpcCallContext(call, this.#connections.get(call.getPeer()), this.#clock);
  }

  #status(method: ServedMethod, error: unknown): Partial<StatusObject> & Error {
    const status = statusOfCall(error, method, this.#logger);
    method.calls.handled(status.code);
    return grpcStatus(status);
  }
}

function grpcStatus(status: StatusError): Partial<StatusObject> & Error {
  const metadata = new Metadata();
  metadata.set(trailerNames.code, status.conclave.code);
  metadata.set(trailerNames.outcome, status.conclave.outcome);
  metadata.set(trailerNames.retryable, String(status.conclave.retryable));
  return Object.assign(new Error(status.message), { code: status.code, details: status.message, metadata });
}
