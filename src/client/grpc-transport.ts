import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  connectivityState,
  type Metadata,
  Metadata as MetadataClass,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { ConclaveError } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import type { MethodDescriptor } from '../wire/index.ts';
import { abortedOnTheWay, nameOfCall, neverSent } from './call-errors.ts';
import { connectionHint } from './connection-hints.ts';
import { deferred } from './deferred.ts';
import { endedStream } from './ended-stream.ts';
import { channelSecurity, parseEndpoint, type TlsOptions } from './grpc-endpoint.ts';
import { Inbox } from './inbox.ts';
import { errorFromStatus } from './status-errors.ts';
import type { StreamOptions, Transport, TransportStream, UnaryOptions } from './transport.ts';

export interface GrpcTransportOptions {
  readonly runtime: Runtime;
  readonly tls?: TlsOptions;
  /** What to say where no connection by TLS could be made: the servers may speak none. */
  readonly tlsHint?: string;
  /** Sent with each call and stream, as they are when it begins. */
  readonly headers?: () => Readonly<Record<string, string>>;
}

const channelOptions: ChannelOptions = {
  // One connection of its own for each transport, so that its break is this transport's break and no other's.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_channelz': 0,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.primary_user_agent': 'conclave',
};

const noMetadata = new MetadataClass();

/** Speaks gRPC over one channel to one endpoint, given as `host:port`, `http://host:port` or `https://host:port`. */
export class GrpcTransport implements Transport {
  readonly endpoint: string;
  readonly #client: Client;
  readonly #runtime: Runtime;
  readonly #headers: (() => Readonly<Record<string, string>>) | undefined;
  readonly #breakListeners = new Set<(cause: ConclaveError) => void>();
  /** How to end each call and stream under way. */
  readonly #active = new Set<(cause: ConclaveError) => void>();
  readonly #secure: boolean;
  readonly #tlsHint: string;
  #established = false;
  #broken: ConclaveError | undefined;

  constructor(endpoint: string, options: GrpcTransportOptions) {
    const { target, secure } = parseEndpoint(endpoint);
    this.endpoint = endpoint;
    this.#runtime = options.runtime;
    this.#headers = options.headers;
    this.#secure = secure;
    this.#tlsHint = (secure && options.tlsHint) || '';
    const security = channelSecurity({ target, secure }, options.tls);
    this.#client = new Client(target, security.credentials, { ...channelOptions, ...security.options });
    this.#watchConnection();
  }

