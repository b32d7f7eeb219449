/** Primes, so that numbers a step apart spread over all places. */
const capacities = [61, 251, 1021, 4093, 16_381] as const;
/** Below this part of its places a table becomes one of the next smaller kind, which is a quarter full then. */
const emptyPart = 1 / 16;
/** Of the capacities: up to this one a table keeps its places, which are then some kilobytes. */
const keptLevel = 2;

/**
 * A map by whole numbers of 0 and above that rise as things come: most find their place free. Those that do not, as by
 * the side of one that stays for long, lie in a Map beside.
 */
export class NumberTable<T> {
  #level = 0;
  #keys: number[];
  #values: (T | undefined)[];
  readonly #others = new Map<number, T>();
  #size = 0;

  constructor() {
    this.#keys = new Array<number>(capacities[0]).fill(-1);
    this.#values = new Array<T | undefined>(capacities[0]).fill(undefined);
  }

  get size(): number {
    return this.#size;
  }

  /** So many places it takes up, whether they are used or not. */
  get capacity(): number {
    return this.#keys.length;
  }

  get(key: number): T | undefined {
    const place = key % this.#keys.length;
    if (this.#keys[place] === key) return this.#values[place];
    return this.#others.size === 0 ? undefined : this.#others.get(key);
  }

  set(key: number, value: T): void {
    let place = key % this.#keys.length;
    if (this.#keys[place] !== key) {
      if (this.#others.has(key)) {
        this.#others.set(key, value);
        return;
      }
      this.#size += 1;
      if (this.#size > this.#keys.length / 2 && this.#grow()) place = key % this.#keys.length;
      if (this.#keys[place] !== -1) {
        this.#others.set(key, value);
        return;
      }
      this.#keys[place] = key;
    }
    this.#values[place] = value;
  }

  /** False where there is none. */
  delete(key: number): boolean {
    const place = key % this.#keys.length;
    if (this.#keys[place] === key) {
      this.#keys[place] = -1;
      this.#values[place] = undefined;
    } else if (!this.#others.delete(key)) {
      return false;
    }
    this.#size -= 1;
    if (this.#level > keptLevel && this.#size < this.#keys.length * emptyPart) this.#resize(this.#level - 1);
    return true;
  }

  clear(): void {
    this.#size = 0;
    this.#others.clear();
    this.#use(0);
  }

  /** All that there is now, in no order. */
  entries(): [number, T][] {
    const entries: [number, T][] = [];
    for (const [place, key] of this.#keys.entries())
      if (key >= 0) entries.push([key, this.#values[place] as T]);
    for (const entry of this.#others) entries.push(entry);
    return entries;
  }

  #grow(): boolean {
    if (this.#level + 1 === capacities.length) return false;
    this.#resize(this.#level + 1);
    return true;
  }

  #resize(level: number): void {
    const entries = this.entries();
    this.#others.clear();
    this.#use(level);
    const capacity = this.#keys.length;
    for (const [key, value] of entries) {
      const place = key % capacity;
      if (this.#keys[place] !== -1) {
        this.#others.set(key, value);
        continue;
      }
      this.#keys[place] = key;
      this.#values[place] = value;
    }
  }

  #use(level: number): void {
    const capacity = capacities[level] as number;
    this.#level = level;
    this.#keys = new Array<number>(capacity).fill(-1);
    this.#values = new Array<T | undefined>(capacity).fill(undefined);
  }
}
