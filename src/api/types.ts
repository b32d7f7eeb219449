import type { CloseCause } from '../runtime/types.ts';
import type { AnyMethod, MethodDescriptor } from '../wire/index.ts';
import type { CallCounts } from './call-counts.ts';

/** What a handler knows of the call that it answers. Nothing here tells which transport carried it. */
export interface CallContext {
  /**
   * Aborts when nobody waits for the answer any more. `signal.reason` is a StatusError: 'cancelled' when the caller
   * gave up or its connection went, 'deadline exceeded' when its time ran out, 'server stopped' when we close.
   */
  readonly signal: AbortSignal;
  readonly connection: CallConnection;
  /** Ms that the caller gave when it called; undefined: no bound. */
  readonly deadlineMs: number | undefined;
  /** What Authenticate gave the caller, as it sent it with the call; not checked. undefined: it sent none. */
  readonly token: string | undefined;
  /** The caller wants no answer from a member that knows no Raft leader. Left out: it does not mind. */
  readonly requiresLeader?: boolean;
}

/** The connection that a call came on. Several calls share one. */
export interface CallConnection {
  readonly remote: string;
  /** Resolves when the connection is over. Never rejects. */
  readonly ended: Promise<CloseCause>;
  /** The same without waiting: set before any call on the connection is aborted. undefined: it stands. */
  readonly endedBy: CloseCause | undefined;
  /** Of the certificate that the caller proved to have, signed by our authority. undefined: it showed none. */
  readonly commonName: string | undefined;
}

export type UnaryHandler<Req, Res> = (request: Req, context: CallContext) => Promise<Res>;
/** The answers of a stream, made as they are taken. */
export interface Answers<Res> extends AsyncIterable<Res> {
  /** To be called between two steps of the iteration: what the next one would give at once, without a promise. */
  takeReady?(): Res | undefined;
}
export type ServerStreamHandler<Req, Res> = (request: Req, context: CallContext) => Answers<Res>;
/** Must keep its promises after the requests have ended: a caller may close its half and go on listening. */
export type DuplexHandler<Req, Res> = (requests: AsyncIterable<Req>, context: CallContext) => Answers<Res>;

/** The handler that fits a method's shape. */
export type HandlerOf<M> =
  M extends MethodDescriptor<infer Req, infer Res, infer RequestStream, infer ResponseStream>
    ? ResponseStream extends true
      ? RequestStream extends true
        ? DuplexHandler<Req, Res>
        : ServerStreamHandler<Req, Res>
      : UnaryHandler<Req, Res>
    : never;

interface Served {
  readonly descriptor: AnyMethod;
  readonly calls: CallCounts;
  /** Decodes within the limits of the API. @throws StatusError */
  decode(bytes: Uint8Array): unknown;
  encode(response: unknown): Uint8Array;
}

/** One method, ready for any transport to serve. */
export type ServedMethod = Served &
  (
    | { readonly shape: 'unary'; readonly handler: UnaryHandler<unknown, unknown> }
    | { readonly shape: 'server-stream'; readonly handler: ServerStreamHandler<unknown, unknown> }
    | { readonly shape: 'duplex'; readonly handler: DuplexHandler<unknown, unknown> }
  );

/** Of any shape. */
export type AnyHandler = (request: unknown, context: CallContext) => unknown;

/** Every method by its path, `/package.Service/Method`. */
export type Registry = ReadonlyMap<string, ServedMethod>;

export { type Logger, silentLogger } from '../member/logger.ts';
