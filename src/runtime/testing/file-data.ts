import type { SeededRandom } from './random.ts';

/** What a crash leaves of unsynced changes; see `CrashOptions`. */
export type CrashKeeps = 'none' | 'some';

/** The disk writes these whole or not at all. */
const sectorBytes = 512;

type Change =
  | { readonly kind: 'write'; readonly position: number; readonly data: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number };

/** The bytes of one file: as programs see them, and as they are on the platter, with the changes between the two. */
export class MemoryFileData {
  #current = new GrowingBytes();
  #durable = new GrowingBytes();
  #unsynced: Change[] = [];
  #firstUnsynced = 0;

  get sizeBytes(): number {
    return this.#current.length;
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
    for (const change of this.#unsynced.splice(0, count)) apply(this.#durable, change);
    this.#firstUnsynced += count;
  }

  /** After a failed sync the system forgets that these changes were never written, and the next sync succeeds. */
  loseUnsynced(): void {
    this.#firstUnsynced += this.#unsynced.length;
    this.#unsynced = [];
  }

  crash(keeps: CrashKeeps, random: SeededRandom): void {
    const sizes = [this.#durable.length];
    for (const change of keeps === 'none' ? [] : this.#unsynced) {
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

function applyInPart(bytes: GrowingBytes, change: Change, random: SeededRandom): void {
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

/** A byte array that grows with its writes; gaps read as zeros. */
class GrowingBytes {
  #bytes = new Uint8Array(1024);
  length = 0;

  write(position: number, data: Uint8Array): void {
    this.resize(Math.max(this.length, position + data.length));
    this.#bytes.set(data, position);
  }

  resize(length: number): void {
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    if (length < this.length) this.#bytes.fill(0, length, this.length);
    this.length = length;
  }

  flip(offset: number, mask: number): void {
    if (offset < this.length) this.#bytes[offset] = (this.#bytes[offset] ?? 0) ^ mask;
  }

  copy(from = 0, to = this.length): Uint8Array {
    return this.#bytes.slice(from, Math.min(to, this.length));
  }

  clone(): GrowingBytes {
    const clone = new GrowingBytes();
    clone.#bytes = this.#bytes.slice();
    clone.length = this.length;
    return clone;
  }
}
