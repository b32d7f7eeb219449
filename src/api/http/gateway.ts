import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Timers } from '../../runtime/types.ts';
import { jsonToWire, schema, WireError, wireToJson, wireToJsonParts } from '../../wire/index.ts';
import { statusOfCall } from '../failed-call.ts';
import { failure, StatusError, statusCodes } from '../status.ts';
import { TurnQueue } from '../turn-queue.ts';
import type { CallConnection, Logger, Registry, ServedMethod } from '../types.ts';
import type { CheckedLimits } from '../validate.ts';
import { gatewayPaths } from './gateway-paths.ts';
import { HeldBodies } from './held-bodies.ts';
import { BodyValues, drained, HttpCallContext } from './http-call.ts';
import { httpStatusOf } from './http-status.ts';
import type { JsonBounds } from './json-values.ts';
import { RunningRequests } from './running-requests.ts';

/** JSON of one request: base64 takes a third more than the bytes that it stands for, and escapes may take more. */
const jsonOfOneByte = 4;

/**
 * Parsing takes time for each name and element, however short, and nothing else runs meanwhile. A put or a range has some
 * ten; an operation of a transaction has no more than this, and there are twice as many of them in the largest one, with
 * its comparisons.
 */
const membersOfAnyRequest = 2048;
const membersOfOneOperation = 64;

/** Of requests that are not complete, on all connections together. */
const mostHeldBytes = 64 * 1024 * 1024;

/** Of large requests whose handlers run, on all connections together. */
const mostRunningBytes = 256 * 1024 * 1024;

/** Of an answer, as gRPC carries it: what is made JSON of in one turn of the loop, some milliseconds. */
const answerBytesAtOnce = 64 * 1024;

const answerHeaders = {
  'Content-Type': 'application/json',
  'Grpc-Metadata-Content-Type': 'application/grpc',
};

interface Call {
  readonly method: ServedMethod;
  readonly requestType: string;
  readonly responseType: string;
  readonly body: BodyValues;
  readonly response: ServerResponse;
  readonly context: HttpCallContext;
}

/** etcd's JSON gateway: the registry's methods by HTTP path, requests and answers in JSON. */
export class Gateway {
  readonly #methods = new Map<string, ServedMethod>();
  readonly #logger: Logger;
  readonly #bounds: JsonBounds;
  readonly #streams = new Set<HttpCallContext>();
  readonly #held = new HeldBodies(mostHeldBytes);
  readonly #running = new RunningRequests(mostRunningBytes);
  readonly #turns: TurnQueue;

