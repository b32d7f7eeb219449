import type { HeaderField } from './hpack/decoder.ts';

/** The headers of one request. Requests with the same headers share one. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly scheme: string;
  readonly authority: string;
  /** All but the pseudo-headers. */
  readonly fields: readonly HeaderField[];
  readonly contentLength: number | undefined;
  /** For whoever serves it: what it has worked out from the headers, once. */
  prepared?: unknown;
}

const pseudoHeaders = [':method', ':path', ':scheme', ':authority'];
/** They speak of one connection, and have no place in HTTP/2 (§8.2.2). */
const ofConnections = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);
/** What a value must not have (§8.2.1). */
const badValue = /[\0\r\n]|^[\t ]|[\t ]$/;
const goodName = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/** What the fields ask for, or undefined where they are malformed (RFC 9113 §8.2 and §8.3). */
export function requestHead(all: readonly HeaderField[]): RequestHead | undefined {
  const pseudo = new Map<string, string>();
  const fields: HeaderField[] = [];
  for (const field of all) {
    const [name, value] = field;
    if (badValue.test(value)) return undefined;
    if (name.startsWith(':')) {
      if (fields.length > 0 || pseudo.has(name) || !pseudoHeaders.includes(name)) return undefined;
      pseudo.set(name, value);
    } else {
      if (!goodName.test(name) || ofConnections.has(name)) return undefined;
      if (name === 'te' && value !== 'trailers') return undefined;
      fields.push(field);
    }
  }
  const method = pseudo.get(':method');
  const path = pseudo.get(':path');
  const scheme = pseudo.get(':scheme');
  if (method === undefined || !path || scheme === undefined) return undefined;
  const length = fields.find(([name]) => name === 'content-length')?.[1];
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return undefined;
  const contentLength = length === undefined ? undefined : Number(length);
  return { method, path, scheme, authority: pseudo.get(':authority') ?? '', fields, contentLength };
}

/** Whether the fields may stand after a request's content. */
export function areTrailers(fields: readonly HeaderField[]): boolean {
  return fields.every(([name, value]) => goodName.test(name) && !badValue.test(value));
}
