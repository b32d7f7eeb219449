import type { MemberHandle } from '../member/types.ts';
import { nodeRuntime } from '../runtime/index.ts';
import { listenSockets } from '../runtime/sockets.ts';
import type { Address, Listener, Runtime } from '../runtime/types.ts';
import { Api } from './api.ts';
import { ClientPort } from './client-port.ts';
import { GrpcServer } from './grpc-server.ts';
import { holdersMoved } from './holders.ts';
import { HttpServer } from './http/http-server.ts';
import { serveOverHttp1 } from './http/http2-bridge.ts';
import type { Http2Limits } from './http2/index.ts';
import { Metrics } from './metrics/metrics.ts';
import { refusalLog } from './refusal-log.ts';
import type { ServeOptions } from './serve.ts';
import { silentLogger } from './types.ts';

/** By ALPN. Proxies that carry gRPC offer both; what is no gRPC is served over either. */
const clientProtocols = ['h2', 'http/1.1'];

const maxConnections = 10_000;
const maxMetricsConnections = 100;

/** All that carries one member's API: the services, who speaks which protocol, and the metrics of it all. */
export class FrontEnd {
  readonly #member: MemberHandle;
  readonly #options: ServeOptions;
  readonly #runtime: Runtime;
  readonly #api: Api;
  readonly #grpc: GrpcServer;
  readonly #http: HttpServer;
  readonly #metricsHttp: HttpServer;
  readonly #port: ClientPort;
  readonly #metrics: Metrics;
  readonly #logRefusal: (remote: string, reason: string) => void;
  #refused = 0;

  constructor(member: MemberHandle, options: ServeOptions) {
    this.#member = member;
    this.#options = options;
    this.#runtime = options.runtime ?? nodeRuntime();
    const logger = options.logger ?? silentLogger;
    const { clock, timers } = this.#runtime;
    this.#api = new Api(member, options);
    const { registry, holders, limits } = this.#api;
    this.#grpc = new GrpcServer(registry, {
      ...{ clock, timers, logger, limits },
      http2: http2Limits(options),
      onHttp: (exchange, connection) => serveOverHttp1(this.#http, exchange, connection),
    });
    const { corsOrigins } = options;
    const shared = { member, timers, logger, limits, metrics: () => this.#metrics.text() };
    this.#http = new HttpServer({ ...shared, registry, ...(corsOrigins && { corsOrigins }) });
    this.#metricsHttp = new HttpServer({ ...shared, registry: new Map() });
    this.#port = new ClientPort({ grpc: this.#grpc, http: this.#http, timers });
    this.#logRefusal = refusalLog(logger, clock);
    this.#metrics = new Metrics({
      ...{ member, registry, holderStreams: () => holders.streams },
      connections: () => ({
        grpc: this.#grpc.connectionCount,
        http: this.#http.connectionCount,
        refused: this.#refused,
      }),
      health: () => ({
        successes: this.#http.health.successes + this.#metricsHttp.health.successes,
        failures: this.#http.health.failures + this.#metricsHttp.health.failures,
      }),
    });
  }

  listen(address: Address): Promise<Listener> {
    return listenSockets(address, (socket, info) => this.#port.accept(socket, info), {
      maxConnections: this.#options.maxConnections ?? maxConnections,
      tls: this.#options.tls,
      protocols: clientProtocols,
      onRefused: (remote, reason) => this.#refuse(remote, reason),
    });
  }

  listenForMetrics(address: Address): Promise<Listener> {
    return listenSockets(address, (socket, info) => this.#metricsHttp.accept(socket, info), {
      tls: this.#options.tls,
      protocols: ['http/1.1'],
      maxConnections: maxMetricsConnections,
      onRefused: (remote, reason) => this.#refuse(remote, reason),
    });
  }

  /** Ends streams with 'server stopped', and lets other calls finish for a while. Listeners are closed before. */
  async close(): Promise<void> {
    await holdersMoved(this.#member, this.#api.holders, this.#runtime);
    this.#port.close();
    const graceMs = this.#options.closeGraceMs ?? 1000;
    await Promise.all([this.#grpc, this.#http, this.#metricsHttp].map((server) => server.close(graceMs)));
    this.#metrics[Symbol.dispose]();
    await this.#api[Symbol.asyncDispose]();
  }

  #refuse(remote: string, reason: string): void {
    this.#refused += 1;
    this.#logRefusal(remote, reason);
  }
}

function http2Limits(options: ServeOptions): Partial<Http2Limits> {
  const { maxConcurrentStreams, keepAliveIntervalMs, keepAliveTimeoutMs } = options;
  return {
    ...(maxConcurrentStreams !== undefined && { maxConcurrentStreams }),
    ...(keepAliveIntervalMs !== undefined && { keepAliveIntervalMs }),
    ...(keepAliveTimeoutMs !== undefined && { keepAliveTimeoutMs }),
  };
}
