/**
 * Writes the state as it was when the snapshot was taken, a frame at a time, while later entries are applied. That
 * needs no copy of the keys: records are only added, and their dropping waits while a snapshot is open. Leases are
 * copied at once, in columns; a client is copied when it is about to change before its turn has come.
 *
 * Extended tokens are copied as references, since each extension makes another object.
 *
 * Two replicas at the same index write the same bytes.
 */
import { type Alarm, writeAlarm } from './alarms.ts';
import { type ExtendedToken, writeTokens, writeUsersAndRoles } from './auth/index.ts';
import { copyBytes, encodeUtf8 } from './bytes.ts';
import type { Client } from './clients.ts';
import { Writer } from './encoding.ts';
import { closeFrame, frameTargetBytes, openFrame, section, snapshotMagic } from './snapshot-format.ts';
import type { State } from './state.ts';
import type { Store } from './store.ts';
import { none, rowInPage, tombstoneLength } from './tables.ts';
import type { SnapshotReader } from './types.ts';

const tokensInOneFrame = 4096;

class LeaseColumns {
  readonly ids: BigInt64Array;
  readonly numbers: Float64Array;

  constructor(state: State) {
    this.ids = new BigInt64Array(state.leases.count);
    this.numbers = new Float64Array(state.leases.count * 4);
    let i = 0;
    for (const lease of state.leases.all()) {
      this.ids[i] = lease.id;
      this.numbers[i * 4] = lease.ttlMs;
      this.numbers[i * 4 + 1] = lease.deadlineMs;
      this.numbers[i * 4 + 2] = lease.attachment;
      this.numbers[i * 4 + 3] = lease.attached ? 1 : 0;
      i++;
    }
  }
}

export class StateSnapshot implements SnapshotReader {
  readonly appliedIndex: number;
  private readonly onClose: (snapshot: StateSnapshot) => void;
  private readonly state: State;
  private readonly timeMs: number;
  private readonly revision: number;
  private readonly compactRevision: number;
  private readonly nextIncarnation: number;
  private readonly alarms: readonly Alarm[];
  private readonly leases: LeaseColumns;
  private readonly clients: readonly Client[];
  /** Clients that changed since, as they were; undefined once written. */
  private readonly preserved = new Map<Client, Uint8Array>();
  private readonly tail: number;
  private readonly usersAndRoles: Uint8Array;
  private readonly tokens: readonly ExtendedToken[];
  private readonly writer = new Writer(frameTargetBytes + 4096);
  private current: number = section.header;
  /** Next item of the current section: a number, or for the base the key after which to go on. */
  private position = 0;
  private afterKey: Uint8Array | undefined;
  /** In the base: the key whose records were gone through last, and how far. */
  private walked = none;
  private walkedTo = none;
  private baseCount = 0;
  private historyCount = 0;
  private closed = false;

  constructor(state: State, onClose: (snapshot: StateSnapshot) => void) {
    const { store, clients } = state;
    this.onClose = onClose;
    this.state = state;
    this.appliedIndex = state.appliedIndex;
    this.timeMs = state.timeMs;
    this.revision = store.revision;
    this.compactRevision = store.compactRevision;
    this.nextIncarnation = clients.nextIncarnation;
    this.alarms = state.alarms.all;
    this.leases = new LeaseColumns(state);
    this.clients = [...clients.inOrderOfUse()];
    this.tail = store.history.tail;
    this.usersAndRoles = usersAndRoles(state);
    this.tokens = [...state.auth.tokens.all()];
    store.openSnapshots++;
  }

  isOf(state: State): boolean {
    return this.state === state;
  }

  /** To be called before a client changes or is forgotten. */
  preserve(client: Client): void {
    if (this.current > section.clients || this.preserved.has(client)) return;
    const writer = new Writer();
    writeClient(writer, client);
    this.preserved.set(client, writer.finish());
  }

  next(): Uint8Array | undefined {
    return this.nextView()?.slice();
  }

  nextView(): Uint8Array | undefined {
    if (this.closed) return undefined;
    openFrame(this.writer, this.current);
    const done = this.fill();
    const frame = closeFrame(this.writer);
    if (done) {
      this.position = 0;
      this.current++;
      if (this.current > section.trailer) this.close();
    }
    return frame;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.preserved.clear();
    this.state.store.openSnapshots--;
    this.onClose(this);
  }

  /** Writes items of the current section until the frame is full; true when the section is done. */
  private fill(): boolean {
    switch (this.current) {
      case section.header:
        this.fillHeader();
        return true;
      case section.leases:
        return this.fillItems(this.leases.ids.length, (i) => this.writeLease(i));
      case section.clients:
        return this.fillItems(this.clients.length, (i) => this.writeClient(this.clients[i] as Client));
      case section.base:
        return this.fillBase();
      case section.history:
        return this.fillHistory();
      case section.auth:
        return this.fillAuth();
      default:
        this.fillTrailer();
        return true;
    }
  }

  private fillItems(count: number, write: (i: number) => void): boolean {
    while (this.position < count) {
      if (this.writer.length >= frameTargetBytes) return false;
      write(this.position++);
    }
    return true;
  }

