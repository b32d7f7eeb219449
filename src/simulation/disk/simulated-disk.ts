import type { Disk } from '../../runtime/types.ts';
import type { MemoryFileData } from '../../runtime/virtual/index.ts';
import { type DiskOperation, diskFull, MemoryNames } from '../../runtime/virtual/index.ts';
import type { Host } from '../world/host.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import type { ScheduledEvent } from '../world/scheduler.ts';
import type { World } from '../world/world.ts';
import { DiskFaults } from './disk-faults.ts';
import { latencyUs } from './latency.ts';
import { type Operation, Operations } from './operations.ts';
import { type Medium, ProcessDisk } from './process-disk.ts';

/** Hears what becomes durable. Must not change anything. */
export interface PlatterWatcher {
  /** These bytes of a file on the platter were written, or cut off. */
  wrote(file: MemoryFileData, start: number, end: number): void;
  /** Names in this folder became durable, or went. */
  namesChanged(folder: string): void;
  /** Anything may have changed: the power failed, the disk rotted or was wiped. */
  replaced(): void;
}

/** What is on a disk while nothing is in the system's memory. */
export type Platter = Pick<MemoryNames, 'durable' | 'durableList' | 'durableFiles'>;

export interface RotOptions {
  /** Only files whose path contains this. */
  readonly path?: string;
  /** A whole sector becomes noise. Default false: one bit is turned over. */
  readonly sector?: boolean;
}

const sectorBytes = 512;

/** The disk of a host, which outlives processes and power. */
export class SimulatedDisk {
  readonly host: Host;
  readonly faults = new DiskFaults();
  readonly #world: World;
  readonly #random: Draw;
  readonly #watchers: PlatterWatcher[] = [];
  readonly #locks = new Map<string, Process>();
  readonly #users = new Set<Process>();
  #names: MemoryNames;
  /** While the disk hangs: what was to complete. */
  #held: ScheduledEvent[] | undefined;
  #hangs = 0;

  constructor(world: World, host: Host, random: Draw) {
    this.#world = world;
    this.host = host;
    this.#random = random;
    this.#names = this.#empty();
  }

  get platter(): Platter {
    return this.#names;
  }

