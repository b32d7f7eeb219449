/** Sends a leader's token along with its requests. */
import { ConclaveError, type ErrorCode, errorCodes } from '../../errors/index.ts';
import { checkLeadership, type FencedLeadership } from '../writer.ts';
import { fencingHeaders, writeHeaders } from './headers.ts';

export interface FencedFetchOptions {
  /**
   * Default: the global `fetch`. It must not repeat POST or PATCH by itself: of several answers it gives only the last
   * one, and a refusal of the last copy would be taken for that of all.
   */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/**
 * Nobody on the way may send these a second time by himself (RFC 9110, 9.2.2); all other methods he may, so the refusal
 * of one copy says nothing of another.
 */
const sentOnce = ['POST', 'PATCH'];
/** With one of these headers, many clients and proxies repeat those as well. */
const repeatable = ['idempotency-key', 'x-idempotency-key'];
const conditional = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'];

/**
 * A `fetch` whose requests carry the token and election of this leadership in `Fencing-Token` and `Fencing-Election`.
 *
 * It throws where the server refuses the token: 'stale-token' for 412 (not where the request is conditional by headers
 * of its own and the answer is not from our middleware: that response is returned), 'failed-precondition' for a resource
 * that is guarded by another election, and whatever else a `Fencing-Error` header says. Further: 'not-leading' from
 * `assertHeld()`, before anything is sent; 'invalid-argument' for a URL; 'aborted' and 'unavailable' with outcome
 * 'unknown', since the server may have carried the request out. Every other response is returned as it is.
 *
 * The outcome of a refusal is 'not-applied' for POST and PATCH, which nobody on the way may send twice. It is 'unknown'
 * for every other method (GET, PUT and DELETE, too) and for a request with an `Idempotency-Key`: what was refused may be
 * a proxy's second copy, while the first one was let in before the newer leader came.
 * @throws at once: 'unsupported' for tokens that cannot fence; 'invalid-argument'.
 *
 * Not protected: a server that does not compare tokens. Headers alone change nothing. Nor can it see that a proxy repeats
 * POST although HTTP forbids it; where one is told to, the outcome of a refusal is not certain.
 */
export function fencedFetch(
  leadership: FencedLeadership,
  options: FencedFetchOptions = {},
): typeof globalThis.fetch {
  const writer = checkLeadership(leadership);
  return async (input, init) => {
    const url = urlOf(input);
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    writeHeaders(headers, writer);
    writer.assertHeld();
    let response: Response;
    try {
      response = await (options.fetch ?? globalThis.fetch)(input, { ...init, headers });
    } catch (cause) {
      throw unanswered(url, cause, init?.signal ?? (input instanceof Request ? input.signal : undefined));
    }
    const code = refusalOf(response, headers);
    if (code === undefined) return response;
    const method = init?.method ?? (input instanceof Request ? input.method : 'GET');
    throw await refused({ url, token: writer.token, code, mayRepeat: mayRepeat(method, headers) }, response);
  };
}

function urlOf(input: string | URL | Request): string {
  const url = input instanceof Request ? input.url : String(input);
  if (!URL.canParse(url)) {
    throw new ConclaveError('invalid-argument', `${JSON.stringify(url)} is not an absolute URL.`);
  }
  return url;
}

function refusalOf(response: Response, headers: Headers): ErrorCode | undefined {
  const said = response.headers.get(fencingHeaders.error);
  if (said !== null) return Object.hasOwn(errorCodes, said) ? (said as ErrorCode) : 'internal';
  if (response.status !== 412 || conditional.some((name) => headers.has(name))) return undefined;
  return 'stale-token';
}

/** Whether another copy of the request can have come to the server. */
function mayRepeat(method: string, headers: Headers): boolean {
  return !sentOnce.includes(method.toUpperCase()) || repeatable.some((name) => headers.has(name));
}

interface Refused {
  readonly url: string;
  readonly token: number;
  readonly code: ErrorCode;
  readonly mayRepeat: boolean;
}

async function refused({ url, token, code, mayRepeat }: Refused, response: Response): Promise<ConclaveError> {
  const body: unknown = await response.json().catch(() => undefined);
  const { message, retryable, outcome, details } = (
    typeof body === 'object' && body !== null ? body : {}
  ) as { readonly [name: string]: unknown };
  const highest = (details as { readonly highestToken?: unknown } | undefined)?.highestToken;
  const reason = typeof message === 'string' ? message : `its answer is ${response.status}.`;
  const doubt = mayRepeat ? ' Another copy of the request, sent by a proxy, may have been carried out.' : '';
  return new ConclaveError(code, `${url} refuses token ${token}: ${reason}${doubt}`, {
    retryable: retryable === true,
    outcome: mayRepeat || outcome === 'unknown' ? 'unknown' : 'not-applied',
    details: { url, token, ...(typeof highest === 'number' ? { highestToken: highest } : {}) },
  });
}

function unanswered(url: string, cause: unknown, signal: AbortSignal | null | undefined): ConclaveError {
  const details = { url };
  if (signal?.aborted) {
    const message = `The request to ${url} was aborted by its signal; it may have been carried out.`;
    return new ConclaveError('aborted', message, { cause, outcome: 'unknown', details });
  }
  const message = `${url} did not answer; it may have carried the request out: ${String(cause)}`;
  return new ConclaveError('unavailable', message, { cause, outcome: 'unknown', retryable: true, details });
}
