import type { ServeFlag } from './flags.ts';

/** Flags of `serve` that say who may connect, how, and how much: etcd's names and meaning, but the last ones. */
export const securityFlags = [
  { name: 'cert-file', argument: 'PATH', defaultText: 'none', description: 'Certificate for clients (PEM).' },
  { name: 'key-file', argument: 'PATH', defaultText: 'none', description: 'Key of --cert-file (PEM).' },
  {
    name: 'trusted-ca-file',
    argument: 'PATH',
    defaultText: 'none',
    description: 'Authority of the certificates that clients must then show (PEM).',
  },
  {
    name: 'client-cert-auth',
    argument: 'BOOLEAN',
    defaultText: 'false',
    description: 'Clients show a certificate, and without a token each is the user of its common name.',
    boolean: true,
  },
  {
    name: 'client-cert-allowed-cn',
    argument: 'NAMES',
    defaultText: 'any',
    description: "Common names of the clients' certificates that are let in.",
  },
  {
    name: 'client-cert-allowed-hostname',
    argument: 'NAMES',
    defaultText: 'any',
    description: "Hosts of the clients' certificates that are let in.",
  },
  {
    name: 'client-crl-file',
    argument: 'PATH',
    defaultText: 'none',
    description: "Which of the clients' certificates are revoked: lists of --trusted-ca-file's authorities.",
  },
  {
    name: 'peer-cert-file',
    argument: 'PATH',
    defaultText: 'none',
    description: 'Certificate for the other members, shown by both sides (PEM).',
  },
  {
    name: 'peer-key-file',
    argument: 'PATH',
    defaultText: 'none',
    description: 'Key of --peer-cert-file (PEM).',
  },
  {
    name: 'peer-trusted-ca-file',
    argument: 'PATH',
    defaultText: 'none',
    description: "Authority of the other members' certificates, which they must then show (PEM).",
  },
  {
    name: 'peer-client-cert-auth',
    argument: 'BOOLEAN',
    defaultText: 'true with --peer-trusted-ca-file',
    description: 'Whether members that connect must show a certificate.',
    boolean: true,
  },
  {
    name: 'peer-cert-allowed-cn',
    argument: 'NAMES',
    defaultText: 'any',
    description: "Common names of the members' certificates that are let in.",
  },
  {
    name: 'peer-cert-allowed-hostname',
    argument: 'NAMES',
    defaultText: 'any',
    description: "Hosts of the members' certificates that are let in.",
  },
  {
    name: 'peer-crl-file',
    argument: 'PATH',
    defaultText: 'none',
    description:
      "Which of the members' certificates are revoked: lists of --peer-trusted-ca-file's authorities.",
  },
  {
    name: 'cipher-suites',
    argument: 'NAMES',
    defaultText: "Node's",
    description: "Cipher suites of TLS, by OpenSSL's or etcd's names, with commas.",
  },
  {
    name: 'tls-min-version',
    argument: 'VERSION',
    defaultText: 'TLS1.2',
    description: 'TLS1.2 or TLS1.3.',
  },
  {
    name: 'front-ends',
    argument: 'N',
    defaultText: '0',
    description:
      'Threads that hold the connections of clients, for machines with cores to spare; 0: the one of the member does.',
  },
  {
    name: 'max-connections',
    argument: 'N',
    defaultText: '10000',
    description: 'Connections of clients to each address, above which new ones are closed at once.',
  },
  {
    name: 'max-concurrent-streams',
    argument: 'N',
    defaultText: '10000',
    description: 'Calls at one time on a gRPC connection.',
  },
  {
    name: 'max-resets-per-second',
    argument: 'N',
    defaultText: '100',
    description:
      'Calls that a client may give up each second on a gRPC connection, after ten times as many; above, it is cut off.',
  },
  {
    name: 'max-incomplete-bytes',
    argument: 'BYTES',
    defaultText: '268435456',
    description:
      'Bytes of requests that are not complete, on all gRPC connections; above, who holds most is cut off.',
  },
  {
    name: 'max-unread-bytes',
    argument: 'BYTES',
    defaultText: '268435456',
    description:
      'Bytes of answers that the client of a gRPC connection does not read; above, large answers fail.',
  },
  {
    name: 'grpc-keepalive-interval',
    argument: 'DURATION',
    defaultText: '2h',
    description: 'A gRPC connection on which nothing came for so long is asked whether it lives.',
  },
  {
    name: 'grpc-keepalive-timeout',
    argument: 'DURATION',
    defaultText: '20s',
    description: 'It has so long to answer.',
  },
  {
    name: 'grpc-keepalive-min-time',
    argument: 'DURATION',
    defaultText: '5s',
    description:
      'Clients may ping no more often than this, and hardly at all without an open call; who does is cut off (too_many_pings).',
  },
  {
    name: 'listen-metrics-urls',
    argument: 'URLS',
    defaultText: 'none',
    description: 'Where to serve /metrics and /health besides, and nothing else.',
  },
  {
    name: 'cors',
    argument: 'ORIGINS',
    defaultText: 'none',
    description: "Web pages that may call the JSON gateway, by their origins; '*' for all.",
  },
] as const satisfies readonly ServeFlag[];
