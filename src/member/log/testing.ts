import type { Entry, GroupId, SnapshotMeta } from '../../raft/types.ts';
import type { MemoryDisk } from '../../runtime/testing.ts';
import { crc32 } from './crc32.ts';
import type { LogOptions, LogWrite, StoredGroup } from './index.ts';
import { openLog } from './index.ts';

/** For tests: what a log must hold after each of the writes that it was given. */
export class LogModel {
  readonly #groups = new Map<GroupId, StoredGroup>();

  constructor(groups: ReadonlyMap<GroupId, StoredGroup> = new Map()) {
    for (const [id, group] of groups) this.#groups.set(id, { ...group, entries: [...group.entries] });
  }

  group(id: GroupId): StoredGroup {
    return (
      this.#groups.get(id) ?? {
        hardState: { term: 0, votedFor: 0, commitIndex: 0 },
        snapshot: undefined,
        entries: [],
      }
    );
  }

  lastIndex(id: GroupId): number {
    const { snapshot, entries } = this.group(id);
    return (snapshot?.index ?? 0) + entries.length;
  }

  after(write: LogWrite): LogModel {
    const next = new LogModel(this.#groups);
    let { hardState, snapshot, entries } = next.group(write.group);
    if (write.snapshot !== undefined) {
      const { index } = write.snapshot;
      entries = write.keepsLog ? entries.filter((entry) => entry.index > index) : [];
      snapshot = write.snapshot;
    }
    const first = write.entries[0]?.index;
    if (first !== undefined) entries = [...entries.filter((entry) => entry.index < first), ...write.entries];
    hardState = write.hardState ?? hardState;
    next.#groups.set(write.group, { hardState, snapshot, entries });
    return next;
  }

  /** To compare by: one line for each group, with a checksum in place of data. */
  toString(): string {
    const lines = [...this.#groups]
      .sort(([a], [b]) => a - b)
      .map(([id, { hardState, snapshot, entries }]) => {
        const state = `${hardState.term}/${hardState.votedFor}/${hardState.commitIndex}`;
        const logged = entries.map(
          ({ index, term, kind, data }) => `${index}.${term}${kind[1]}${crc32(data)}`,
        );
        return `group ${id}: ${state}, snapshot ${JSON.stringify(snapshot)}, ${logged.join(' ')}`;
      });
    return lines.join('\n');
  }
}

export const logFolder = '/data/log';

export function logOptions(disk: MemoryDisk, segmentBytes?: number): LogOptions {
  const random = { unit: () => 0.5, bytes: (length: number) => new Uint8Array(length).fill(0x5a) };
  return {
    disk,
    folder: logFolder,
    clusterId: 7,
    memberId: 3,
    random,
    ...(segmentBytes ? { segmentBytes } : {}),
  };
}

/** Opens the log as a member that starts would, with the folders above it durable. */
export async function openTestLog(disk: MemoryDisk, segmentBytes?: number): ReturnType<typeof openLog> {
  await disk.makeFolder(logFolder);
  await disk.syncFolder('/');
  await disk.syncFolder('/data');
  return openLog(logOptions(disk, segmentBytes));
}

export function entriesOf(first: number, term: number, ...data: readonly string[]): Entry[] {
  const encoder = new TextEncoder();
  return data.map((text, at) => ({ index: first + at, term, kind: 'command', data: encoder.encode(text) }));
}

export function snapshotAt(index: number, term: number): SnapshotMeta {
  return { index, term, configuration: { voters: [1, 2, 3] } };
}
