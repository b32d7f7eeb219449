/** Where the choices of a crash come from. */
export interface CrashRandom {
  unit(): number;
  below(end: number): number;
}

/** What a crash leaves of unsynced changes; see `CrashOptions`. */
export type CrashKeeps = 'none' | 'some';

/** The disk writes these whole or not at all. */
const sectorBytes = 512;

type Change = (
  | { readonly kind: 'write'; readonly position: number; readonly data: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number }
) & {
  /** It is on the platter already, beneath older changes that are not. */
  durable?: boolean;
};

/** Told of bytes of the platter that changed; what a file grew by, being zeros, is no change. */
export type PlatterListener = (file: MemoryFileData, start: number, end: number) => void;

/** The bytes of one file: as programs see them, and as they are on the platter, with the changes between the two. */
export class MemoryFileData {
  readonly #onPlatter: PlatterListener | undefined;
  #current = new GrowingBytes();
  #durable = new GrowingBytes();
  #unsynced: Change[] = [];
  #firstUnsynced = 0;

  constructor(onPlatter?: PlatterListener) {
    this.#onPlatter = onPlatter;
  }

  get sizeBytes(): number {
    return this.#current.length;
  }

  /** Up to the last byte ever written: a file that was only made longer takes no room. */
  get storedBytes(): number {
    return this.#current.stored;
  }

  /** What the platter holds, without zeros that were never written: a view, valid until the next change. */
  platter(): Uint8Array {
    return this.#durable.view();
  }

  get platterBytes(): number {
    return this.#durable.length;
  }

  /** A copy. */
  current(): Uint8Array {
    return this.#current.copy();
  }

  read(position: number, length: number): Uint8Array {
    return this.#current.copy(position, position + length);
  }

  write(position: number, data: Uint8Array): void {
    const change: Change = { kind: 'write', position, data: data.slice() };
    apply(this.#current, change);
    this.#unsynced.push(change);
  }

  writeAll(position: number, chunks: readonly Uint8Array[]): void {
    let at = position;
    for (const chunk of chunks) {
      this.write(at, chunk);
      at += chunk.length;
    }
  }

  truncate(size: number): void {
    const change: Change = { kind: 'truncate', size };
    apply(this.#current, change);
    this.#unsynced.push(change);
  }

  /** The changes made so far. */
  mark(): number {
    return this.#firstUnsynced + this.#unsynced.length;
  }

  /** Makes the changes up to a mark durable. */
  sync(upTo: number): void {
    const count = Math.max(0, upTo - this.#firstUnsynced);
    for (const change of this.#unsynced.splice(0, count)) this.#toPlatter(change);
    this.#firstUnsynced += count;
  }

  /** A write to a file opened with O_DSYNC: durable itself, and the size with it, but no other write is. */
  writeDurably(position: number, chunks: readonly Uint8Array[]): void {
    if (this.#unsynced.every((change) => change.kind === 'truncate')) {
      this.sync(this.mark());
      this.#writeThrough(position, chunks);
      return;
    }
    const first = this.#unsynced.length;
    this.writeAll(position, chunks);
    for (const [order, change] of this.#unsynced.entries()) {
      if (change.durable || (change.kind === 'write' && order < first)) continue;
      this.#toPlatter(change);
      change.durable = true;
    }
  }

  /** Where nothing waits for a sync: no change has to be kept. */
  #writeThrough(position: number, chunks: readonly Uint8Array[]): void {
    let at = position;
    for (const chunk of chunks) {
      this.#current.write(at, chunk);
      this.#durable.write(at, chunk);
      at += chunk.length;
    }
    this.#firstUnsynced += chunks.length;
    if (at > position) this.#onPlatter?.(this, position, at);
  }

  #toPlatter(change: Change): void {
    const before = this.#durable.stored;
    apply(this.#durable, change);
    if (this.#onPlatter === undefined) return;
    if (change.kind === 'write') this.#onPlatter(this, change.position, endOf(change));
    else if (change.size < before) this.#onPlatter(this, change.size, before);
  }

  /** After a failed sync the system forgets that these changes were never written, and the next sync succeeds. */
  loseUnsynced(): void {
    this.#firstUnsynced += this.#unsynced.length;
    this.#unsynced = [];
  }

  crash(keeps: CrashKeeps, random: CrashRandom): void {
    let sizes = [this.#durable.length];
    for (const change of keeps === 'none' ? [] : this.#unsynced) {
      if (change.durable) {
        apply(this.#durable, change);
        sizes = [this.#durable.length];
        continue;
      }
      applyInPart(this.#durable, change, random);
      sizes.push(change.kind === 'truncate' ? change.size : Math.max(sizes.at(-1) ?? 0, endOf(change)));
    }
    // The size is kept elsewhere than the data, so it too may be that of any moment since the last sync.
    if (keeps === 'some') this.#durable.resize(sizes[random.below(sizes.length)] ?? 0);
    this.#firstUnsynced += this.#unsynced.length;
    this.#unsynced = [];
    this.#current = this.#durable.clone();
  }

  flip(offset: number, mask: number): void {
    this.#current.flip(offset, mask);
    this.#durable.flip(offset, mask);
  }
}

function apply(bytes: GrowingBytes, change: Change): void {
  if (change.kind === 'write') bytes.write(change.position, change.data);
  else bytes.resize(change.size);
}

function applyInPart(bytes: GrowingBytes, change: Change, random: CrashRandom): void {
  if (change.kind === 'truncate') {
    if (random.unit() < 0.5) bytes.resize(change.size);
    return;
  }
  const share = random.unit();
  const end = endOf(change);
  for (let at = change.position; at < end; ) {
    const next = Math.min(end, (Math.floor(at / sectorBytes) + 1) * sectorBytes);
    if (random.unit() < share) {
      bytes.write(at, change.data.subarray(at - change.position, next - change.position));
    }
    at = next;
  }
}

function endOf(change: Change & { kind: 'write' }): number {
  return change.position + change.data.length;
}

const nothing = new Uint8Array(0);
const leastBytes = 512;

/** A byte array that grows with its writes; gaps and what it was only made longer by read as zeros and take no room. */
class GrowingBytes {
  #bytes = nothing;
  length = 0;
  /** Nothing but zeros from here on. */
  stored = 0;

  write(position: number, data: Uint8Array): void {
    const end = position + data.length;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, leastBytes, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.stored));
      this.#bytes = larger;
    }
    this.#bytes.set(data, position);
    if (end > this.length) this.length = end;
    if (end > this.stored) this.stored = end;
  }

  resize(length: number): void {
    if (length < this.stored) {
      this.#bytes.fill(0, length, this.stored);
      this.stored = length;
    }
    this.length = length;
  }

  flip(offset: number, mask: number): void {
    if (offset < this.length) this.write(offset, Uint8Array.of((this.#bytes[offset] ?? 0) ^ mask));
  }

  copy(from = 0, to = this.length): Uint8Array {
    const end = Math.min(to, this.length);
    const copy = new Uint8Array(Math.max(0, end - from));
    if (from < this.stored) copy.set(this.#bytes.subarray(from, Math.min(end, this.stored)));
    return copy;
  }

  /** Without the zeros at the end. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.stored);
  }

  clone(): GrowingBytes {
    const clone = new GrowingBytes();
    clone.#bytes = this.#bytes.slice(0, Math.max(leastBytes, this.stored));
    clone.length = this.length;
    clone.stored = this.stored;
    return clone;
  }
}
