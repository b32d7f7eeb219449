import { corruptionFlags } from './corruption-options.ts';
import { securityFlags } from './security-flags.ts';

/** The flags of `conclave serve`: etcd's names, with etcd's meaning. */
export interface ServeFlag {
  readonly name: string;
  readonly argument: string;
  /** Shown in the help; the value itself is chosen in options.ts, as some defaults depend on other flags. */
  readonly defaultText: string;
  readonly description: string;
  /** Given without a value it means true. */
  readonly boolean?: true;
}

export const serveFlags = [
  {
    name: 'name',
    argument: 'NAME',
    defaultText: 'default',
    description: 'Human-readable name of this member.',
  },
  {
    name: 'data-dir',
    argument: 'PATH',
    defaultText: 'NAME.conclave',
    description: 'Folder of the data. One member, one folder, one process.',
  },
  {
    name: 'listen-peer-urls',
    argument: 'URLS',
    defaultText: 'http://127.0.0.1:2380',
    description: 'Where to listen for the other members.',
  },
  {
    name: 'listen-client-urls',
    argument: 'URLS',
    defaultText: 'http://127.0.0.1:2379',
    description: 'Where to listen for clients.',
  },
  {
    name: 'initial-advertise-peer-urls',
    argument: 'URLS',
    defaultText: '--listen-peer-urls',
    description: 'Where the other members reach this one.',
  },
  {
    name: 'advertise-client-urls',
    argument: 'URLS',
    defaultText: '--listen-client-urls',
    description: 'Where clients reach this member.',
  },
  {
    name: 'initial-cluster',
    argument: 'NAME=URL,…',
    defaultText: 'this member alone',
    description:
      'All members of the new cluster, the same on each of them; to join one, those to ask, and this one.',
  },
  {
    name: 'initial-cluster-state',
    argument: 'STATE',
    defaultText: 'new',
    description:
      "'new' makes a cluster of the members of --initial-cluster; 'existing' joins the one that they run. Ignored " +
      'where the data folder says who the member is.',
  },
  {
    name: 'initial-cluster-token',
    argument: 'TOKEN',
    defaultText: 'conclave-cluster',
    description: 'Keeps clusters with the same members apart.',
  },
  {
    name: 'heartbeat-interval',
    argument: 'MS',
    defaultText: '100',
    description: 'Time between heartbeats of the Raft leader, in milliseconds.',
  },
  {
    name: 'election-timeout',
    argument: 'MS',
    defaultText: 'adaptive, 150 to 1000',
    description: 'Silence after which a follower stands for election, in milliseconds. Given, it is fixed.',
  },
  {
    name: 'snapshot-count',
    argument: 'N',
    defaultText: '100000',
    description: 'Applied commands between two snapshots, and more where the store is large.',
  },
  {
    name: 'quota-backend-bytes',
    argument: 'BYTES',
    defaultText: '2 GiB',
    description: 'Stored bytes above which writes are refused until some are freed. Negative: no bound.',
  },
  {
    name: 'auto-compaction-mode',
    argument: 'MODE',
    defaultText: 'periodic',
    description: "What --auto-compaction-retention counts: 'periodic' time, 'revision' revisions.",
  },
  {
    name: 'auto-compaction-retention',
    argument: 'LENGTH',
    defaultText: '0, nothing is compacted',
    description: 'History that automatic compaction leaves: hours or a duration (5m), or revisions.',
  },
  {
    name: 'max-txn-ops',
    argument: 'N',
    defaultText: '128',
    description: 'Operations that a transaction may have.',
  },
  {
    name: 'max-request-bytes',
    argument: 'BYTES',
    defaultText: '1572864',
    description: 'Bytes that a request may have.',
  },
  {
    name: 'experimental-watch-progress-notify-interval',
    argument: 'TIME',
    defaultText: '10m',
    description: 'Time between notifications to quiet watches that asked for them.',
  },
  {
    name: 'auth-token',
    argument: 'KIND',
    defaultText: 'simple',
    description: "Kind of the tokens of users that are logged in: 'simple'.",
  },
  {
    name: 'auth-token-ttl',
    argument: 'SECONDS',
    defaultText: '300',
    description: 'How long a token lasts after its last use.',
  },
  {
    name: 'bcrypt-cost',
    argument: 'N',
    defaultText: '10',
    description:
      'Work of hashing a password, which doubles with each step. The function is scrypt: 10 takes 32 MiB.',
  },
  {
    name: 'log-level',
    argument: 'LEVEL',
    defaultText: 'info',
    description: 'debug, info, warn, error, panic or fatal.',
  },
  ...corruptionFlags,
  ...securityFlags,
] as const satisfies readonly ServeFlag[];

