import { posix } from 'node:path';
import { diskError } from '../disk-errors.ts';
import { type CrashKeeps, type CrashRandom, MemoryFileData, type PlatterListener } from './file-data.ts';

type Node = MemoryFileData | 'folder';
/** One atomic change of names in one folder; `undefined` removes. */
type NameChange = ReadonlyMap<string, Node | undefined>;

/** Folders and names: as programs see them, and as they are on the platter. */
export class MemoryNames {
  #current = new Map<string, Node>([['/', 'folder']]);
  #durable = new Map<string, Node>([['/', 'folder']]);
  /** Of each folder, the changes since it was last synced. */
  readonly #unsynced = new Map<string, NameChange[]>();
  readonly #onPlatter: PlatterListener | undefined;

  /** @param onPlatter told of the bytes of all files. */
  constructor(onPlatter?: PlatterListener) {
    this.#onPlatter = onPlatter;
  }

  makeFolder(path: string): void {
    const missing: string[] = [];
    let at = normal(path);
    for (; !this.#current.has(at); at = posix.dirname(at)) missing.unshift(at);
    if (this.#current.get(at) !== 'folder') throw failure('ENOTDIR', 'make the folder', path);
    for (const folder of missing) this.#change(posix.dirname(folder), new Map([[folder, 'folder']]));
  }

  list(path: string): string[] {
    const folder = normal(path);
    if (this.#current.get(folder) !== 'folder') throw failure('ENOENT', 'list the folder', path);
    return namesIn(this.#current, folder);
  }

  has(path: string): boolean {
    return this.#current.has(normal(path));
  }

  file(path: string, action: string): MemoryFileData {
    const node = this.#current.get(normal(path));
    if (node === undefined) throw failure('ENOENT', action, path);
    if (node === 'folder') throw failure('EISDIR', action, path);
    return node;
  }

  open(path: string, create: boolean, exclusive: boolean): MemoryFileData {
    const name = normal(path);
    if (this.#current.has(name)) {
      if (exclusive) throw failure('EEXIST', 'open', path);
      return this.file(path, 'open');
    }
    if (!create) throw failure('ENOENT', 'open', path);
    const data = new MemoryFileData(this.#onPlatter);
    this.#change(this.#parent(name), new Map([[name, data]]));
    return data;
  }

  rename(from: string, to: string): void {
    const data = this.file(from, 'rename');
    const [source, target] = [normal(from), normal(to)];
    if (source === target) return;
    if (posix.dirname(source) !== this.#parent(target)) throw failure('EXDEV', 'rename', from);
    this.#change(
      posix.dirname(target),
      new Map<string, Node | undefined>([
        [source, undefined],
        [target, data],
      ]),
    );
  }

  link(from: string, to: string): void {
    const data = this.file(from, 'link');
    const target = normal(to);
    if (this.#current.has(target)) throw failure('EEXIST', `link '${from}' as`, to);
    this.#change(this.#parent(target), new Map([[target, data]]));
  }

  remove(path: string): void {
    this.file(path, 'remove');
    this.#change(posix.dirname(normal(path)), new Map([[normal(path), undefined]]));
  }

  syncFolder(path: string): void {
    const folder = normal(path);
    if (this.#current.get(folder) !== 'folder') throw failure('ENOENT', 'sync the folder', path);
    for (const change of this.#unsynced.get(folder) ?? []) applyTo(this.#durable, change);
    this.#unsynced.delete(folder);
  }

  /** What the platter has under this name; nothing where a folder above it is not durable. */
  durable(path: string): MemoryFileData | 'folder' | undefined {
    const name = normal(path);
    for (let above = posix.dirname(name); above !== '/'; above = posix.dirname(above)) {
      if (this.#durable.get(above) !== 'folder') return undefined;
    }
    return this.#durable.get(name);
  }

  /** Names in the folder on the platter, sorted; empty where it has none. */
  durableList(path: string): string[] {
    return this.durable(path) === 'folder' ? namesIn(this.#durable, normal(path)) : [];
  }

  /** All files of the platter by their paths. */
  *durableFiles(): Iterable<[string, MemoryFileData]> {
    for (const [path, node] of this.#durable) {
      if (node !== 'folder' && this.durable(path) === node) yield [path, node];
    }
  }

  crash(keeps: CrashKeeps, random: CrashRandom): void {
    for (const changes of this.#unsynced.values()) {
      // File systems keep the order of changes to one folder.
      const count = keeps === 'none' ? 0 : random.below(changes.length + 1);
      for (const change of changes.slice(0, count)) applyTo(this.#durable, change);
    }
    this.#unsynced.clear();
    const survivors = new Map<string, Node>([['/', 'folder']]);
    for (const name of [...this.#durable.keys()].sort((a, b) => a.length - b.length)) {
      const node = this.#durable.get(name);
      if (node !== undefined && survivors.get(posix.dirname(name)) === 'folder') survivors.set(name, node);
    }
    this.#durable = survivors;
    this.#current = new Map(survivors);
    for (const data of this.#files()) data.crash(keeps, random);
  }

  usedBytes(): number {
    let sum = 0;
    for (const data of this.#files()) sum += data.sizeBytes;
    return sum;
  }

  /** As `usedBytes`, without what files were only made longer by. */
  storedBytes(): number {
    let sum = 0;
    for (const data of this.#files()) sum += data.storedBytes;
    return sum;
  }

  #files(): Set<MemoryFileData> {
    const files = new Set<MemoryFileData>();
    for (const node of this.#current.values()) {
      if (node !== 'folder') files.add(node);
    }
    return files;
  }

  #parent(name: string): string {
    const folder = posix.dirname(name);
    if (this.#current.get(folder) !== 'folder') throw failure('ENOENT', 'open', name);
    return folder;
  }

  #change(folder: string, change: NameChange): void {
    applyTo(this.#current, change);
    const changes = this.#unsynced.get(folder);
    if (changes === undefined) this.#unsynced.set(folder, [change]);
    else changes.push(change);
  }
}

function namesIn(nodes: ReadonlyMap<string, Node>, folder: string): string[] {
  const names = [];
  const start = folder === '/' ? 1 : folder.length + 1;
  for (const name of nodes.keys()) {
    if (name.length > start && name.lastIndexOf('/') === start - 1 && name.startsWith(folder)) {
      names.push(name.slice(start));
    }
  }
  return names.sort();
}

function applyTo(names: Map<string, Node>, change: NameChange): void {
  for (const [name, node] of change) {
    if (node === undefined) names.delete(name);
    else names.set(name, node);
  }
}

/** Of the paths last used, since programs use the same few again and again. */
const normalPaths = new Map<string, string>();
const mostNormalPaths = 1000;

function normal(path: string): string {
  let name = normalPaths.get(path);
  if (name === undefined) {
    name = posix.resolve('/', path);
    if (normalPaths.size >= mostNormalPaths) normalPaths.clear();
    normalPaths.set(path, name);
  }
  return name;
}

function failure(errno: string, action: string, path: string): unknown {
  return diskError(action, path, Object.assign(new Error(errno), { code: errno }), 'not-applied');
}
