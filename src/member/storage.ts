import { ConclaveError } from '../errors/index.ts';
import type { RaftStored } from '../raft/index.ts';
import { type DataFolder, openDataFolder } from './folder.ts';
import { openLog, type SharedLog } from './log/index.ts';
import type { MemberSetup } from './options.ts';
import { recoverGroup } from './recovery.ts';
import { SnapshotStore } from './snapshots/index.ts';

/** What a member has on disk, opened, checked and brought together. */
export interface Storage {
  readonly folder: DataFolder;
  readonly log: SharedLog;
  readonly snapshots: SnapshotStore;
  readonly stored: RaftStored;
  /** Durable when it resolves: no member starts on this folder again. */
  markCorrupt(why: string): Promise<void>;
  /** As `DataFolder.markVacant`. Never rejects: without the mark, whoever starts here next is told to move the folder. */
  markVacant(): Promise<void>;
  /** Never rejects: what cannot be closed is logged. */
  close(): Promise<void>;
}

/**
 * @throws ConclaveError 'data-locked', 'data-incompatible', 'data-damaged', 'disk-failed', 'disk-full'; nothing is
 * left open then.
 */
export async function openStorage(setup: MemberSetup, group: number): Promise<Storage> {
  const { clusterId, memberId, name, dataDir, logger } = setup;
  const { disk, random } = setup.runtime;
  const corruptMark = `${dataDir}/corrupt`;
  const markCorrupt = async (why: string) => {
    await using file = await disk.open(corruptMark, { create: true, ownerOnly: true });
    await file.writeAt(0, [new TextEncoder().encode(`${why}\n`)]);
    await file.sync();
    await disk.syncFolder(dataDir);
  };
  const members = setup.members.map((one) => ({
    memberId: one.memberId,
    name: one.name,
    peerUrls: one.peerUrls,
  }));
  const kept = { members, joined: setup.joins };
  const folder = await openDataFolder({ disk, path: dataDir, clusterId, memberId, name, ...kept });
  const markVacant = () =>
    folder
      .markVacant()
      .catch((error: unknown) =>
        logger.warn({ error: String(error) }, 'Marking the folder as vacant failed.'),
      );
  let log: SharedLog | undefined;
  const close = async () => {
    await log
      ?.close()
      .catch((error: unknown) => logger.warn({ error: String(error) }, 'Closing the log failed.'));
    await folder
      .close()
      .catch((error: unknown) => logger.warn({ error: String(error) }, 'Unlocking the data folder failed.'));
  };
  try {
    if (await disk.exists(corruptMark)) {
      const why = new TextDecoder().decode(await disk.read(corruptMark)).trim();
      throw new ConclaveError('data-damaged', `The data folder '${dataDir}' was taken out of use. ${why}`, {
        details: { path: dataDir },
      });
    }
    // A member that ran before and finds no log has lost its votes: it must not start as if it were new.
    const expectExisting = !folder.fresh;
    const opened = await openLog({
      disk,
      folder: `${dataDir}/log`,
      clusterId,
      memberId,
      segmentBytes: setup.logSegmentBytes,
      expectExisting,
      random,
    });
    log = opened.log;
    if (opened.repaired) {
      logger.warn(
        { ...opened.repaired },
        'A torn tail of the log was cut: a crash interrupted its last write.',
      );
    }
    const snapshots = new SnapshotStore({ disk, folder: `${dataDir}/snapshots` });
    await snapshots.start();
    // Both may have made their folders just now: without their names, what will be synced in them is lost all the same.
    await disk.syncFolder(dataDir);
    const stored = await recoverGroup(opened.groups.get(group), group, snapshots);
    const { hardState, snapshot } = stored;
    const mark = { group, hardState, entries: [], keepsLog: stored.entries.length > 0 };
    // A snapshot file may be newer than the log knows: the log must hear of it before anything is appended.
    if (snapshot) await log.append([{ ...mark, snapshot }], { sync: true });
    return { folder, log, snapshots, stored, markCorrupt, markVacant, close };
  } catch (error) {
    await close();
    throw error;
  }
}
