/**
 * Reads a log entry to be applied. Under load nearly all commands are puts of a key and a value and nothing else: of
 * these only the places are noted, in columns that are used again for each batch, since five objects for each of them on
 * each replica were a third of what applying it costs. Everything else is decoded.
 */
import { emptyBytes } from './bytes.ts';
import { openBatch, plainPutHead, readCommands, readSubmitted } from './codec-batch.ts';
import type { Reader } from './encoding.ts';
import type { PlainPut } from './store.ts';
import type { SubmittedCommand } from './types.ts';

const placesOfEach = 4;
const firstRoom = 256;

export class BatchReader implements PlainPut {
  timeMs = 0;
  count = 0;
  data: Uint8Array = emptyBytes;
  /** Of the plain put that was asked for last. */
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  private places = new Int32Array(firstRoom * placesOfEach);
  /** Where one is missing, a plain put stands. */
  private readonly others: (SubmittedCommand | undefined)[] = [];
  private anyOther = false;

  /** All of it, so that one that cannot be read is refused before anything is applied. Throws MalformedData. */
  read(data: Uint8Array): void {
    this.clear();
    const reader = openBatch(data);
    this.data = data;
    this.timeMs = reader.varint();
    this.count = reader.count();
    if (this.places.length < this.count * placesOfEach) {
      this.places = new Int32Array(this.count * 2 * placesOfEach);
    }
    readCommands(reader, this.count, this.readOne);
  }

  private readonly readOne = (reader: Reader, command: number): void => {
    if (this.readPlain(reader, command)) return;
    this.others[command] = readSubmitted(reader);
    this.anyOther = true;
  };

  /** False, and nothing is read, where something else stands. */
  private readPlain(reader: Reader, command: number): boolean {
    const { position } = reader;
    if (reader.remaining < plainPutHead.length) return false;
    for (let i = 0; i < plainPutHead.length; i++) {
      if (this.data[position + i] !== plainPutHead[i]) return false;
    }
    reader.position = position + plainPutHead.length;
    const at = command * placesOfEach;
    this.places[at] = reader.skipBytes();
    this.places[at + 1] = reader.position;
    this.places[at + 2] = reader.skipBytes();
    this.places[at + 3] = reader.position;
    return true;
  }

  /** True: a plain put, whose places are told from now on. */
  selectPlain(command: number): boolean {
    if (this.anyOther && this.others[command] !== undefined) return false;
    const at = command * placesOfEach;
    const { places } = this;
    this.keyStart = places[at] as number;
    this.keyEnd = places[at + 1] as number;
    this.valueStart = places[at + 2] as number;
    this.valueEnd = places[at + 3] as number;
    return true;
  }

  /** Byte fields are views of the data. */
  command(command: number): SubmittedCommand {
    const other = this.anyOther ? this.others[command] : undefined;
    if (other !== undefined) return other;
    this.selectPlain(command);
    const key = this.data.subarray(this.keyStart, this.keyEnd);
    const value = this.data.subarray(this.valueStart, this.valueEnd);
    const request = { key, value, lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
    return { command: { type: 'put', request }, identity: undefined };
  }

  /** Lets go of what was read. */
  clear(): void {
    this.data = emptyBytes;
    if (!this.anyOther) return;
    this.others.length = 0;
    this.anyOther = false;
  }
}
