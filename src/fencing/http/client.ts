/** Sends a leader's token along with its requests. */
import { ConclaveError, type ErrorCode, errorCodes } from '../../errors/index.ts';
import { checkLeadership, type FencedLeadership } from '../writer.ts';
import { fencingHeaders, writeHeaders } from './headers.ts';

export interface FencedFetchOptions {
  /** Default: the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

const conditional = ['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'];

/**
 * A `fetch` whose requests carry the token and election of this leadership in `Fencing-Token` and `Fencing-Election`.
 *
 * It throws where the server refuses the token: 'stale-token' for 412 (not where the request is conditional by headers
 * of its own and the answer is not from our middleware: that response is returned), 'failed-precondition' for a resource
 * that is guarded by another election, and whatever else a `Fencing-Error` header says. Further: 'not-leading' from
 * `assertHeld()`, before anything is sent; 'invalid-argument' for a URL; 'aborted' and 'unavailable' with outcome
 * 'unknown', since the server may have carried the request out. Every other response is returned as it is.
 * @throws at once: 'unsupported' for tokens that cannot fence; 'invalid-argument'.
 *
 * Not protected: a server that does not compare tokens. Headers alone change nothing.
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
    throw await refused(url, code, response, writer.token);
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

async function refused(
  url: string,
  code: ErrorCode,
  response: Response,
  token: number,
): Promise<ConclaveError> {
  const body: unknown = await response.json().catch(() => undefined);
  const { message, retryable, details } = (typeof body === 'object' && body !== null ? body : {}) as {
    readonly [name: string]: unknown;
  };
  const highest = (details as { readonly highestToken?: unknown } | undefined)?.highestToken;
  const reason = typeof message === 'string' ? message : `its answer is ${response.status}`;
  return new ConclaveError(code, `${url} refuses token ${token}: ${reason}`, {
    retryable: retryable === true,
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