  constructor(registry: Registry, logger: Logger, limits: CheckedLimits, timers: Timers) {
    this.#turns = new TurnQueue(timers, 1);
    this.#bounds = {
      maxBytes: jsonOfOneByte * limits.receivedBytes,
      maxMembers: membersOfAnyRequest + membersOfOneOperation * limits.transactionOperations,
    };
    this.#logger = logger;
    for (const [path, { path: name }] of gatewayPaths) {
      const method = registry.get(name);
      if (method !== undefined) this.#methods.set(path, method);
    }
  }

  /** Whether the path is one of a method. */
  has(path: string): boolean {
    return this.#methods.has(path);
  }

  /** Answers a POST on one of its paths. Never rejects. */
  async handle(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    connection: CallConnection,
  ): Promise<void> {
    const method = this.#methods.get(path);
    const [requestType, responseType] = schema.methods[method?.descriptor.path ?? ''] ?? [];
    if (method === undefined || requestType === undefined || responseType === undefined) return;
    const body = new BodyValues(request, connection, this.#bounds, this.#held);
    const context = new HttpCallContext(request, response, connection);
    const call = { method, requestType, responseType, body, response, context };
    method.calls.started += 1;
    try {
      if (method.shape === 'unary') await this.#unary(call, method.handler);
      else await this.#stream(call);
      method.calls.handled(0);
    } catch (error) {
      this.#fail(call, error);
    } finally {
      body.end();
      if (!response.writableEnded) response.end();
    }
  }

  /** Ends streams with 'server stopped'. */
  close(): void {
    for (const context of this.#streams) context.abort(failure('stopped'));
  }

  async #unary(call: Call, handler: Extract<ServedMethod, { shape: 'unary' }>['handler']): Promise<void> {
    const { body, context, method } = call;
    const wire = this.#wire(call, (await body.only()) ?? '{}', statusCodes.invalidArgument);
    const answered = await this.#running.run(context.connection, wire.length, () =>
      handler(method.decode(wire), context),
    );
    const answer = await this.#jsonOfAny(call, method.encode(answered));
    const bytes = answer.reduce((sum, { length }) => sum + length, 0);
    call.response.writeHead(200, { ...answerHeaders, 'Content-Length': bytes });
    for (const part of answer) call.response.write(part);
    call.response.end();
  }

  /** Of a large answer in many turns of the loop, which others share. @throws the signal's reason */
  async #jsonOfAny({ responseType, context }: Call, answer: Uint8Array): Promise<Buffer[]> {
    if (answer.length <= answerBytesAtOnce) return [Buffer.from(wireToJson(responseType, answer))];
    const parts: Buffer[] = [];
    for (const part of wireToJsonParts(responseType, answer, answerBytesAtOnce)) {
      parts.push(Buffer.from(part));
      await new Promise<void>((resolve) => this.#turns.wait(resolve));
      context.signal.throwIfAborted();
    }
    return parts;
  }

  async #stream(call: Call): Promise<void> {
    const { method, response, context } = call;
    this.#streams.add(context);
    try {
      const answers =
        method.shape === 'duplex'
          ? method.handler(await this.#requests(call), context)
          : method.shape === 'server-stream'
            ? method.handler(await this.#request(call), context)
            : [];
      for await (const answer of answers) {
        if (context.signal.aborted) break;
        if (!response.headersSent) response.writeHead(200, answerHeaders);
        if (!response.write(`{"result":${this.#json(call, answer)}}\n`)) await drained(response);
      }
      if (context.signal.aborted) throw context.signal.reason;
      if (!response.headersSent) response.writeHead(200, { 'Content-Type': 'application/json' });
    } finally {
      this.#streams.delete(context);
    }
  }

  #json(call: Call, answer: unknown): string {
    return wireToJson(call.responseType, call.method.encode(answer));
  }

  /** The first value of the body; whatever follows is ignored, and an empty body is an empty message. */
  async #request(call: Call): Promise<unknown> {
    return this.#decoded(call, (await call.body.only()) ?? '{}', statusCodes.invalidArgument);
  }

  /** The first is awaited, so that one that is no request fails the call before anything was answered. */
  async #requests(call: Call): Promise<AsyncIterable<unknown>> {
    const decode = (value: string): unknown => this.#decoded(call, value, statusCodes.unknown);
    const value = await call.body.next().catch((error: unknown) => {
      throw refused(error, statusCodes.unknown);
    });
    const first = value === undefined ? undefined : { request: decode(value) };
    return (async function* () {
      if (first === undefined) return;
      yield first.request;
      try {
        for await (const later of call.body) yield decode(later);
      } catch {
        // As etcd's gateway does: what follows a value that is no request is ignored, the stream goes on.
      }
    })();
  }

  #decoded(call: Call, value: string, code: number): unknown {
    return call.method.decode(this.#wire(call, value, code));
  }

  #wire({ requestType }: Call, value: string, code: number): Uint8Array {
    try {
      return jsonToWire(requestType, value);
    } catch (error) {
      throw refused(error, code);
    }
  }

  #fail(call: Call, error: unknown): void {
    const { method, response, context } = call;
    const cause = error instanceof WireError ? refused(error, statusCodes.invalidArgument) : error;
    const status = statusOfCall(cause, method.descriptor.path, this.#logger);
    method.calls.handled(status.code);
    if (response.destroyed || response.writableEnded) return;
    const streaming = method.shape !== 'unary' && (response.headersSent || context.signal.aborted);
    if (!response.headersSent)
      response.writeHead(httpStatusOf(status.code), { 'Content-Type': 'application/json' });
    response.end(streaming ? `${streamError(status)}\n` : plainError(status));
  }
}

/** Of a request that could not be read at all. */
function refused(error: unknown, code: number): unknown {
  if (!(error instanceof WireError)) return error;
  const trailers = { code: 'invalid-argument', outcome: 'not-applied', retryable: false } as const;
  return new StatusError(code, error.message, trailers);
}

/** In the order of grpc-gateway's keys. */
export function plainError({ code, message }: StatusError): string {
  return JSON.stringify({ error: message, message, code });
}

function streamError({ code, message }: StatusError): string {
  const http_code = httpStatusOf(code);
  return JSON.stringify({
    error: { grpc_code: code, http_code, message, http_status: STATUS_CODES[http_code] },
  });
}