export type ServeFlagName = (typeof serveFlags)[number]['name'];

export const configFileFlag = 'config-file';

export function isServeFlag(name: string): name is ServeFlagName {
  return serveFlags.some((flag) => flag.name === name);
}

/** `--listen-peer-urls` is `CONCLAVE_LISTEN_PEER_URLS` in the environment. */
export function variableOf(flagName: string): string {
  return `CONCLAVE_${flagName.replaceAll('-', '_').toUpperCase()}`;
}

/** Variables of the other commands, and of what they start: not mistakes when `serve` sees them. */
export const otherVariables: ReadonlySet<string> = new Set([
  'CONCLAVE_ENDPOINTS',
  'CONCLAVE_CACERT',
  'CONCLAVE_CERT',
  'CONCLAVE_KEY',
  'CONCLAVE_USER',
  'CONCLAVE_INSECURE_SKIP_TLS_VERIFY',
  'CONCLAVE_TOKEN',
  'CONCLAVE_ELECTION',
  'CONCLAVE_HOLDER',
  'CONCLAVE_PEERS',
]);

/** etcd's flags that have no counterpart here yet: refused with a word on each, rather than as a typing error. */
const etcdOnlyFlags: readonly [pattern: RegExp, why: string][] = [
  [
    /^(peer-)?auto-tls$/,
    'certificates that nobody signed protect from nobody; make some (docs/guides/securing.md)',
  ],
  [/^tls-max-version$/, 'TLS 1.3 is never refused'],
  [/^discovery/, 'discovery is not offered; give --initial-cluster'],
  [/^metrics$/, 'all metrics are always there'],
  [/^enable-pprof$/, "profiles are Node's to make: see node --cpu-prof"],
  [
    /^(logger|log-outputs|log-package-levels|log-format|enable-log-rotation|log-rotation-config-json|debug)$/,
    'logs go to stderr; choose --log-level',
  ],
  [/^pre-vote$/, 'pre-vote is always on'],
  [/^(wal-dir|max-snapshots|max-wals|backend-)/, 'it sets something that is fixed here'],
  [/^initial-election-tick-advance$/, 'elections are quick at the start as it is'],
  [/^strict-reconfig-check$/, 'it is always so'],
  [/^host-whitelist$/, 'no page of another origin is answered unless --cors names it'],
  [
    /^(proxy|enable-v2|v2-deprecation|experimental-enable-v2v3)/,
    "etcd's v2 API and proxy are gone from etcd too",
  ],
  [/^force-new-cluster$/, 'start a new one from a backup: conclave snapshot restore'],
  [/^socket-reuse-/, 'one process listens on a port'],
  [/^(experimental-|feature-gates)/, 'it has no counterpart here'],
  [/^(raft-(read|write)-timeout|self-signed-cert-validity)$/, 'it sets something that is fixed here'],
  [
    /^(enable-grpc-gateway|listen-client-http-urls)$/,
    'gRPC and its JSON gateway share the client port, always',
  ],
  [/^unsafe-no-fsync$/, 'what is answered is on disk, always'],
];

/** Why a flag that etcd knows is refused; undefined for a flag that etcd does not know either. */
export function refusalOfEtcdFlag(name: string): string | undefined {
  return etcdOnlyFlags.find(([pattern]) => pattern.test(name))?.[1];
}

/**
 * etcd takes its flags with one dash too. The value of a flag that stands apart from it is left alone, whatever it
 * looks like.
 */
export function withDoubleDashes(words: readonly string[]): string[] {
  const result: string[] = [];
  for (let position = 0; position < words.length; position++) {
    const word = words[position] as string;
    const match = /^--?([a-z][a-z0-9-]+)(=.*)?$/s.exec(word);
    const name = match?.[1] ?? '';
    if (!isServeFlag(name) && name !== configFileFlag) {
      const shortened = /^-[a-z][a-z0-9-]+(=.*)?$/s.test(word) && refusalOfEtcdFlag(name) !== undefined;
      result.push(shortened ? `-${word}` : word);
      continue;
    }
    result.push(`--${name}${match?.[2] ?? ''}`);
    const value = words[position + 1];
    const flag: ServeFlag | undefined = serveFlags.find((candidate) => candidate.name === name);
    if (match?.[2] === undefined && flag?.boolean === true) {
      result[result.length - 1] += '=true';
    } else if (match?.[2] === undefined && value !== undefined) {
      result.push(value);
      position++;
    }
  }
  return result;
}
