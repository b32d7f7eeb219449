import type { MemberHandle } from '../member/types.ts';
import { nodeRuntime } from '../runtime/index.ts';
import { listenSockets } from '../runtime/sockets.ts';
import type { Address, Listener, Runtime } from '../runtime/types.ts';
import { Api } from './api.ts';
import { type ClientCarrier, type ClientServing, OwnFrontEnd } from './client-carrier.ts';
import { FrontEndThreads } from './front-ends/index.ts';
import { holdersMoved } from './holders.ts';
import { HttpServer } from './http/http-server.ts';
import { memberPages } from './http/pages.ts';
import type { Http2Limits } from './http2/index.ts';
import { Metrics } from './metrics/metrics.ts';
import { refusalLog } from './refusal-log.ts';
import type { ServeOptions } from './serve.ts';
import { silentLogger } from './types.ts';

const maxConnections = 10_000;
const maxMetricsConnections = 100;

/** All that carries one member's API: the services, who speaks which protocol, and the metrics of it all. */
export class FrontEnd {
  readonly #member: MemberHandle;
  readonly #options: ServeOptions;
  readonly #runtime: Runtime;
  readonly #api: Api;
  readonly #clients: ClientCarrier;
  readonly #metricsHttp: HttpServer;
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
    this.#logRefusal = refusalLog(logger, clock);
    const health = { successes: 0, failures: 0 };
    const pages = memberPages({ member, health, metrics: () => this.#metrics.text() });
    const serving: ClientServing = {
      ...{ registry, pages, clock, timers, logger, limits, tls: options.tls },
      ...{ http2: http2Limits(options), corsOrigins: options.corsOrigins ?? [] },
      maxConnections: options.maxConnections ?? maxConnections,
      onRefused: (remote, reason) => this.#refuse(remote, reason),
    };
    const threads = options.frontEnds ?? 0;
    this.#clients = threads > 0 ? new FrontEndThreads(threads, serving) : new OwnFrontEnd(serving);
    this.#metricsHttp = new HttpServer({ registry: new Map(), pages, timers, logger, limits });
    this.#metrics = new Metrics({
      ...{ member, registry, holderStreams: () => holders.streams, health: () => health },
      look: () => this.#clients.look(),
      certificates: options.certificates ?? (() => []),
      frontEnds: () => this.#clients.frontEnds,
      connections: () => {
        const { grpc, http, refused } = this.#clients.connections;
        return { grpc, http, refused: this.#refused + refused };
      },
    });
  }

  listen(address: Address): Promise<Listener> {
    return this.#clients.listen(address);
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
    const graceMs = this.#options.closeGraceMs ?? 1000;
    await Promise.all([this.#clients.close(graceMs), this.#metricsHttp.close(graceMs)]);
    this.#metrics[Symbol.dispose]();
    await this.#api[Symbol.asyncDispose]();
  }

  #refuse(remote: string, reason: string): void {
    this.#refused += 1;
    this.#logRefusal(remote, reason);
  }
}

function http2Limits(options: ServeOptions): Partial<Http2Limits> {
  const { maxConcurrentStreams, maxResetsPerSecond, maxIncompleteBytes, maxUnreadBytes } = options;
  const { keepAliveIntervalMs, keepAliveTimeoutMs, keepAliveMinTimeMs } = options;
  return {
    ...(maxConcurrentStreams !== undefined && { maxConcurrentStreams }),
    ...(maxResetsPerSecond !== undefined && {
      resets: { burst: 10 * maxResetsPerSecond, perSecond: maxResetsPerSecond },
    }),
    ...(maxIncompleteBytes !== undefined && { maxPartialBytesOfAll: maxIncompleteBytes }),
    ...(maxUnreadBytes !== undefined && { maxAnswerBytes: maxUnreadBytes }),
    ...(keepAliveIntervalMs !== undefined && { keepAliveIntervalMs }),
    ...(keepAliveTimeoutMs !== undefined && { keepAliveTimeoutMs }),
    ...(keepAliveMinTimeMs !== undefined && { keepAliveMinTimeMs }),
  };
}