  /** The disk for one life of a process. To be called once for each. */
  of(process: Process): Disk {
    this.#users.add(process);
    process.onDeath.push(() => this.#users.delete(process));
    const operations = new Operations({
      process,
      scheduler: this.#world.scheduler,
      holds: (event) => this.#holds(event),
      fateOf: () => (this.#random.chance(0.3) ? 'nothing' : this.#random.chance(0.4) ? 'part' : 'all'),
    });
    return new ProcessDisk(this.#mediumFor(operations), process);
  }

  watch(watcher: PlatterWatcher): void {
    this.#watchers.push(watcher);
  }

  /**
   * The host loses power: end its processes first. Of what was not synced, each sector and each size may have reached
   * the platter or not, and of the names in each folder any first part.
   */
  powerFails(): void {
    this.#abandon();
    this.faults.counts.powerFailures += 1;
    this.#world.note(this.host.name, () => 'the power fails');
    this.#names.crash(this.#random.chance(0.3) ? 'none' : 'some', this.#random);
    this.#replaced();
  }

  get hanging(): boolean {
    return this.#held !== undefined;
  }

  /** Nothing completes until as many `release`. */
  hang(): void {
    this.#hangs += 1;
    if (this.#held !== undefined) return;
    this.#held = [];
    this.faults.counts.hangs += 1;
    this.#world.note(this.host.name, () => 'the disk hangs');
  }

  release(): void {
    this.#hangs = Math.max(0, this.#hangs - 1);
    const held = this.#held;
    if (held === undefined || this.#hangs > 0) return;
    this.#held = undefined;
    const { scheduler } = this.#world;
    for (const event of held) scheduler.again(event, scheduler.nowUs + this.#random.between(1, 300));
    this.#world.note(this.host.name, () => 'the disk answers again');
  }

  /** Everything that lasts ends: what was rotten or wiped stays so. */
  heal(): void {
    this.faults.heal();
    this.#hangs = 0;
    this.release();
  }

  /** Changes durable data at rest; undefined: there is nothing that could rot. Ask the `DamageRecord` first. */
  rot(options: RotOptions = {}): { readonly path: string; readonly offset: number } | undefined {
    const candidates: [string, MemoryFileData][] = [];
    for (const found of this.#names.durableFiles()) {
      if (found[0].includes(options.path ?? '') && found[1].platter().length > 0) candidates.push(found);
    }
    if (candidates.length === 0) return undefined;
    const [path, file] = this.#random.pick(candidates);
    let offset = this.#random.below(file.platter().length);
    if (options.sector) {
      offset -= offset % sectorBytes;
      const end = Math.min(offset + sectorBytes, file.platter().length);
      for (let at = offset; at < end; at++) file.flip(at, 1 + this.#random.below(255));
      this.faults.counts.rottenSectors += 1;
    } else {
      file.flip(offset, 1 << this.#random.below(8));
      this.faults.counts.rottenBits += 1;
    }
    this.#world.note(this.host.name, () => `rot in '${path}' at offset ${offset}`);
    this.#replaced();
    return { path, offset };
  }

  /** An empty disk in place of this one: end the processes first, and ask the `DamageRecord`. */
  wipe(): void {
    this.#abandon();
    this.faults.counts.wipes += 1;
    this.#names = this.#empty();
    this.#world.note(this.host.name, () => 'an empty disk in place of the old one');
    this.#replaced();
  }

  #abandon(): void {
    if (this.#users.size > 0) throw new Error(`A process still uses the disk of ${this.host.name}.`);
    this.#held = undefined;
    this.#hangs = 0;
    this.#locks.clear();
  }

  #empty(): MemoryNames {
    return new MemoryNames((file, start, end) => {
      for (const watcher of this.#watchers) watcher.wrote(file, start, end);
    });
  }

  #replaced(): void {
    for (const watcher of this.#watchers) watcher.replaced();
  }

  #holds(event: ScheduledEvent): boolean {
    this.#held?.push(event);
    return this.#held !== undefined;
  }

  #mediumFor(operations: Operations): Medium {
    const disk = this;
    return {
      get names() {
        return disk.#names;
      },
      locks: this.#locks,
      run: (kind, path, sizeBytes, operation) =>
        operations.start(
          latencyUs(this.#random, kind, sizeBytes) * this.faults.slowness,
          this.#fallible(kind, path, operation),
        ),
      read: (path, file, position, length) => this.#read(path, file, position, length),
      write: (path, file, position, chunks, durably) => this.#write(path, file, position, chunks, durably),
      writePart: (file, position, chunks) => this.#writePart(file, position, chunks),
      sync: (path, file, upTo) => this.#sync(path, file, upTo),
      syncFolder: (path) => this.#syncFolder(path),
    };
  }

  /** Operations whose failure leaves more behind than an error look for it themselves. */
  #fallible<T>(kind: DiskOperation | 'other', path: string, operation: Operation<T>): Operation<T> {
    if (kind === 'write' || kind === 'sync' || kind === 'sync-folder') return operation;
    const effect = (): T => {
      const failure = this.#failureOf(kind, path);
      if (failure !== undefined) throw failure;
      return operation.effect();
    };
    return { ...operation, effect };
  }

  #failureOf(kind: DiskOperation | 'other', path: string): unknown {
    const failure = this.faults.failureOf(kind, path);
    if (failure !== undefined) this.#world.note(this.host.name, () => `the disk fails: ${kind} '${path}'`);
    return failure;
  }

  #read(path: string, file: MemoryFileData, position: number, length: number): Uint8Array {
    const bytes = file.read(position, length);
    if (bytes.length > 0 && this.faults.takeRot(path, this.#random)) this.#spoil(path, position, bytes);
    if (bytes.length === 0 || !this.faults.takeMisdirection(path)) return bytes;
    const stored = Math.max(1, file.storedBytes);
    const at = this.#random.below(Math.max(1, Math.min(bytes.length, stored - position)));
    const from = this.#random.below(stored);
    bytes.set(file.read(from, Math.min(sectorBytes, bytes.length - at)), at);
    this.faults.counts.misdirectedReads += 1;
    this.#world.note(
      this.host.name,
      () => `a read of '${path}' at ${position + at} got the bytes at ${from}`,
    );
    return bytes;
  }

  #spoil(path: string, position: number, bytes: Uint8Array): void {
    const at = this.#random.below(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 << this.#random.below(8));
    this.#world.note(this.host.name, () => `a read of '${path}' got a wrong bit at ${position + at}`);
  }

  #write(
    path: string,
    file: MemoryFileData,
    position: number,
    chunks: readonly Uint8Array[],
    durably: boolean,
  ): void {
    this.#world.trace.mixBytes(chunks);
    const failure = this.#failureOf('write', path);
    if (failure !== undefined) {
      this.#writePart(file, position, chunks);
      throw failure;
    }
    this.#needRoom(path, file, position, chunks);
    const syncFailure = durably ? this.#failureOf('sync', path) : undefined;
    if (durably && syncFailure === undefined) {
      file.writeDurably(position, chunks);
      return;
    }
    file.writeAll(position, chunks);
    if (syncFailure === undefined) return;
    file.loseUnsynced();
    throw syncFailure;
  }

  #needRoom(path: string, file: MemoryFileData, position: number, chunks: readonly Uint8Array[]): void {
    const { capacityBytes } = this.faults;
    if (capacityBytes === Number.POSITIVE_INFINITY) return;
    let end = position;
    for (const chunk of chunks) end += chunk.length;
    if (this.#names.storedBytes() + Math.max(0, end - file.storedBytes) <= capacityBytes) return;
    this.faults.counts.fullDisk += 1;
    throw diskFull('write', path);
  }

  /** All of it or a first part, up to where some sector ends, into the system's memory; no more than that. */
  #writePart(file: MemoryFileData, position: number, chunks: readonly Uint8Array[]): void {
    let left = 0;
    for (const chunk of chunks) left += chunk.length;
    if (this.#random.chance(0.5)) {
      const cut = position + this.#random.below(left + 1);
      left = Math.max(0, cut - (cut % sectorBytes) - position);
    }
    let at = position;
    for (const chunk of chunks) {
      const written = Math.min(left, chunk.length);
      if (written > 0) file.write(at, chunk.subarray(0, written));
      at += written;
      left -= written;
    }
  }

  #sync(path: string, file: MemoryFileData, upTo: number): void {
    const failure = this.#failureOf('sync', path);
    if (failure === undefined) {
      file.sync(upTo);
      return;
    }
    file.loseUnsynced();
    throw failure;
  }

  #syncFolder(path: string): void {
    const failure = this.#failureOf('sync-folder', path);
    if (failure !== undefined) throw failure;
    this.#names.syncFolder(path);
    for (const watcher of this.#watchers) watcher.namesChanged(path);
  }
}
