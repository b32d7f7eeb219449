import type { MemberHandle } from '../member/types.ts';
import { nodeRuntime } from '../runtime/index.ts';
import { listenSockets } from '../runtime/sockets.ts';
import type { TlsIdentity } from '../runtime/tls.ts';
import type { Address, Listener } from '../runtime/types.ts';
import { Api, type ApiOptions } from './api.ts';
import { ClientPort } from './client-port.ts';
import { GrpcServer } from './grpc-server.ts';
import { holdersMoved } from './holders.ts';
import { HttpServer } from './http/http-server.ts';
import { refusalLog } from './refusal-log.ts';
import { silentLogger } from './types.ts';

/** By ALPN. gRPC's clients offer no HTTP/1.1, and all that do get the JSON gateway and pages by it. */
const clientProtocols = ['http/1.1', 'h2'];

export interface ServeOptions extends ApiOptions {
  /** For addresses that are `secure`. */
  readonly tls?: TlsIdentity;
  /** Where clients connect. Port 0 takes a free one. Several addresses serve the same member. */
  readonly listen: Address | readonly Address[];
  /** Origins of web pages that may call the JSON gateway; '*' for all. Default: none. */
  readonly corsOrigins?: readonly string[];
  /** Ms that calls under way get to finish when the server closes. Default 1000. */
  readonly closeGraceMs?: number;
}

export interface ApiServer extends AsyncDisposable {
  /** As bound, in the order of `listen`. */
  readonly addresses: readonly Address[];
  /** The first of `addresses`. */
  readonly address: Address;
  /**
   * Stops listening, ends streams with 'server stopped', lets other calls finish for `closeGraceMs`. Idempotent.
   * For a graceful stop: `member.prepareToStop()`, so that bound holders are told to move; then this; then
   * `member.stop()`.
   */
  close(): Promise<void>;
}

/**
 * Serves a member's API over gRPC and, on the same port, over HTTP/1.1 with etcd's JSON gateway.
 *
 * @throws ConclaveError 'address-in-use', 'invalid-argument'; nothing is left listening then.
 */
export async function serveApi(member: MemberHandle, options: ServeOptions): Promise<ApiServer> {
  const runtime = options.runtime ?? nodeRuntime();
  const logger = options.logger ?? silentLogger;
  const api = new Api(member, options);
  const { clock, timers } = runtime;
  const grpc = new GrpcServer(api.registry, { clock, timers, logger, limits: api.limits });
  const http = new HttpServer({
    ...options,
    ...{ member, registry: api.registry, limits: api.limits, timers, logger },
  });
  const port = new ClientPort({ grpc, http, timers });
  const wanted: readonly Address[] = 'host' in options.listen ? [options.listen] : options.listen;
  const listeners: Listener[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.close()));
    await holdersMoved(member, api.holders, runtime);
    port.close();
    const graceMs = options.closeGraceMs ?? 1000;
    await Promise.all([grpc.close(graceMs), http.close(graceMs)]);
    await api[Symbol.asyncDispose]();
  };
  try {
    for (const address of wanted) {
      listeners.push(
        await listenSockets(address, (socket, info) => port.accept(socket, info), {
          tls: options.tls,
          protocols: clientProtocols,
          onRefused: refusalLog(logger, clock),
        }),
      );
    }
  } catch (error) {
    await close();
    throw error;
  }
  return new RunningServer(listeners, close);
}

class RunningServer implements ApiServer {
  readonly addresses: readonly Address[];
  readonly #close: () => Promise<void>;
  #closing: Promise<void> | undefined;

  constructor(listeners: readonly Listener[], close: () => Promise<void>) {
    this.addresses = listeners.map((listener) => listener.address);
    this.#close = close;
  }

  get address(): Address {
    const first = this.addresses[0];
    if (first === undefined) throw new RangeError('the server listens nowhere');
    return first;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
