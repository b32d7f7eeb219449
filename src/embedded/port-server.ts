import {
  type CallContext,
  type Registry,
  type ServedMethod,
  StatusError,
  statusCodes,
  toStatus,
} from '../api/index.ts';
import { Inbox, type Port, type PortMessage, type PortReply } from '../client/index.ts';
import type { CloseCause, Runtime } from '../runtime/types.ts';

interface ServedCall {
  readonly method: ServedMethod;
  readonly requests: Inbox<unknown>;
  /** Made when its signal is first asked for, as most handlers never do. */
  controller: AbortController | undefined;
  /** Why nobody waits for the answer any more. */
  aborted: StatusError | undefined;
  /** The caller takes no more for now. */
  paused: boolean;
  /** Called when it may take more again. */
  onResume: (() => void) | undefined;
}

type Opening = Extract<PortMessage, { kind: 'open' }>;

/** Serves a registry to one client at the other end of a port. The port is the connection. */
export class PortServer {
  readonly #registry: Registry;
  readonly #port: Port<PortReply, PortMessage>;
  readonly #runtime: Runtime;
  readonly #calls = new Map<number, ServedCall>();
  readonly #connection: CallContext['connection'];
  readonly #ended: Promise<CloseCause>;
  #endedBy: CloseCause | undefined;
  /** No more calls are taken. */
  #finishing = false;
  #onIdle: (() => void) | undefined;
  #resolveEnded: (cause: CloseCause) => void = () => {};

