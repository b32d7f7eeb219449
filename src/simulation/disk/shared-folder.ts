import type { Disk } from '../../runtime/types.ts';
import { MemoryNames } from '../../runtime/virtual/index.ts';
import type { Process } from '../world/process.ts';
import type { Draw } from '../world/random.ts';
import type { World } from '../world/world.ts';
import { Operations } from './operations.ts';
import { type Medium, ProcessDisk } from './process-disk.ts';

/**
 * A file system that processes on several hosts share, as NFS is: each operation takes effect at one instant between
 * its call and its end, in the server. What a process had under way when it died takes effect once, perhaps long after,
 * or never; what it had under way when it was paused, although it stands still. The server keeps what was not synced in
 * its memory, and loses some of it with its power.
 */
export class SharedFolder {
  /** Latencies are multiplied by this. */
  slowness = 1;
  /** This share of the operations takes up to so much longer, before it takes effect or before it is answered. */
  hesitation: { readonly chance: number; readonly longestUs: number } | undefined;
  /** Called when the power has failed, with what is left. */
  onPowerFailed: (() => void) | undefined;
  /** Called once, when a process asks for a write to a file. */
  onNextWrite: ((process: Process) => void) | undefined;
  readonly #world: World;
  readonly #random: Draw;
  readonly #names = new MemoryNames();
  readonly #locks = new Map<string, Process>();
  readonly #users = new Set<Process>();

  constructor(world: World, random: Draw) {
    this.#world = world;
    this.#random = random;
  }

  /** The folder as one life of a process has it mounted. */
  of(process: Process): Disk {
    process.onDeath.push(() => this.#users.delete(process));
    const operations = new Operations({
      process,
      scheduler: this.#world.scheduler,
      holds: () => false,
      fateOf: () => (this.#random.chance(0.5) ? 'late' : 'nothing'),
    });
    return new ProcessDisk(this.#mediumFor(operations, process), process);
  }

  /**
   * The server loses power, and with it all that it serves: end the processes that use it first. Of what was not
   * synced, each sector and each size may have reached the platter or not, and of the names in each folder any first
   * part.
   */
  powerFails(): void {
    if (this.#users.size > 0) throw new Error('A process still uses the shared folder.');
    this.#locks.clear();
    this.#world.note('', () => 'the shared files lose power');
    this.#names.crash(this.#random.chance(0.5) ? 'none' : 'some', this.#random);
    this.onPowerFailed?.();
  }

  /** What the file holds now, without an operation; undefined where there is none. */
  contents(path: string): Uint8Array | undefined {
    return this.#names.has(path) ? this.#names.file(path, 'read').current() : undefined;
  }

  /** Names in the folder now, sorted; empty where there is none. */
  list(path: string): string[] {
    return this.#names.has(path) ? this.#names.list(path) : [];
  }

  #mediumFor(operations: Operations, process: Process): Medium {
    return {
      names: this.#names,
      locks: this.#locks,
      run: (kind, _path, sizeBytes, operation) => {
        this.#users.add(process);
        if (kind === 'write' || kind === 'sync') this.#tellOfWrite(process);
        return operations.start(this.#latencyUs() + sizeBytes / 100, operation, this.#latencyUs());
      },
      read: (_path, file, position, length) => file.read(position, length),
      write: (_path, file, position, chunks, durably) =>
        durably ? file.writeDurably(position, chunks) : file.writeAll(position, chunks),
      writePart: () => {},
      sync: (_path, file, upTo) => file.sync(upTo),
      syncFolder: (path) => this.#names.syncFolder(path),
    };
  }

  #tellOfWrite(process: Process): void {
    const listener = this.onNextWrite;
    this.onNextWrite = undefined;
    listener?.(process);
  }

  #latencyUs(): number {
    const usual = this.#random.tailed(100, 150) * this.slowness;
    const { hesitation } = this;
    if (hesitation === undefined || !this.#random.chance(hesitation.chance)) return usual;
    return usual + this.#random.below(hesitation.longestUs);
  }
}
