/** What goes over the wire: two headers of a request, one of a refusal. */
import { ConclaveError } from '../../errors/index.ts';

/**
 * `token` and `election` are of requests: the token in decimal digits, and the election's name, percent-encoded as by
 * `encodeURIComponent` (optional). `error` is of refusals: the code that their JSON body has, too.
 */
export const fencingHeaders = {
  token: 'fencing-token',
  election: 'fencing-election',
  error: 'fencing-error',
} as const;

export interface TokenOfRequest {
  readonly token: number;
  /** '': not named. */
  readonly election: string;
}

const longestName = 4096;

/** undefined: the request has no token. @throws 'invalid-argument' for headers that are malformed. */
export function readHeaders(header: (name: string) => string | undefined): TokenOfRequest | undefined {
  const [token, election] = [header(fencingHeaders.token), header(fencingHeaders.election)];
  if (token === undefined) {
    if (election === undefined) return undefined;
    throw malformed('Fencing-Election came without Fencing-Token');
  }
  if (!/^(0|[1-9]\d{0,15})$/.test(token) || !Number.isSafeInteger(Number(token))) {
    throw malformed('Fencing-Token must be a whole number from 0 to 2^53 - 1, once, in decimal digits');
  }
  return { token: Number(token), election: decodeName(election ?? '') };
}

export function writeHeaders(headers: Headers, { token, election }: TokenOfRequest): void {
  headers.set(fencingHeaders.token, String(token));
  if (election === '') headers.delete(fencingHeaders.election);
  else headers.set(fencingHeaders.election, encodeURIComponent(election));
}

function decodeName(encoded: string): string {
  // What encodeURIComponent leaves as it is. A comma: the header came twice.
  if (encoded.length > longestName || !/^[A-Za-z0-9\-_.!~*'()%]*$/.test(encoded)) {
    throw malformed('Fencing-Election must be one name, percent-encoded, of at most 4096 characters');
  }
  try {
    return decodeURIComponent(encoded);
  } catch {
    throw malformed('Fencing-Election is not percent-encoded UTF-8');
  }
}

function malformed(what: string): ConclaveError {
  return new ConclaveError('invalid-argument', `${what}.`);
}
