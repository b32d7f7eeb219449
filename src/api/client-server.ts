import type { Duplex } from 'node:stream';
import type { SocketInfo } from '../runtime/sockets.ts';
import type { Clock, Timers } from '../runtime/types.ts';
import { ClientPort } from './client-port.ts';
import { type GrpcMethods, GrpcServer } from './grpc-server.ts';
import { HttpServer } from './http/http-server.ts';
import { serveOverHttp1 } from './http/http2-bridge.ts';
import type { Pages } from './http/pages.ts';
import type { Http2Limits } from './http2/index.ts';
import type { Logger, Registry } from './types.ts';
import type { CheckedLimits } from './validate.ts';

/** By ALPN. Proxies that carry gRPC offer both; what is no gRPC is served over either. */
export const clientProtocols = ['h2', 'http/1.1'];

export interface ClientServerOptions {
  readonly methods: GrpcMethods;
  /** The same methods, for the JSON gateway. */
  readonly registry: Registry;
  readonly pages: Pages;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly limits: CheckedLimits;
  readonly http2: Partial<Http2Limits>;
  readonly corsOrigins: readonly string[];
}

/** Open connections, by protocol. */
export interface ConnectionCounts {
  readonly grpc: number;
  readonly http: number;
}

/** Who speaks with the clients whose sockets it is given: gRPC, and HTTP/1.1 with the JSON gateway, on one port. */
export class ClientServer {
  readonly #grpc: GrpcServer;
  readonly #http: HttpServer;
  readonly #port: ClientPort;

  constructor(options: ClientServerOptions) {
    const { clock, timers, logger, limits, registry, pages, corsOrigins } = options;
    this.#grpc = new GrpcServer(options.methods, {
      ...{ clock, timers, logger, limits, http2: options.http2 },
      onHttp: (exchange, connection) => serveOverHttp1(this.#http, exchange, connection, timers),
    });
    this.#http = new HttpServer({ registry, pages, timers, logger, limits, corsOrigins });
    this.#port = new ClientPort({ grpc: this.#grpc, http: this.#http, timers });
  }

  get connections(): ConnectionCounts {
    return { grpc: this.#grpc.connectionCount, http: this.#http.connectionCount };
  }

  /** `connection` is what handlers are told of it. */
  accept(socket: Duplex, connection: SocketInfo): void {
    this.#port.accept(socket, connection);
  }

  /** Ends streams with 'server stopped', lets other calls finish for up to `graceMs`, then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.#port.close();
    await Promise.all([this.#grpc.close(graceMs), this.#http.close(graceMs)]);
  }
}
