/** Builds a new state out of a snapshot's frames, checking everything; `finish` hands it over whole or throws. */
import { readAlarm } from './alarms.ts';
import { readAuthState, readTokens } from './auth/index.ts';
import { compareBytes, copyBytes } from './bytes.ts';
import { readName } from './codec-batch.ts';
import type { RecordFields } from './content.ts';
import { Reader } from './encoding.ts';
import { InvariantViolation, MalformedData } from './errors.ts';
import { maxTtlMs } from './leases.ts';
import { FrameParser, section, snapshotMagic } from './snapshot-format.ts';
import { State } from './state.ts';
import { none } from './tables.ts';
import type { SnapshotWriter } from './types.ts';

const single: ReadonlySet<number> = new Set([section.header, section.trailer]);

export class StateBuilder implements SnapshotWriter {
  private readonly state = new State();
  private readonly install: (state: State) => void;
  private readonly parser = new FrameParser((content) => this.readFrame(content));
  private failure: unknown;
  private finished = false;
  private current = 0;
  private baseCount = 0;
  private historyCount = 0;
  private lastBaseKey: Uint8Array | undefined;
  private lastRevision = 0;
  private revision = 0;

  constructor(install: (state: State) => void) {
    this.install = install;
  }

  /** A bad snapshot is reported by `finish`. */
  write(chunk: Uint8Array): void {
    if (this.finished) throw new InvariantViolation('A snapshot was written to after it was finished.');
    if (this.failure !== undefined) return;
    try {
      this.parser.write(chunk);
    } catch (error) {
      this.failure = error;
    }
  }

  finish(): void {
    if (this.finished) throw new InvariantViolation('A snapshot was finished twice.');
    this.finished = true;
    if (this.failure !== undefined) throw this.failure;
    if (!this.parser.complete || this.current !== section.trailer) {
      throw new MalformedData('A snapshot is cut short: its trailer is missing.');
    }
    this.bindKeys();
    this.install(this.state);
  }

  private readFrame(content: Uint8Array): void {
    const reader = new Reader(content);
    const number = reader.byte();
    const again = number === this.current && !single.has(number);
    if (number !== this.current + 1 && !again) {
      throw new MalformedData(`Section ${number} of a snapshot follows section ${this.current}.`);
    }
    this.current = number;
    if (number === section.header) this.readHeader(reader);
    else if (number === section.trailer) this.readTrailer(reader);
    else if (number === section.auth && again) readTokens(reader, this.state.auth);
    else if (number === section.auth) readAuthState(reader, this.state.auth);
    else while (reader.remaining > 0) this.readItem(number, reader);
    reader.expectEnd(`section ${number} of a snapshot`);
  }

  private readItem(number: number, reader: Reader): void {
    if (number === section.leases) this.readLease(reader);
    else if (number === section.clients) this.readClient(reader);
    else if (number === section.base) this.readBase(reader);
    else this.readHistory(reader);
  }

  private readHeader(reader: Reader): void {
    const { state } = this;
    const magic = reader.uint32();
    if (magic !== snapshotMagic) {
      throw new MalformedData(
        `A snapshot of format ${magic.toString(16)} is not one that this program reads (${snapshotMagic.toString(16)}).`,
      );
    }
    state.appliedIndex = reader.varint();
    state.timeMs = reader.varint();
    this.revision = reader.varint();
    state.store.compactRevision = reader.varint();
    state.clients.nextIncarnation = reader.varint();
    while (reader.remaining > 0) state.alarms.change({ type: 'alarm', raise: true, ...readAlarm(reader) });
    if (this.revision < 1 || state.store.compactRevision > this.revision) {
      throw new MalformedData(
        `A snapshot claims revision ${this.revision} compacted at ${state.store.compactRevision}.`,
      );
    }
  }

  private readLease(reader: Reader): void {
    const id = reader.int64();
    const ttlMs = reader.varint();
    const deadlineMs = reader.varint();
    const attachment = reader.varint();
    const attached = reader.varint() === 1;
    if (ttlMs < 1 || ttlMs > maxTtlMs || this.state.leases.has(id)) {
      throw new MalformedData(`A snapshot has lease ${id} twice or with TTL ${ttlMs} ms.`);
    }
    this.state.leases.add({ id, ttlMs, deadlineMs, attachment, attached });
  }

  private readClient(reader: Reader): void {
    const incarnation = reader.varint();
    if (incarnation >= this.state.clients.nextIncarnation) {
      throw new MalformedData(`A snapshot has incarnation ${incarnation}, which was not given out.`);
    }
    const name = readName(reader);
    const owner = readName(reader);
    const lastUsedMs = reader.varint();
    const forgottenBelow = reader.varint();
    const results = new Map<number, Uint8Array>();
    for (let count = reader.count(); count > 0; count--) {
      const sequence = reader.varint();
      results.set(sequence, copyBytes(reader.bytes()));
    }
    this.state.clients.add({
      incarnation,
      name,
      owner,
      lastUsedMs,
      forgottenBelow,
      results,
      older: undefined,
      newer: undefined,
    });
  }

  private readFields(reader: Reader): RecordFields {
    const flags = reader.byte();
    const modRevision = reader.varint();
    if ((flags & 1) !== 0) {
      return { modRevision, createRevision: 0, version: 0, lease: 0n, value: undefined };
    }
    const createRevision = reader.varint();
    const version = reader.varint();
    const value = reader.bytes();
    return { modRevision, createRevision, version, value, lease: (flags & 2) !== 0 ? reader.int64() : 0n };
  }

  private readBase(reader: Reader): void {
    const { store } = this.state;
    const key = reader.bytes();
    const fields = this.readFields(reader);
    const inOrder = this.lastBaseKey === undefined || compareBytes(this.lastBaseKey, key) < 0;
    if (!inOrder || fields.value === undefined || fields.modRevision >= store.compactRevision) {
      throw new MalformedData(`Record ${this.baseCount} of a snapshot's compacted part is out of place.`);
    }
    this.lastBaseKey = copyBytes(key);
    this.baseCount++;
    store.appendBase(store.rowOf(key), fields);
  }

  private readHistory(reader: Reader): void {
    const { store } = this.state;
    const key = reader.bytes();
    const fields = this.readFields(reader);
    const { modRevision } = fields;
    const inRange = modRevision >= Math.max(store.compactRevision, 2) && modRevision <= this.revision;
    if (modRevision < this.lastRevision || !inRange) {
      throw new MalformedData(`Record ${this.historyCount} of a snapshot's history is out of order.`);
    }
    this.lastRevision = modRevision;
    this.historyCount++;
    store.append(store.rowOf(key), fields);
  }

  private readTrailer(reader: Reader): void {
    const { leases, clients } = this.state;
    const expected = [reader.varint(), reader.varint(), reader.varint(), reader.varint()];
    const read = [leases.count, clients.count, this.baseCount, this.historyCount];
    if (expected.join() !== read.join()) {
      throw new MalformedData(
        `A snapshot claims ${expected.join()} leases, clients and records, but has ${read.join()}.`,
      );
    }
    this.state.store.adopt(this.revision);
  }

  /** Hangs each key on the lease of its newest record. */
  private bindKeys(): void {
    const { store, leases } = this.state;
    store.index.scan(new Uint8Array(0), undefined, (key) => {
      const record = store.current(key);
      const lease = record === none ? 0n : store.records.lease(record);
      if (lease !== 0n) leases.moveKey(key, 0n, lease);
      return undefined;
    });
  }
}
