/** Where the offline commands meet the member's own reading and writing of backups. */
import {
  type BackupDescription,
  openBackup,
  type RestoredMember,
  restoreBackup,
} from '../../member/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import type { MemberIdentity } from '../serve/options.ts';

export interface BackupReport {
  readonly description: BackupDescription;
  /** Of the keys and their history, in hexadecimal: what HashKV says of a member at that revision. */
  readonly hash: string;
  readonly revision: number;
  readonly compactRevision: number;
  readonly keys: number;
  readonly leases: number;
  readonly sizeBytes: number;
  readonly sha256: string;
}

const everyKey = Uint8Array.of(0);

export async function describeBackup(path: string): Promise<BackupReport> {
  const { description, sizeBytes, sha256, load } = await openBackup(nodeRuntime().disk, path);
  const keyspace = await load();
  const counted = keyspace.range({
    ...{ key: everyKey, rangeEnd: everyKey, limit: 0, revision: 0, sortOrder: 'none', sortTarget: 'key' },
    ...{ keysOnly: true, countOnly: true, minModRevision: 0, maxModRevision: 0 },
    ...{ minCreateRevision: 0, maxCreateRevision: 0 },
  });
  const hashed = keyspace.hashAt(0);
  const { revision, compactRevision, leaseCount } = keyspace;
  return {
    ...{ description, revision, compactRevision, leases: leaseCount, sizeBytes, sha256 },
    hash: 'failed' in hashed ? '' : hashed.hash.toString(16).padStart(8, '0'),
    keys: 'failed' in counted ? 0 : counted.count,
  };
}

export function restore(path: string, options: MemberIdentity): Promise<RestoredMember> {
  const { name, dataDir, initialCluster, initialClusterToken } = options;
  return restoreBackup({
    ...{ path, name, dataDir, initialCluster, initialClusterToken },
    runtime: nodeRuntime(),
  });
}
