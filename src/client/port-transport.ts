import { ConclaveError, type ErrorCode, type ErrorOutcome } from '../errors/index.ts';
import type { Runtime } from '../runtime/types.ts';
import type { MethodDescriptor } from '../wire/index.ts';
import { abortedOnTheWay, nameOfCall, neverSent } from './call-errors.ts';
import { deferred } from './deferred.ts';
import { endedStream } from './ended-stream.ts';
import { Inbox } from './inbox.ts';
import type { Port } from './port.ts';
import type { StreamOptions, Transport, TransportStream, UnaryOptions } from './transport.ts';

/** From the app to the member. A call is opened once, and is over when the member said `close` or we said `cancel`. */
export type PortMessage =
  | {
      readonly kind: 'open';
      readonly call: number;
      readonly path: string;
      /** The first request. */
      readonly body?: Uint8Array;
      /** Nothing more will be sent. */
      readonly ended: boolean;
      readonly timeoutMs?: number;
      /** Says who calls. */
      readonly token?: string;
    }
  | { readonly kind: 'message'; readonly call: number; readonly body: Uint8Array }
  | { readonly kind: 'end' | 'cancel' | 'pause' | 'resume'; readonly call: number };

/** From the member to the app. */
export type PortReply =
  | { readonly kind: 'message'; readonly call: number; readonly body: Uint8Array }
  | { readonly kind: 'close'; readonly call: number; readonly error?: PortError };

/** A ConclaveError as it crosses a port. */
export interface PortError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly outcome: ErrorOutcome;
  readonly retryable: boolean;
}

interface Call {
  onMessage(body: Uint8Array): void;
  onClose(error: ConclaveError | undefined): void;
}

/** Carries calls to a member at the other end of a port. The port is the connection: its end is the break. */
export class PortTransport implements Transport {
  readonly endpoint: string;
  readonly #port: Port<PortMessage, PortReply>;
  readonly #runtime: Runtime;
  readonly #calls = new Map<number, Call>();
  readonly #breakListeners = new Set<(cause: ConclaveError) => void>();
  #nextCall = 1;
  #broken: ConclaveError | undefined;

  constructor(endpoint: string, port: Port<PortMessage, PortReply>, runtime: Runtime) {
    this.endpoint = endpoint;
    this.#port = port;
    this.#runtime = runtime;
    port.onMessage = (reply) => this.#take(reply);
    port.onClose = (_cause, reason) => {
      if (this.#broken !== undefined) return;
      const message = `The ${endpoint} has ended.`;
      const cause =
        reason ?? new ConclaveError('unavailable', message, { retryable: true, outcome: 'unknown' });
      this.#breakWith(cause, cause.outcome);
    };
  }

  unary<Req, Res>(method: MethodDescriptor<Req, Res>, request: Req, options: UnaryOptions): Promise<Res> {
    const { signal, timeoutMs } = options;
    if (signal?.aborted) return Promise.reject(ConclaveError.aborted(nameOfCall(method), signal));
    if (this.#broken !== undefined) return Promise.reject(neverSent(this.#broken));
    return new Promise<Res>((resolve, reject) => {
      let answer: Uint8Array | undefined;
      const finish = (error: ConclaveError | undefined): void => {
        if (!this.#calls.delete(call)) return;
        timer.cancel();
        signal?.removeEventListener('abort', abort);
        if (error !== undefined) reject(error);
        else if (answer !== undefined) resolve(method.decodeResponse(answer));
        else
          reject(
            new ConclaveError('internal', `${nameOfCall(method)} was answered with nothing.`, {
              outcome: 'unknown',
            }),
          );
      };
      const giveUp = (error: ConclaveError): void => {
        this.#post({ kind: 'cancel', call });
        finish(error);
      };
      const abort = (): void => giveUp(abortedOnTheWay(nameOfCall(method), signal));
      const timer = this.#runtime.timers.after(timeoutMs, () =>
        giveUp(timedOut(nameOfCall(method), timeoutMs)),
      );
      signal?.addEventListener('abort', abort, { once: true });
      const call = this.#begin({
        onMessage: (body) => {
          answer = body;
        },
        onClose: finish,
      });
      const body = method.encodeRequest(request);
      const token = options.token === undefined ? {} : { token: options.token };
      this.#post({ kind: 'open', call, path: method.path, body, ended: true, timeoutMs, ...token });
    });
  }

