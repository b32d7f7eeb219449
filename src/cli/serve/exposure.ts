import type { TlsOptions } from '../../runtime/index.ts';
import { type Endpoint, isLoopback } from '../urls.ts';

interface Side {
  readonly endpoints: readonly Endpoint[];
  readonly tls: TlsOptions | undefined;
}

/** What the log says loudly: addresses that others than this machine reach, and what they could do there. */
export function exposureWarnings({ peers, clients }: { peers: Side; clients: Side }): string[] {
  return [
    ...exposed('listen-peer-urls', '--peer-trusted-ca-file', peers, 'speak as a member of the cluster'),
    ...exposed('listen-client-urls', '--trusted-ca-file or users', clients, 'read and change everything'),
  ];
}

function exposed(flag: string, remedy: string, { endpoints, tls }: Side, what: string): string[] {
  const open = endpoints.filter(({ host }) => !isLoopback(host));
  return open.flatMap(({ url, secure }) => {
    if (!secure) {
      return [
        `--${flag}: ${url} is open to the network WITHOUT ENCRYPTION OR AUTHENTICATION: whoever reaches it can ` +
          `${what}. Keep it behind a firewall or on a private network, or use https:// (docs/guides/securing.md).`,
      ];
    }
    if (tls?.requireCertificate === true) return [];
    return [
      `--${flag}: ${url} is encrypted, but WITHOUT AUTHENTICATION by certificates: whoever reaches it can ${what}, ` +
        `unless something else stops them. Give ${remedy}.`,
    ];
  });
}