  unary<Req, Res>(method: MethodDescriptor<Req, Res>, request: Req, options: UnaryOptions): Promise<Res> {
    const { signal, timeoutMs } = options;
    if (signal?.aborted) return Promise.reject(ConclaveError.aborted(nameOfCall(method), signal));
    if (this.#broken !== undefined) return Promise.reject(neverSent(this.#broken));
    return new Promise<Res>((resolve, reject) => {
      let ended: ConclaveError | undefined;
      const call = this.#client.makeUnaryRequest(
        method.path,
        (message: Req) => asBuffer(method.encodeRequest(message)),
        (bytes: Buffer) => method.decodeResponse(bytes),
        request,
        this.#metadata(options.token, timeoutMs),
        {},
        (error: ServiceError | null, response?: Res) => {
          timer.cancel();
          this.#active.delete(end);
          signal?.removeEventListener('abort', abort);
          if (error === null && response !== undefined) resolve(response);
          else reject(ended ?? this.#errorFrom(error, nameOfCall(method)));
        },
      );
      const end = (cause: ConclaveError): void => {
        ended = cause;
        call.cancel();
      };
      const abort = (): void => end(abortedOnTheWay(nameOfCall(method), signal));
      // gRPC's own deadlines go by the wall clock, which may jump.
      const timer = this.#runtime.timers.after(timeoutMs, () => end(this.#lateError(nameOfCall(method))));
      this.#active.add(end);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  stream<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    options: StreamOptions = {},
  ): TransportStream<Req, Res> {
    const { signal } = options;
    const early = signal?.aborted
      ? ConclaveError.aborted(nameOfCall(method), signal)
      : this.#broken && neverSent(this.#broken);
    if (early !== undefined) return endedStream(early);
    const call: ClientDuplexStream<Req, Res> = this.#client.makeBidiStreamRequest(
      method.path,
      (message: Req) => asBuffer(method.encodeRequest(message)),
      (bytes: Buffer) => method.decodeResponse(bytes),
      this.#metadata(options.token),
      {},
    );
    const inbox = new Inbox<Res>({
      flow: { pause: () => call.pause(), resume: () => call.resume() },
      onLeave: () => end(undefined),
    });
    const { promise: closed, resolve: settle } = deferred<ConclaveError | undefined>();
    let over = false;
    /** Idempotent; the first cause counts. */
    const finish = (cause: ConclaveError | undefined): void => {
      if (over) return;
      over = true;
      this.#active.delete(end);
      signal?.removeEventListener('abort', abort);
      inbox.end(cause);
      settle(cause);
    };
    const end = (cause: ConclaveError | undefined): void => {
      finish(cause);
      call.cancel();
    };
    const abort = (): void => end(abortedOnTheWay(nameOfCall(method), signal));
    this.#active.add(end);
    signal?.addEventListener('abort', abort, { once: true });
    call.on('data', (message: Res) => inbox.push(message));
    call.on('error', (error: ServiceError) => finish(this.#errorFrom(error, nameOfCall(method))));
    call.on('end', () => finish(undefined));
    return {
      send: (message) => {
        if (!over && !call.writableEnded) call.write(message);
      },
      responses: inbox,
      end: () => {
        if (!over && !call.writableEnded) call.end();
      },
      close: () => end(undefined),
      closed,
    };
  }

  onBreak(listener: (cause: ConclaveError) => void): () => void {
    if (this.#broken === undefined) this.#breakListeners.add(listener);
    else listener(this.#broken);
    return () => this.#breakListeners.delete(listener);
  }

  close(cause?: ConclaveError): void {
    this.#breakWith(
      cause ?? new ConclaveError('closed', `The connection to ${this.endpoint} was closed by this client.`),
    );
  }

  /** `timeoutMs`: how long we wait, for the server to give up as well. */
  #metadata(token: string | undefined, timeoutMs?: number): Metadata {
    if (this.#headers === undefined && token === undefined && timeoutMs === undefined) return noMetadata;
    const metadata = new MetadataClass();
    if (timeoutMs !== undefined) metadata.set('grpc-timeout', timeoutHeader(timeoutMs));
    if (token !== undefined) metadata.set('token', token);
    for (const [name, value] of Object.entries(this.#headers?.() ?? {})) metadata.set(name, value);
    return metadata;
  }

  /** A channel reconnects by itself, with waits of its own; a transport must not, so any loss ends it. */
  #watchConnection(): void {
    const channel = this.#client.getChannel();
    const look = (): void => {
      if (this.#broken !== undefined) return;
      const state = channel.getConnectivityState(false);
      if (state === connectivityState.SHUTDOWN) return;
      if (state === connectivityState.READY) this.#established = true;
      else if (this.#established || state === connectivityState.TRANSIENT_FAILURE) {
        const established = this.#established;
        const what = established ? 'was lost.' : `could not be made. ${this.#tlsHint}`.trimEnd();
        // Calls under way learn first from grpc itself, which knows what never left.
        const cause = new ConclaveError('unavailable', `The connection to ${this.endpoint} ${what}`, {
          retryable: true,
          outcome: established ? 'unknown' : 'not-applied',
        });
        if (established) this.#breakWith(cause);
        else this.#runtime.timers.nextTurn(() => this.#breakWith(cause));
        return;
      }
      channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, look);
    };
    look();
  }

  #breakWith(cause: ConclaveError): void {
    if (this.#broken !== undefined) return;
    this.#broken = cause;
    const inFlight = mayHaveLeft(cause);
    for (const end of [...this.#active]) end(inFlight);
    this.#client.close();
    for (const listener of [...this.#breakListeners]) listener(cause);
    this.#breakListeners.clear();
  }

  #lateError(call: string): ConclaveError {
    const late = { status: status.DEADLINE_EXCEEDED, text: 'no answer in time.', trailer: () => undefined };
    return errorFromStatus(late, `${call} at ${this.endpoint}`);
  }

  #errorFrom(error: ServiceError | null, call: string): ConclaveError {
    if (error === null)
      return new ConclaveError('internal', `${call} was answered with nothing.`, { outcome: 'unknown' });
    const what = `${call} at ${this.endpoint}`;
    if (error.code === status.UNAVAILABLE && this.#broken !== undefined) return mayHaveLeft(this.#broken);
    const received = errorFromStatus(
      { status: error.code, text: error.details, trailer: (name) => trailerOf(error.metadata, name) },
      what,
    );
    if (this.#established || received.code !== 'unavailable') return received;
    const hint = connectionHint(error.details, { secure: this.#secure, tlsHint: this.#tlsHint });
    if (hint === '') return received;
    const { code, message, retryable, outcome, details } = received;
    return new ConclaveError(code, `${message}${hint}`, { retryable, outcome, details });
  }
}

/** At most eight digits, and a unit. */
function timeoutHeader(timeoutMs: number): string {
  const ms = Math.max(1, Math.ceil(timeoutMs));
  return ms < 1e8 ? `${ms}m` : `${Math.min(99_999_999, Math.ceil(ms / 1000))}S`;
}

function trailerOf(metadata: Metadata | undefined, name: string): string | undefined {
  const value = metadata?.get(name)[0];
  return value === undefined ? undefined : value.toString();
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function mayHaveLeft(cause: ConclaveError): ConclaveError {
  if (cause.outcome === 'unknown') return cause;
  return new ConclaveError(cause.code, cause.message, {
    retryable: cause.retryable,
    outcome: 'unknown',
    cause,
  });
}