  stream<Req, Res>(
    method: MethodDescriptor<Req, Res>,
    options: StreamOptions = {},
  ): TransportStream<Req, Res> {
    const { signal } = options;
    if (signal?.aborted) return endedStream(ConclaveError.aborted(nameOfCall(method), signal));
    if (this.#broken !== undefined) return endedStream(neverSent(this.#broken));
    const { promise: closed, resolve: settle } = deferred<ConclaveError | undefined>();
    let sending = true;
    const finish = (cause: ConclaveError | undefined): void => {
      if (!this.#calls.delete(call)) return;
      signal?.removeEventListener('abort', abort);
      inbox.end(cause);
      settle(cause);
    };
    const drop = (cause: ConclaveError | undefined): void => {
      if (this.#calls.has(call)) this.#post({ kind: 'cancel', call });
      finish(cause);
    };
    const abort = (): void => drop(abortedOnTheWay(nameOfCall(method), signal));
    const inbox = new Inbox<Res>({
      flow: {
        pause: () => this.#post({ kind: 'pause', call }),
        resume: () => this.#post({ kind: 'resume', call }),
      },
      onLeave: () => drop(undefined),
    });
    const call = this.#begin({
      onMessage: (body) => inbox.push(method.decodeResponse(body)),
      onClose: finish,
    });
    signal?.addEventListener('abort', abort, { once: true });
    const token = options.token === undefined ? {} : { token: options.token };
    this.#post({ kind: 'open', call, path: method.path, ended: false, ...token });
    return {
      send: (message) => {
        if (sending && this.#calls.has(call))
          this.#post({ kind: 'message', call, body: method.encodeRequest(message) });
      },
      responses: inbox,
      end: () => {
        if (sending && this.#calls.has(call)) this.#post({ kind: 'end', call });
        sending = false;
      },
      close: () => drop(undefined),
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
      'unknown',
    );
  }

  #begin(handlers: Call): number {
    const call = this.#nextCall;
    this.#nextCall += 1;
    this.#calls.set(call, handlers);
    return call;
  }

  #post(message: PortMessage): void {
    if (this.#broken === undefined) this.#port.post(message);
  }

  #take(reply: PortReply): void {
    const call = this.#calls.get(reply.call);
    if (call === undefined) return;
    if (reply.kind === 'message') call.onMessage(reply.body);
    else call.onClose(reply.error === undefined ? undefined : fromPortError(reply.error));
  }

  #breakWith(cause: ConclaveError, outcome: ErrorOutcome): void {
    if (this.#broken !== undefined) return;
    this.#broken = cause;
    if (this.#calls.size > 0) {
      const { retryable } = cause;
      const inFlight = new ConclaveError(cause.code, cause.message, { retryable, outcome, cause });
      for (const call of [...this.#calls.values()]) call.onClose(inFlight);
    }
    this.#port.close();
    for (const listener of [...this.#breakListeners]) listener(cause);
    this.#breakListeners.clear();
  }
}

function fromPortError(error: PortError): ConclaveError {
  const { code, message, outcome, retryable } = error;
  // Not by us, or the caller would have its own error: the member gave the call up.
  if (code === 'aborted')
    return new ConclaveError('unavailable', message, { outcome: 'unknown', retryable: true });
  return new ConclaveError(code, message, { outcome, retryable });
}

function timedOut(what: string, timeoutMs: number): ConclaveError {
  return new ConclaveError('timeout', `${what} was not answered within ${Math.round(timeoutMs)} ms.`, {
    outcome: 'unknown',
    retryable: true,
  });
}
