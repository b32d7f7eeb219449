import type { MemberHandle } from '../member/types.ts';
import type { TlsIdentity } from '../runtime/tls.ts';
import type { Address, Listener } from '../runtime/types.ts';
import type { ApiOptions } from './api.ts';
import type { CertificateTime } from './certificate-watch.ts';
import { FrontEnd } from './front-end.ts';

export interface ServeOptions extends ApiOptions {
  /** For addresses that are `secure`. */
  readonly tls?: TlsIdentity;
  /** How long the certificates of this member have left, for metrics. Default: there are none. */
  readonly certificates?: () => readonly CertificateTime[];
  /** Where clients connect. Port 0 takes a free one. Several addresses serve the same member. */
  readonly listen: Address | readonly Address[];
  /** Where metrics and health are served besides, and nothing else. */
  readonly metricsListen?: readonly Address[];
  /**
   * Threads that hold the clients' connections, with TLS and HTTP/2, and hand calls over in batches. Default 0: this
   * thread does. For machines with more cores than the member keeps busy; needs a system that lets threads share a port.
   */
  readonly frontEnds?: number;
  /** Open connections of each address, above which new ones are closed at once. Default 10,000. */
  readonly maxConnections?: number;
  /** Calls at one time on a gRPC connection. Default 10,000. */
  readonly maxConcurrentStreams?: number;
  /** Calls that the client of a gRPC connection may give up each second, after ten times as many. Default 100. */
  readonly maxResetsPerSecond?: number;
  /** Bytes of requests that are not complete, on all gRPC connections together. Default 256 MiB. */
  readonly maxIncompleteBytes?: number;
  /** Bytes of answers that a gRPC connection's client does not read, above which large ones fail. Default 256 MiB. */
  readonly maxUnreadBytes?: number;
  /** A gRPC connection on which nothing came for so long is asked for a sign of life. Default 2 hours, as etcd's. */
  readonly keepAliveIntervalMs?: number;
  /** It has so long to give it. Default 20,000. */
  readonly keepAliveTimeoutMs?: number;
  /** Clients may ping no more often than this while they are sent nothing. 0: at any pace. Default 5000, as etcd's. */
  readonly keepAliveMinTimeMs?: number;
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
  const front = new FrontEnd(member, options);
  const clients: Listener[] = [];
  const others: Listener[] = [];
  const close = async (): Promise<void> => {
    await Promise.all([...clients, ...others].map((listener) => listener.close()));
    await front.close();
  };
  try {
    for (const address of addressesOf(options.listen)) clients.push(await front.listen(address));
    for (const address of options.metricsListen ?? []) others.push(await front.listenForMetrics(address));
  } catch (error) {
    await close();
    throw error;
  }
  return new RunningServer(clients, close);
}

function addressesOf(listen: ServeOptions['listen']): readonly Address[] {
  return 'host' in listen ? [listen] : listen;
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
