/** What the middleware of all frameworks share: from the headers of a request to a passage or a refusal. */
import { ConclaveError, type ErrorCode } from '../../errors/index.ts';
import type { Passage, TokenGate } from '../token-gate.ts';
import { checkObject } from '../writer.ts';
import { fencingHeaders, readHeaders } from './headers.ts';

/** What `resource` returns for a request that has an effect on nothing fenced: it passes, with any token or none. */
export const unfenced: unique symbol = Symbol.for('conclave.unfenced');

export interface FencingOptions<Request> {
  readonly gate: TokenGate;
  /**
   * The name of what the request has an effect on, or a function of the request that gives it. Where that gives no name
   * (undefined, '', what is no string), the request is answered with 500; `unfenced` lets it pass.
   */
  readonly resource: string | ((request: Request) => string | typeof unfenced);
  /** What becomes of a request without a token: 'refuse' (428, the default), or 'pass': whoever sends none is not fenced. */
  readonly missingToken?: 'refuse' | 'pass' | undefined;
}

/** What a handler can know of the request's fencing. */
export interface RequestFencing {
  readonly resource: string;
  /** The request's, and the highest that was seen when it was let in. */
  readonly token: number;
  /** '': the request named none. */
  readonly election: string;
  /**
   * Keeps newer leaders out until this settles, too: for work that goes on although the client went away. Throws
   * 'closed' where that is too late, since the response was closed before: then the work is not guarded.
   */
  holdUntil(work: PromiseLike<unknown>): void;
  /** Throws 'stale-token' (outcome 'unknown') where a newer token was let in through another process meanwhile. */
  recheck(): Promise<void>;
}

export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON: code, message, retryable, details. */
  readonly body: string;
}

export type Judgement =
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'unfenced' }
  | { readonly kind: 'inside'; readonly stay: Stay };

const statuses: Partial<Record<ErrorCode, number>> = {
  'invalid-argument': 400,
  'too-large': 400,
  'failed-precondition': 409,
  'stale-token': 412,
  timeout: 503,
  aborted: 503,
};

const present = new WeakMap<object, RequestFencing>();

/** Of a request that was let in: `IncomingMessage`, Express's request, Fastify's `request.raw`, Hono's `c.req.raw`. */
export function fencingOf(request: object): RequestFencing | undefined {
  return present.get(request);
}

export function checkOptions<Request>(options: FencingOptions<Request>): void {
  checkObject('The fencing of requests needs options: { gate, resource }', options);
  const { gate, resource, missingToken } = options;
  if (typeof gate?.enter !== 'function') throw invalid('gate must be a token gate');
  if (typeof resource !== 'function' && (typeof resource !== 'string' || resource === '')) {
    throw invalid('resource must be a name or a function of the request');
  }
  if (missingToken !== undefined && missingToken !== 'refuse' && missingToken !== 'pass') {
    throw invalid("missingToken must be 'refuse' or 'pass'");
  }
}

/**
 * @param key what `fencingOf` is asked with.
 * @throws what is no refusal: the storage of the gate failed, or `resource` threw.
 */
export async function judgeRequest<Request>(
  options: FencingOptions<Request>,
  request: Request,
  key: object,
  header: (name: string) => string | undefined,
  signal?: AbortSignal,
): Promise<Judgement> {
  const { gate, resource, missingToken = 'refuse' } = options;
  const name: unknown = typeof resource === 'function' ? resource(request) : resource;
  if (name === unfenced) return { kind: 'unfenced' };
  if (typeof name !== 'string' || name === '') return { kind: 'refused', refusal: unnamed(name) };
  try {
    const sent = readHeaders(header);
    if (sent === undefined) {
      return missingToken === 'pass' ? { kind: 'unfenced' } : { kind: 'refused', refusal: tokenMissing() };
    }
    const stay = new Stay(await gate.enter(name, sent, { signal }));
    present.set(key, stay);
    return { kind: 'inside', stay };
  } catch (error) {
    const status = ConclaveError.is(error) ? statuses[error.code] : undefined;
    if (!ConclaveError.is(error) || status === undefined) throw error;
    return { kind: 'refused', refusal: refusalFor(error, status) };
  }
}

/** A passage that ends when everything that held it has ended. */
export class Stay implements RequestFencing {
  readonly #passage: Passage;
  #holders = 0;
  #left = false;

  constructor(passage: Passage) {
    this.#passage = passage;
  }

  get resource(): string {
    return this.#passage.resource;
  }

  get token(): number {
    return this.#passage.token;
  }

  get election(): string {
    return this.#passage.election;
  }

  recheck(): Promise<void> {
    return this.#passage.recheck();
  }

  holdUntil(work: PromiseLike<unknown>): void {
    this.#holders += 1;
    const end = (): void => {
      this.#holders -= 1;
      if (this.#holders > 0) return;
      this.#left = true;
      this.#passage.leave();
    };
    work.then(end, end);
    if (!this.#left) return;
    const message = `The response for ${JSON.stringify(this.resource)} was closed already, so newer leaders are let in: call holdUntil before the work begins, and as the first thing.`;
    throw new ConclaveError('closed', message);
  }
}

function tokenMissing(): Refusal {
  const message = "This resource is fenced: send the leader's token in Fencing-Token.";
  return refusalFor(new ConclaveError('failed-precondition', message), 428);
}

/** Closed where it is in doubt: a route without its parameter would let everything pass. */
function unnamed(name: unknown): Refusal {
  const given = name === '' ? 'an empty string' : `${name === null ? 'null' : typeof name}`;
  const message = `This server cannot tell which resource the request is for: its option resource gave ${given}. It must give a name, or unfenced (of conclave/fencing/http) for what is not fenced; parameters of a route are known only to middleware of that route.`;
  return refusalFor(new ConclaveError('failed-precondition', message), 500);
}

function refusalFor(error: ConclaveError, status: number): Refusal {
  const { code, message, retryable, details } = error;
  return {
    status,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      [fencingHeaders.error]: code,
      ...(status === 503 ? { 'retry-after': '1' } : {}),
    },
    body: JSON.stringify({ code, message, retryable, details }),
  };
}

function invalid(what: string): ConclaveError {
  return new ConclaveError('invalid-argument', `${what}.`);
}
