import type { ConclaveError } from '../errors/index.ts';
import type { MethodDescriptor } from '../wire/index.ts';

/**
 * One connection to one endpoint. It does not fail over and does not retry: when it breaks, everything on it fails
 * with a ConclaveError, and its owner makes another.
 */
export interface Transport {
  readonly endpoint: string;

  /**
   * @throws ConclaveError as the server meant it; 'unavailable' when the connection broke (outcome 'not-applied'
   * when the request certainly did not leave), 'timeout' (outcome 'unknown'), 'aborted' (outcome 'unknown').
   */
  unary<Req, Res>(method: MethodDescriptor<Req, Res>, request: Req, options: UnaryOptions): Promise<Res>;

  stream<Req, Res>(method: MethodDescriptor<Req, Res>, options?: StreamOptions): TransportStream<Req, Res>;

  /**
   * Called once, as soon as the connection is lost, could not be made, or `close` was called; at once where that is
   * past. Returns how to unsubscribe.
   */
  onBreak(listener: (cause: ConclaveError) => void): () => void;

  /** Ends all calls and streams with 'unavailable' (or `cause`). Idempotent. */
  close(cause?: ConclaveError): void;
}

export interface StreamOptions {
  readonly signal?: AbortSignal;
  /** Says who calls. Secret. */
  readonly token?: string;
}

export interface UnaryOptions extends StreamOptions {
  readonly timeoutMs: number;
}

export interface TransportStream<Req, Res> {
  /** Queues a message; without effect once the stream has ended. */
  send(message: Req): void;
  /** For one reader. Ends when the stream ends well, throws its ConclaveError otherwise. */
  readonly responses: AsyncIterable<Res>;
  /** No more will be sent; answers still come. */
  end(): void;
  /** Drops the stream at once. */
  close(): void;
  /** Resolves, never rejects, when the stream is over: undefined when it ended well. */
  readonly closed: Promise<ConclaveError | undefined>;
}

/** Makes a transport; it may connect lazily. @throws ConclaveError 'invalid-argument' for a malformed endpoint. */
export type TransportFactory = (endpoint: string) => Transport;
