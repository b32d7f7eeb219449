// Other people's programs that tests run against ours. Where one is not installed its tests are skipped by name
// with the reason; with CONCLAVE_PEERS=required (as CI sets it) they fail instead.
import { accessSync, constants, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** What to install where a peer is missing. */
const packages = {
  etcd: 'etcd-server',
  etcdctl: 'etcd-client',
  mariadbd: 'mariadb-server',
  postgres: 'postgresql',
  'redis-server': 'redis-server',
  strace: 'strace',
} as const;

/** Where Debian puts servers that it does not put on PATH. */
const serverFolders = [...globSync('/usr/lib/postgresql/*/bin'), '/usr/sbin'];

export type PeerName = keyof typeof packages;

export type Peer =
  | { readonly path: string; readonly missing: undefined }
  | { readonly path: undefined; readonly missing: string };

/** Where the program is, or why a test that needs it cannot run. @throws Error where peers are required. */
export function peer(name: PeerName): Peer {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...serverFolders]) {
    const path = join(folder, name);
    if (folder !== '' && isExecutable(path)) return { path, missing: undefined };
  }
  const missing = `${name} is not on PATH (Debian: apt-get install ${packages[name]})`;
  if (process.env.CONCLAVE_PEERS === 'required') throw new Error(`${missing}, and CONCLAVE_PEERS=required`);
  return { path: undefined, missing };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
