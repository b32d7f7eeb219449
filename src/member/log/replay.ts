import type { Entry, GroupId } from '../../raft/types.ts';
import type { LogRecord } from './format.ts';
import { GroupLog } from './group-log.ts';
import type { StoredGroup } from './open.ts';
import { damaged } from './segment.ts';

interface Replayed {
  readonly state: GroupLog;
  /** Index of the first of `entries`. */
  firstIndex: number;
  entries: Entry[];
}

/** Puts groups together from the records of all segments, in order. */
export class Replay {
  readonly #folder: string;
  readonly #groups = new Map<GroupId, Replayed>();
  #firstSegment: number | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws ConclaveError 'data-damaged' where the record cannot follow the ones before. */
  apply(record: LogRecord, segment: number, offset: number): void {
    this.#firstSegment ??= segment;
    let group = this.#groups.get(record.group);
    if (group === undefined) {
      group = { state: new GroupLog(record.group), firstIndex: 1, entries: [] };
      this.#groups.set(record.group, group);
    }
    const { state } = group;
    // The head of the oldest segment: entries before it were in segments that are gone. If they are still needed,
    // `finish` notices.
    const beginsLater =
      record.kind === 'position' && segment === this.#firstSegment && group.entries.length === 0;
    const objection = beginsLater ? undefined : state.objection(record);
    if (objection !== undefined) throw damaged(this.#folder, segment, offset, objection);
    state.apply(record, segment);
    if (record.kind === 'position') {
      if (beginsLater) group.firstIndex = record.lastIndex + 1;
    } else if (record.kind === 'entries') extend(group, record.entries);
    else if (record.kind === 'snapshot') dropCovered(group);
  }

  /** @throws ConclaveError 'data-damaged' where entries are missing. */
  finish(oldestSegment: number): Map<GroupId, StoredGroup> {
    const stored = new Map<GroupId, StoredGroup>();
    for (const [id, { state, entries, firstIndex }] of this.#groups) {
      const expected = (state.snapshot?.index ?? 0) + 1;
      const missing = entries.length === 0 ? state.lastIndex >= expected : firstIndex !== expected;
      if (missing) {
        const range = `group ${id} needs its entries from ${expected} on, which were in it`;
        throw damaged(this.#folder, Math.max(1, oldestSegment - 1), 0, `it is missing, and ${range}`);
      }
      stored.set(id, { hardState: state.hardState, snapshot: state.snapshot, entries });
    }
    return stored;
  }

  groups(): Map<GroupId, GroupLog> {
    return new Map([...this.#groups].map(([id, { state }]) => [id, state]));
  }
}

function extend(group: Replayed, entries: readonly Entry[]): void {
  const first = entries[0]?.index;
  if (first === undefined) return;
  if (first < group.firstIndex) {
    group.firstIndex = first;
    group.entries = [];
  }
  group.entries.length = first - group.firstIndex;
  for (const entry of entries) group.entries.push(entry);
}

function dropCovered(group: Replayed): void {
  const snapshotIndex = group.state.snapshot?.index ?? 0;
  if (group.state.lastIndex === snapshotIndex) {
    group.entries = [];
    group.firstIndex = snapshotIndex + 1;
  } else if (group.firstIndex <= snapshotIndex) {
    group.entries.splice(0, snapshotIndex + 1 - group.firstIndex);
    group.firstIndex = snapshotIndex + 1;
  }
}