  private fillHeader(): void {
    const { writer } = this;
    writer.uint32(snapshotMagic);
    writer.varint(this.appliedIndex);
    writer.varint(this.timeMs);
    writer.varint(this.revision);
    writer.varint(this.compactRevision);
    writer.varint(this.nextIncarnation);
    // To the end of the header, where there are any: so programs that know none read what has none.
    for (const alarm of this.alarms) writeAlarm(writer, alarm);
  }

  private writeLease(i: number): void {
    this.writer.int64(this.leases.ids[i] as bigint);
    for (let j = 0; j < 4; j++) this.writer.varint(this.leases.numbers[i * 4 + j] as number);
  }

  private writeClient(client: Client): void {
    const kept = this.preserved.get(client);
    if (kept === undefined) writeClient(this.writer, client);
    else this.writer.raw(kept);
    // Later changes need no copy any more; an empty one stands for that.
    this.preserved.set(client, written);
  }

  private fillBase(): boolean {
    const { store } = this.state;
    if (this.compactRevision === 0) return true;
    let full = false;
    let last = none;
    let left = recordsInOneFrame;
    const start = this.afterKey === undefined ? written : successor(this.afterKey);
    store.index.scan(start, undefined, (key) => {
      left--;
      left -= this.walkBack(key, left);
      if (left <= 0 || this.writer.length >= frameTargetBytes) {
        full = true;
        return false;
      }
      last = key;
      const record = this.walkedTo;
      if (record === none || !this.isBase(record)) return undefined;
      store.keys.write(this.writer, key);
      writeRecord(this.writer, store, record);
      this.baseCount++;
      return undefined;
    });
    if (last !== none) this.afterKey = store.keys.copy(last);
    return !full;
  }

  /**
   * To the record of the key that was current at the compact revision, from where the last frame left it, over so many that
   * are newer at most. Returns how many: a key that is written all the time has very many.
   */
  private walkBack(key: number, most: number): number {
    const { keys, records } = this.state.store;
    let record = key === this.walked ? this.walkedTo : keys.newest(key);
    let passed = 0;
    while (passed < most && record !== none && records.modRevision(record) > this.compactRevision) {
      record = records.previous(record);
      passed++;
    }
    this.walked = key;
    this.walkedTo = record;
    return passed;
  }

  /** Written before the compact revision; history has the others. */
  private isBase(record: number): boolean {
    const { records } = this.state.store;
    return !records.isTombstone(record) && records.modRevision(record) !== this.compactRevision;
  }

  private fillHistory(): boolean {
    const { store } = this.state;
    if (this.position === 0) this.position = store.positionOf(this.compactRevision);
    while (this.position < this.tail) {
      if (this.writer.length >= frameTargetBytes) return false;
      const record = store.history.at(this.position++);
      store.keys.write(this.writer, store.records.key(record));
      writeRecord(this.writer, store, record);
      this.historyCount++;
    }
    return true;
  }

  /** Users and roles with the first tokens; then frames of more tokens. */
  private fillAuth(): boolean {
    if (this.position === 0) this.writer.raw(this.usersAndRoles);
    const tokens = this.tokens.slice(this.position, this.position + tokensInOneFrame);
    writeTokens(this.writer, tokens);
    this.position += tokens.length;
    return this.position >= this.tokens.length;
  }

  private fillTrailer(): void {
    this.writer.varint(this.leases.ids.length);
    this.writer.varint(this.clients.length);
    this.writer.varint(this.baseCount);
    this.writer.varint(this.historyCount);
  }
}

const written = new Uint8Array(0);

/** How many keys and records are looked at for one frame, however few go into it: some milliseconds. */
const recordsInOneFrame = 20_000;

/** The smallest key above this one. */
function successor(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(copyBytes(key));
  return next;
}

function usersAndRoles(state: State): Uint8Array {
  const writer = new Writer();
  writeUsersAndRoles(writer, state.auth);
  return writer.finish();
}

function writeRecord(writer: Writer, store: Store, record: number): void {
  const page = store.records.page(record);
  const i = rowInPage(record);
  const lease = page.leaseOf(i);
  const isTombstone = page.length[i] === tombstoneLength;
  writer.byte((isTombstone ? 1 : 0) | (lease === 0n ? 0 : 2));
  writer.varint(page.modRevision[i] as number);
  if (isTombstone) return;
  writer.varint(page.createRevision[i] as number);
  writer.varint(page.version[i] as number);
  store.writeValue(writer, record);
  if (lease !== 0n) writer.int64(lease);
}

function writeClient(writer: Writer, client: Client): void {
  writer.varint(client.incarnation);
  writer.bytes(encodeUtf8(client.name));
  writer.bytes(encodeUtf8(client.owner));
  writer.varint(client.lastUsedMs);
  writer.varint(client.forgottenBelow);
  writer.varint(client.results.size);
  for (const [sequence, result] of client.results) {
    writer.varint(sequence);
    writer.bytes(result);
  }
}
