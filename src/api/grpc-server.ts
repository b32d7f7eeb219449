import type { Duplex } from 'node:stream';
import type { Clock, Timers } from '../runtime/types.ts';
import { statusOfCall } from './failed-call.ts';
import {
  type Http2Limits,
  Http2Server,
  type HttpExchange,
  type RpcContext,
  type RpcMethod,
  type RpcStatus,
} from './http2/index.ts';
import { tooLargeToReceive } from './registry.ts';
import { failure, trailerNames } from './status.ts';
import type { CallConnection, CallContext, Logger, Registry, ServedMethod } from './types.ts';
import type { CheckedLimits } from './validate.ts';

type Context = RpcContext<CallConnection>;
export type GrpcMethods = ReadonlyMap<string, RpcMethod<CallConnection>>;

const causes = {
  cancelled: () => failure('cancelled'),
  deadlineExceeded: () => failure('deadlineExceeded'),
  stopped: () => failure('stopped'),
};

export interface GrpcServerOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly limits: CheckedLimits;
  /** Serves requests over HTTP/2 that are no calls. */
  readonly onHttp?: (exchange: HttpExchange, connection: CallConnection) => Promise<void>;
  /** Bounds of one connection. */
  readonly http2?: Partial<Http2Limits>;
}

/** Every method as gRPC serves it. */
export function grpcMethods(registry: Registry): GrpcMethods {
  return new Map([...registry].map(([path, method]) => [path, served(method)]));
}

/** Serves methods over gRPC on sockets that somebody else accepts. */
export class GrpcServer {
  readonly #server: Http2Server<CallConnection>;
  readonly #logger: Logger;

  constructor(methods: GrpcMethods, options: GrpcServerOptions) {
    const { limits } = options;
    this.#logger = options.logger;
    this.#server = new Http2Server(methods, {
      ...{ clock: options.clock, timers: options.timers, maxMessageBytes: limits.receivedBytes },
      limits: options.http2 ?? {},
      ...(options.onHttp && { onHttp: options.onHttp }),
      causes: { ...causes, tooLarge: (bytes) => tooLargeToReceive(bytes, limits) },
      failed: (path, error) => this.#status(path, error),
      refused: ({ remote }, error) => {
        this.#logger.warn({ remote, reason: error.message }, 'A connection was ended: it broke HTTP/2.');
      },
    });
  }

  get connectionCount(): number {
    return this.#server.connectionCount;
  }

  /** Takes over the socket: HTTP/2 with prior knowledge. */
  accept(socket: Duplex, connection: CallConnection): void {
    this.#server.accept(socket, connection);
  }

  /** Ends streams with 'server stopped', lets unary calls finish for up to `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void> {
    return this.#server.close(graceMs);
  }

  #status(path: string, error: unknown): RpcStatus {
    const { code, message, conclave } = statusOfCall(error, path, this.#logger);
    const metadata = [
      [trailerNames.code, conclave.code],
      [trailerNames.outcome, conclave.outcome],
      [trailerNames.retryable, String(conclave.retryable)],
    ] as const;
    return { code, message, metadata };
  }
}

/** What a handler sees of a call, which is made of what gRPC knows of it. */
class GrpcContext implements CallContext {
  readonly connection: CallConnection;
  readonly #call: Context;

  constructor(call: Context) {
    this.#call = call;
    this.connection = call.connection;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  get deadlineMs(): number | undefined {
    return this.#call.deadlineMs;
  }

  /** Where etcd's clients put it, and where its gateway does. */
  get token(): string | undefined {
    return this.#call.header('token') ?? this.#call.header('authorization');
  }

  get requiresLeader(): boolean {
    return this.#call.header('hasleader') === 'true';
  }
}

function served(method: ServedMethod): RpcMethod<CallConnection> {
  const { decode, encode, calls } = method;
  if (method.shape === 'unary') {
    const { handler } = method;
    const call = (request: unknown, context: Context) => handler(request, new GrpcContext(context));
    return { shape: 'unary', decode, encode, calls, handler: call };
  }
  if (method.shape === 'duplex') {
    const { handler } = method;
    const call = (requests: AsyncIterable<unknown>, context: Context) =>
      handler(requests, new GrpcContext(context));
    return { shape: 'duplex', decode, encode, calls, handler: call };
  }
  const { handler } = method;
  const call = (request: unknown, context: Context) => handler(request, new GrpcContext(context));
  return { shape: 'server-stream', decode, encode, calls, handler: call };
}
