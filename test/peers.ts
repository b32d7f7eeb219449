// Other people's programs that tests run against ours. Where one is not installed its tests are skipped by name
// with the reason; with CONCLAVE_PEERS=required (as CI sets it) they fail instead.
import { accessSync, constants, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const pythonPeers = 'python3 -m venv .peers && .peers/bin/pip install -r test/servers/requirements.txt';

/** How to install a peer that is missing. */
const installs = {
  curl: 'Debian: apt-get install curl',
  etcd: 'Debian: apt-get install etcd-server',
  etcdctl: 'Debian: apt-get install etcd-client',
  go: 'https://go.dev/dl or Debian: apt-get install golang-go',
  h2spec:
    'with Go: GOBIN=$PWD/.peers/bin go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible',
  java: 'Debian: apt-get install default-jre-headless',
  javac: 'Debian: apt-get install default-jdk-headless',
  mariadbd: 'Debian: apt-get install mariadb-server',
  moto_server: pythonPeers,
  openssl: 'Debian: apt-get install openssl',
  'nats-server': 'Debian: apt-get install nats-server',
  nghttp: 'Debian: apt-get install nghttp2-client',
  patroni: 'Debian: apt-get install patroni',
  patronictl: 'Debian: apt-get install patroni',
  pgbouncer: 'Debian: apt-get install pgbouncer',
  postgres: 'Debian: apt-get install postgresql',
  'redis-server': 'Debian: apt-get install redis-server',
  'secantusd-py': pythonPeers,
  strace: 'Debian: apt-get install strace',
} as const;

/** What takes too long to install for every run of CI: nowhere required. */
const optionalInstalls = {
  consul: 'with Go: .ci/go-servers',
  'kube-apiserver': 'with Go: .ci/go-servers',
} as const;

/** Where servers are that are not on PATH. */
const serverFolders = [
  ...globSync('/usr/lib/postgresql/*/bin'),
  '/usr/sbin',
  join(import.meta.dirname, '../.peers/bin'),
];

export type PeerName = keyof typeof installs;
export type OptionalPeerName = keyof typeof optionalInstalls;

export type Peer =
  | { readonly path: string; readonly missing: undefined }
  | { readonly path: undefined; readonly missing: string };

/** Where the program is, or why a test that needs it cannot run. @throws Error where peers are required. */
export function peer(name: PeerName): Peer {
  const found = find(name, installs[name]);
  if (found.missing !== undefined && process.env.CONCLAVE_PEERS === 'required') {
    throw new Error(`${found.missing}, and CONCLAVE_PEERS=required`);
  }
  return found;
}

/** As `peer`, but never required. */
export function optionalPeer(name: OptionalPeerName): Peer {
  return find(name, optionalInstalls[name]);
}

function find(name: string, install: string): Peer {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...serverFolders]) {
    const path = join(folder, name);
    if (folder !== '' && isExecutable(path)) return { path, missing: undefined };
  }
  return { path: undefined, missing: `${name} is not installed (${install})` };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
