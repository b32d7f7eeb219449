import { CommandFailure } from './failure.ts';

/** One endpoint of a flag, checked and in one spelling: no path, no trailing slash, the port always there. */
export interface Endpoint {
  readonly url: string;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** https:// */
  readonly secure: boolean;
}

/** Reads the comma-separated URLs of a flag. `origin` names the flag, variable or key that they came from. */
export function parseEndpoints(text: string, origin: string): Endpoint[] {
  const parts = text.split(',').map((part) => part.trim());
  return parts.map((part) => parseEndpoint(part, origin));
}

export function parseEndpoint(text: string, origin: string): Endpoint {
  if (text === '')
    throw new CommandFailure('usage', `${origin}: an empty URL. Write it as http://HOST:PORT.`);
  const match = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i.exec(text);
  const scheme = match?.[1]?.toLowerCase();
  if (scheme === undefined) {
    throw new CommandFailure('usage', `${origin}: '${text}' has no scheme. Write it as http://HOST:PORT.`);
  }
  if (scheme !== 'http' && scheme !== 'https') {
    throw new CommandFailure(
      'usage',
      `${origin}: '${text}' has the scheme '${scheme}'; only http and https are offered.`,
    );
  }
  const authority = (match?.[2] ?? '').replace(/\/$/, '');
  const parsed = /^(\[[0-9a-f:.%]+\]|[^:/?#@[\]\s]+):(\d{1,5})$/i.exec(authority);
  const port = Number(parsed?.[2]);
  if (parsed === null || port < 1 || port > 65_535) {
    throw new CommandFailure(
      'usage',
      `${origin}: '${text}' is malformed. Write it as http://HOST:PORT, with a port from 1 to 65535 and no path.`,
    );
  }
  const spelt = (parsed[1] ?? '').toLowerCase();
  const secure = scheme === 'https';
  return { url: `${scheme}://${spelt}:${port}`, host: spelt.replace(/^\[|\]$/g, ''), port, secure };
}

/** Endpoints of a client: like parseEndpoints, and a bare HOST:PORT will do, as in etcdctl. */
export function parseClientEndpoints(
  text: string,
  origin: string,
  scheme: 'http' | 'https' = 'http',
): string[] {
  const parts = text.split(',').map((part) => part.trim());
  return parts.map(
    (part) => parseEndpoint(part.includes('://') || part === '' ? part : `${scheme}://${part}`, origin).url,
  );
}

/** Whether nobody beyond this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host) || host === '::ffff:127.0.0.1'
  );
}

/** Listening here means all interfaces: nobody can connect to such an address, so it cannot be advertised. */
export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === '::0';
}

/** A listen URL names an interface of this machine, so its host must be an IP address, or localhost. */
export function requireBindable(endpoint: Endpoint, origin: string): void {
  const isIpv4 = /^\d{1,3}(\.\d{1,3}){3}$/.test(endpoint.host);
  if (isIpv4 || endpoint.host.includes(':') || endpoint.host === 'localhost') return;
  throw new CommandFailure(
    'usage',
    `${origin}: '${endpoint.url}' names a host; listen URLs take an IP address of this machine, or localhost.`,
  );
}

/** For comparing endpoints: localhost and 127.0.0.1 are one. */
export function comparable(url: string): string {
  return url.replace('//localhost:', '//127.0.0.1:');
}
