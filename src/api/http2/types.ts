/** What this front end serves and tells. It knows methods, messages and statuses, and nothing of what they mean. */

export interface RpcContext<Connection> {
  /** Aborts when nobody waits for the answer any more; the reason is one of `RpcCauses`. */
  readonly signal: AbortSignal;
  /** Called when `signal` would abort, with its reason: for who needs no signal but this, at less cost. */
  onAborted: ((cause: Error) => void) | undefined;
  readonly connection: Connection;
  /** Ms that are left of what the caller gave; undefined: no bound. */
  readonly deadlineMs: number | undefined;
  /** Metadata of the call by its lower-case name; the first of several. */
  header(name: string): string | undefined;
}

/** The answers of a stream, each when the other side can take it. */
export interface RpcAnswers extends AsyncIterable<unknown> {
  /** One that need not be waited for; undefined: there is none now, iterate on. It costs no promise. */
  takeReady?(): unknown;
}

interface Method {
  decode(bytes: Uint8Array): unknown;
  encode(response: unknown): Uint8Array;
  /** Counts calls as they begin, and by their status as they end. */
  readonly calls?: { started: number; handled(code: number): void };
}

/** One method. What `decode`, `encode` and the handler throw becomes the status of the call. */
export type RpcMethod<Connection> = Method &
  (
    | {
        readonly shape: 'unary';
        readonly handler: (request: unknown, context: RpcContext<Connection>) => Promise<unknown>;
      }
    | {
        readonly shape: 'server-stream';
        readonly handler: (request: unknown, context: RpcContext<Connection>) => RpcAnswers;
      }
    | {
        readonly shape: 'duplex';
        readonly handler: (requests: AsyncIterable<unknown>, context: RpcContext<Connection>) => RpcAnswers;
      }
  );

export interface RpcStatus {
  readonly code: number;
  readonly message: string;
  /** Further trailers. */
  readonly metadata?: readonly (readonly [name: string, value: string])[];
}

/** Why a call ends without its handler having wanted it. */
export interface RpcCauses {
  /** The caller gave up, or its connection went. */
  cancelled(): Error;
  deadlineExceeded(): Error;
  /** The server closes. */
  stopped(): Error;
  /** A request of `bytes` is larger than `maxMessageBytes`. */
  tooLarge(bytes: number): Error;
}

/** Bounds of what one connection can make the server hold or do. */
export interface Http2Limits {
  /** Calls at one time, those included that were reset and whose handler still runs. Default 10,000. */
  readonly maxConcurrentStreams: number;
  /** Names and values of one request's headers, each field with 32 more. Default 32 KiB. */
  readonly maxHeaderListBytes: number;
  /** The same before decoding, over all its frames. Default 32 KiB. */
  readonly maxHeaderBlockBytes: number;
  /** Frames that one header block may come in. Default 16. */
  readonly maxHeaderFrames: number;
  /** Of requests that are not complete yet. Default 32 MiB. */
  readonly maxPartialBytes: number;
  /** The same of all connections together; where it is more, the one that holds most is ended. Default 256 MiB. */
  readonly maxPartialBytesOfAll: number;
  /**
   * Of requests of more than 16 KiB whose handlers run, on all connections; above, more are refused, but for one of each
   * connection. Default 256 MiB.
   */
  readonly maxRunningBytesOfAll: number;
  /** Of answers that the other side does not read, above which nothing more is read from it. Default 4 MiB. */
  readonly maxUnsentBytes: number;
  /** Of answers that wait to be read, above which those of more than 16 KiB are refused. Default 256 MiB. */
  readonly maxAnswerBytes: number;
  /** Calls that the other side may reset, or make us reset: so many at once, and so many more each second. Default 1000 and 100. */
  readonly resets: { readonly burst: number; readonly perSecond: number };
  /** Frames that carry nothing (pings, settings, priorities, empty data). Default 20,000 and 10,000. */
  readonly idleFrames: { readonly burst: number; readonly perSecond: number };
  /** SETTINGS frames, each of which may concern every open call. Default 200 and 20. */
  readonly settings: { readonly burst: number; readonly perSecond: number };
  /**
   * Between two pings of the other side while nothing is sent to it; without an open call it is 2 hours. At the third
   * one that comes earlier the connection is ended, as gRPC's servers do. 0: any pace. Default 5000, as etcd's.
   */
  readonly keepAliveMinTimeMs: number;
  /** Until the preface and the settings are there. Default 10,000. */
  readonly greetingTimeoutMs: number;
  /** A connection on which nothing came for so long, and up to twice that, is pinged. Default 2 hours. */
  readonly keepAliveIntervalMs: number;
  /** It is cut when nothing came for so long after that. Default 20,000. */
  readonly keepAliveTimeoutMs: number;
}

export const defaultLimits: Http2Limits = {
  maxConcurrentStreams: 10_000,
  maxHeaderListBytes: 32 * 1024,
  maxHeaderBlockBytes: 32 * 1024,
  maxHeaderFrames: 16,
  maxPartialBytes: 32 * 1024 * 1024,
  maxPartialBytesOfAll: 256 * 1024 * 1024,
  maxRunningBytesOfAll: 256 * 1024 * 1024,
  maxUnsentBytes: 4 * 1024 * 1024,
  maxAnswerBytes: 256 * 1024 * 1024,
  resets: { burst: 1000, perSecond: 100 },
  idleFrames: { burst: 20_000, perSecond: 10_000 },
  settings: { burst: 200, perSecond: 20 },
  keepAliveMinTimeMs: 5000,
  greetingTimeoutMs: 10_000,
  keepAliveIntervalMs: 7_200_000,
  keepAliveTimeoutMs: 20_000,
};