  constructor(
    registry: Registry,
    port: Port<PortReply, PortMessage>,
    runtime: Runtime,
    remote = 'this process',
  ) {
    this.#registry = registry;
    this.#port = port;
    this.#runtime = runtime;
    const ended = new Promise<CloseCause>((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#ended = ended;
    const endedBy = (): CloseCause | undefined => this.#endedBy;
    this.#connection = {
      ...{ remote, ended, commonName: undefined },
      get endedBy() {
        return endedBy();
      },
    };
    port.onMessage = (message) => this.#take(message);
    port.onClose = (cause) => this.#end(cause);
    port.onDrained = () => {
      for (const call of this.#calls.values()) call.onResume?.();
    };
  }

  get ended(): Promise<CloseCause> {
    return this.#ended;
  }

  /** Ends every call with 'server stopped', then the connection. */
  close(): void {
    this.#end('local');
    // A turn later, so that the answers get out first.
    this.#runtime.timers.nextTurn(() => this.#port.close());
  }

  /** Ends streams with 'server stopped', lets other calls finish for up to `graceMs`, then closes. Never rejects. */
  async finish(graceMs: number): Promise<void> {
    if (this.#endedBy !== undefined) return;
    this.#finishing = true;
    for (const [id, { method }] of [...this.#calls]) if (method.shape !== 'unary') this.#abort(id, stopped());
    if (this.#calls.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = this.#runtime.timers.after(graceMs, resolve);
        this.#onIdle = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    this.close();
  }

  #end(cause: CloseCause): void {
    if (this.#endedBy !== undefined) return;
    this.#endedBy = cause;
    this.#resolveEnded(cause);
    for (const id of [...this.#calls.keys()]) this.#abort(id, cause === 'local' ? stopped() : cancelled());
  }

  #take(message: PortMessage): void {
    if (message.kind === 'open') {
      this.#open(message);
      return;
    }
    const call = this.#calls.get(message.call);
    if (call === undefined) return;
    if (message.kind === 'message') this.#receive(message.call, call, message.body);
    else if (message.kind === 'end') call.requests.end();
    else if (message.kind === 'cancel') this.#abort(message.call, cancelled());
    else {
      call.paused = message.kind === 'pause';
      if (!call.paused) call.onResume?.();
    }
  }

  #open(message: Opening): void {
    const { call: id, path, timeoutMs } = message;
    const method = this.#registry.get(path);
    if (method === undefined || this.#finishing) {
      this.#reply({ kind: 'close', call: id, error: method === undefined ? refusal(path) : stopping() });
      return;
    }
    const call: ServedCall = {
      method,
      requests: new Inbox(),
      controller: undefined,
      aborted: undefined,
      paused: false,
      onResume: undefined,
    };
    this.#calls.set(id, call);
    const late = (): void => this.#abort(id, deadlineExceeded());
    const timer = timeoutMs === undefined ? undefined : this.#runtime.timers.after(timeoutMs, late);
    void this.#serve(id, call, message).then(() => timer?.cancel());
  }

  #receive(id: number, call: ServedCall, body: Uint8Array): void {
    try {
      call.requests.push(call.method.decode(body));
    } catch (error) {
      this.#abort(id, toStatus(error));
    }
  }

  /** Never rejects. */
  async #serve(id: number, call: ServedCall, opening: Opening): Promise<void> {
    const { body, ended } = opening;
    const { method, requests } = call;
    const context = new ServedContext(call, this.#connection, opening);
    try {
      if (method.shape === 'unary' && body !== undefined) {
        // The usual call, without what only streams need.
        const response = await method.handler(method.decode(body), context);
        if (this.#isHeldUp(call)) await this.#mayAnswer(id, call);
        this.#answer(id, call, response);
      } else {
        if (body !== undefined) requests.push(method.decode(body));
        if (ended) requests.end();
        for await (const response of await answersOf(method, requests, context)) {
          if (this.#isHeldUp(call)) await this.#mayAnswer(id, call);
          if (this.#calls.get(id) !== call) return;
          this.#answer(id, call, response);
        }
      }
      this.#finish(id, call, undefined);
    } catch (error) {
      this.#finish(id, call, toStatus(error));
    }
  }

  #isHeldUp(call: ServedCall): boolean {
    return call.paused || this.#port.full;
  }

  /** Resolves when the caller takes more, or the call is over. */
  async #mayAnswer(id: number, call: ServedCall): Promise<void> {
    while (this.#isHeldUp(call) && this.#calls.get(id) === call) {
      await new Promise<void>((resolve) => {
        call.onResume = resolve;
      });
    }
  }

  #answer(id: number, call: ServedCall, response: unknown): void {
    if (this.#calls.get(id) !== call) return;
    this.#reply({ kind: 'message', call: id, body: withoutOthers(call.method.encode(response)) });
  }

  /** The caller hears of it now; the handler ends when it notices. */
  #abort(id: number, reason: StatusError): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#finish(id, call, reason);
    call.aborted = reason;
    call.controller?.abort(reason);
    call.requests.end();
    call.onResume?.();
  }

  #finish(id: number, call: ServedCall, error: StatusError | undefined): void {
    if (this.#calls.get(id) !== call) return;
    this.#calls.delete(id);
    if (this.#calls.size === 0) this.#onIdle?.();
    if (error === undefined) this.#reply({ kind: 'close', call: id });
    else this.#reply({ kind: 'close', call: id, error: { message: error.message, ...error.conclave } });
  }

  #reply(reply: PortReply): void {
    // By us: what was under way is told how it ends.
    if (this.#endedBy === undefined || this.#endedBy === 'local') this.#port.post(reply);
  }
}

/** Threads are given a copy of the array in which it lies, all of it, and short messages are parts of larger ones. */
function withoutOthers(message: Uint8Array): Uint8Array {
  return message.length === message.buffer.byteLength ? message : new Uint8Array(message);
}

/** A class for its getter: an object with one of its own is made many times slower. */
class ServedContext implements CallContext {
  readonly connection: CallContext['connection'];
  readonly deadlineMs: number | undefined;
  readonly token: string | undefined;
  readonly #call: ServedCall;

  constructor(call: ServedCall, connection: CallContext['connection'], opening: Opening) {
    this.connection = connection;
    this.deadlineMs = opening.timeoutMs;
    this.token = opening.token;
    this.#call = call;
  }

  get signal(): AbortSignal {
    const call = this.#call;
    if (call.controller === undefined) {
      call.controller = new AbortController();
      if (call.aborted !== undefined) call.controller.abort(call.aborted);
    }
    return call.controller.signal;
  }
}

/** No generator around the handler's own, which would cost several promises for each answer. */
async function answersOf(
  method: ServedMethod,
  requests: Inbox<unknown>,
  context: CallContext,
): Promise<AsyncIterable<unknown> | readonly unknown[]> {
  if (method.shape === 'duplex') return method.handler(requests, context);
  for await (const request of requests) {
    return method.shape === 'unary'
      ? [await method.handler(request, context)]
      : method.handler(request, context);
  }
  throw new StatusError(statusCodes.invalidArgument, 'the call ended without a request', {
    code: 'invalid-argument',
    outcome: 'not-applied',
    retryable: false,
  });
}

function refusal(path: string) {
  const message = `${path} is no method of this server`;
  return { code: 'unsupported', message, outcome: 'not-applied', retryable: false } as const;
}

function stopping() {
  const message = 'etcdserver: server stopped';
  return { code: 'closed', message, outcome: 'not-applied', retryable: true } as const;
}

function cancelled(): StatusError {
  const trailers = { code: 'aborted', outcome: 'not-applied', retryable: false } as const;
  return new StatusError(statusCodes.cancelled, 'context canceled', trailers);
}

function deadlineExceeded(): StatusError {
  const trailers = { code: 'timeout', outcome: 'unknown', retryable: true } as const;
  return new StatusError(statusCodes.deadlineExceeded, 'context deadline exceeded', trailers);
}

function stopped(): StatusError {
  const trailers = { code: 'closed', outcome: 'unknown', retryable: true } as const;
  return new StatusError(statusCodes.unavailable, 'etcdserver: server stopped', trailers);
}
