/** The middleware of each framework. Their types are structural: no framework is imported. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { checkFunction } from '../writer.ts';
import { checkOptions, type FencingOptions, type Judgement, judgeRequest, type Refusal } from './fencing.ts';

/** What is needed of node:http's `IncomingMessage`; Express's request is one. */
export interface NodeRequest {
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** What is needed of node:http's `ServerResponse`. */
export interface NodeResponse {
  readonly closed: boolean;
  readonly headersSent: boolean;
  writeHead(status: number, headers: Readonly<Record<string, string>>): unknown;
  end(body?: string): unknown;
  destroy(): unknown;
  once(event: 'close', listener: () => void): unknown;
}

export interface NodeFencingOptions<Request> extends FencingOptions<Request> {
  /** Told of what the handler, the gate's storage or `resource` threw; the answer is 500. Default: the error is only answered. */
  readonly onError?: ((error: unknown, request: Request) => void) | undefined;
}

/**
 * For `http.createServer`: `handler`, behind the gate. The request holds its place until the response is closed and,
 * where the handler returns a promise, that has settled.
 */
export function nodeFencing<
  Request extends NodeRequest = IncomingMessage,
  Response extends NodeResponse = ServerResponse,
>(
  options: NodeFencingOptions<Request>,
  handler: (request: Request, response: Response) => unknown,
): (request: Request, response: Response) => void {
  checkOptions(options);
  checkFunction('The handler of the requests', handler);
  const failed = (error: unknown, request: Request, response: Response): void => {
    if (response.headersSent) response.destroy();
    else answer(response, { status: 500, headers: {}, body: '' });
    options.onError?.(error, request);
  };
  const handle = async (request: Request, response: Response): Promise<void> => {
    const judgement = await judgeNodeRequest(options, request, request, response);
    if (judgement.kind === 'refused') return answer(response, judgement.refusal);
    if (judgement.kind === 'gone') return;
    const work = (async () => await handler(request, response))();
    if (judgement.kind === 'inside') judgement.stay.holdUntil(work);
    await work;
  };
  return (request, response) => {
    handle(request, response)
      .catch((error: unknown) => failed(error, request, response))
      // What onError throws has nowhere to go.
      .catch(() => {});
  };
}

/**
 * For Express: `app.use(…)` or on single routes. The request holds its place until the response is closed; a handler that
 * goes on after that, as when the client went away, says so by `fencingOf(request)?.holdUntil(promise)`.
 */
export function expressFencing<Request extends NodeRequest>(
  options: FencingOptions<Request>,
): (request: Request, response: NodeResponse, next: (error?: unknown) => void) => void {
  checkOptions(options);
  return (request, response, next) => {
    judgeNodeRequest(options, request, request, response)
      .then((judgement) => {
        if (judgement.kind === 'refused') answer(response, judgement.refusal);
        else if (judgement.kind !== 'gone') next();
      })
      .catch(next);
  };
}

export interface FastifyRequestLike extends NodeRequest {
  readonly raw: object;
}

export interface FastifyReplyLike {
  readonly raw: NodeResponse;
  code(status: number): FastifyReplyLike;
  headers(headers: Record<string, string>): FastifyReplyLike;
  send(body: string): FastifyReplyLike;
}

/**
 * For Fastify: `app.addHook('preHandler', …)` or as `preHandler` of a route. Holds as `expressFencing` does; ask
 * `fencingOf(request.raw)`.
 */
export function fastifyFencing<Request extends FastifyRequestLike>(
  options: FencingOptions<Request>,
): (request: Request, reply: FastifyReplyLike) => Promise<unknown> {
  checkOptions(options);
  return async (request, reply) => {
    const judgement = await judgeNodeRequest(options, request, request.raw, reply.raw);
    if (judgement.kind !== 'refused') return judgement.kind === 'gone' ? reply : undefined;
    const { status, headers, body } = judgement.refusal;
    reply
      .code(status)
      .headers({ ...headers })
      .send(body);
    return reply;
  };
}

export interface HonoContextLike {
  readonly req: { readonly raw: Request; header(name: string): string | undefined };
}

/**
 * For Hono: `app.use(…)`. The request holds its place until the handler has returned; where its response is a stream that
 * has effects itself, pass a promise of its end to `fencingOf(c.req.raw)?.holdUntil`.
 */
export function honoFencing<Context extends HonoContextLike>(
  options: FencingOptions<Context>,
): (context: Context, next: () => Promise<void>) => Promise<Response | undefined> {
  checkOptions(options);
  return async (context, next) => {
    const { req } = context;
    const judgement = await judgeRequest(
      options,
      context,
      req.raw,
      (name) => req.header(name),
      req.raw.signal,
    );
    if (judgement.kind === 'refused') {
      const { status, headers, body } = judgement.refusal;
      return new Response(body, { status, headers: { ...headers } });
    }
    const work = next();
    if (judgement.kind === 'inside') judgement.stay.holdUntil(work);
    await work;
    return undefined;
  };
}

/** Holds the place until the response is closed. `gone`: it was, before the request was let in. */
async function judgeNodeRequest<Request extends NodeRequest>(
  options: FencingOptions<Request>,
  request: Request,
  key: object,
  response: NodeResponse,
): Promise<Judgement | { readonly kind: 'gone' }> {
  const closed = Promise.withResolvers<void>();
  const stop = new AbortController();
  response.once('close', () => {
    closed.resolve();
    stop.abort();
  });
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
  const judgement = await judgeRequest(options, request, key, header, stop.signal);
  if (judgement.kind === 'inside')
    judgement.stay.holdUntil(response.closed ? Promise.resolve() : closed.promise);
  return response.closed ? { kind: 'gone' } : judgement;
}

function answer(response: NodeResponse, { status, headers, body }: Refusal): void {
  response.writeHead(status, headers);
  response.end(body);
}
