/** Primes, so that numbers a step apart spread over all places. */
const capacities = [61, 251, 1021, 4093, 16_381] as const;

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
    return true;
  }

  clear(): void {
    this.#keys.fill(-1);
    this.#values.fill(undefined);
    this.#others.clear();
    this.#size = 0;
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
    const capacity = capacities[this.#level + 1];
    if (capacity === undefined) return false;
    const entries = this.entries();
    this.#level += 1;
    this.#keys = new Array<number>(capacity).fill(-1);
    this.#values = new Array<T | undefined>(capacity).fill(undefined);
    this.#others.clear();
    for (const [key, value] of entries) {
      const place = key % capacity;
      if (this.#keys[place] !== -1) {
        this.#others.set(key, value);
        continue;
      }
      this.#keys[place] = key;
      this.#values[place] = value;
    }
    return true;
  }
}
