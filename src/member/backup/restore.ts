import { ConclaveError } from '../../errors/index.ts';
import type { Runtime } from '../../runtime/index.ts';
import { openDataFolder } from '../folder.ts';
import { hexId, type InitialMember, setUp } from '../options.ts';
import { SnapshotStore } from '../snapshots/index.ts';
import { openBackup } from './read.ts';

export interface RestoreOptions {
  /** The backup. */
  readonly path: string;
  /** Of the new cluster; see MemberOptions. */
  readonly name: string;
  readonly dataDir: string;
  readonly initialCluster: readonly InitialMember[];
  readonly initialClusterToken: string;
  readonly runtime: Runtime;
}

export interface RestoredMember {
  readonly clusterId: number;
  readonly memberId: number;
  readonly revision: number;
  /** Equal on all members that were restored from the same backup. */
  readonly stateHash: number;
}

const firstGroup = 1;

/**
 * Makes the data folder of one member of a new cluster out of a backup. Each member is restored by itself, from the
 * same backup and with the same initial cluster and token. The folder is there whole or not at all.
 *
 * @throws ConclaveError as `openBackup`; 'already-exists' for a folder that is there; 'invalid-argument' where the new
 * cluster would have the id of the old one; 'disk-full'.
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoredMember> {
  const { dataDir, name, runtime, initialCluster, initialClusterToken } = options;
  const { disk } = runtime;
  const setup = setUp({
    ...{ name, dataDir, initialCluster, initialClusterToken, runtime },
    ...{ peerListenUrls: [], clientAdvertiseUrls: [] },
  });
  if (await disk.exists(dataDir)) {
    throw new ConclaveError(
      'already-exists',
      `The data folder '${dataDir}' is there already, and a restore never writes over one. Give another --data-dir, ` +
        'or move it away.',
      { details: { path: dataDir } },
    );
  }
  const backup = await openBackup(disk, options.path);
  if (backup.description.clusterId === setup.clusterId) {
    throw new ConclaveError(
      'invalid-argument',
      `The restored cluster would have the id of the one that was backed up (${hexId(setup.clusterId)}), so that ` +
        'members and clients of the two could be mixed up. Give an --initial-cluster-token that was not used before.',
    );
  }
  const keyspace = await backup.load();
  keyspace.beginAnew();
  const folder = `${dataDir}.restoring-${Buffer.from(runtime.random.bytes(4)).toString('hex')}`;
  const { clusterId, memberId, members } = setup;
  const known = members.map((one) => ({ memberId: one.memberId, name: one.name, peerUrls: one.peerUrls }));
  const data = await openDataFolder({ disk, path: folder, clusterId, memberId, name, members: known });
  try {
    const snapshots = new SnapshotStore({ disk, folder: `${folder}/snapshots` });
    await snapshots.start();
    const configuration = { voters: members.map((member) => member.memberId) };
    const sink = await snapshots.create(firstGroup, { ...backup.meta, configuration });
    const reader = keyspace.snapshot();
    for (let chunk = reader.next(); chunk !== undefined; chunk = reader.next()) await sink.write(chunk);
    await sink.finish();
    await disk.syncFolder(folder);
  } finally {
    await data.close();
  }
  await disk.rename(folder, dataDir);
  await disk.syncFolder(dataDir.replace(/\/*[^/]+\/*$/, '') || (dataDir.startsWith('/') ? '/' : '.'));
  return { clusterId, memberId, revision: keyspace.revision, stateHash: keyspace.stateHash() };
}
