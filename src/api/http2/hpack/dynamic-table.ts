/** What a field costs in the table beyond its characters (RFC 7541 §4.1). */
export const fieldOverhead = 32;

/** The fields that one connection has agreed on, the newest first (RFC 7541 §2.3.2). */
export class DynamicTable {
  /** Rises with every change: what was decoded under the same number decodes alike. */
  generation = 0;
  #fields: (readonly [name: string, value: string])[] = [];
  #size = 0;
  #maxSize: number;

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** `position` from 0, the newest; undefined: there is none. */
  at(position: number): readonly [name: string, value: string] | undefined {
    return this.#fields[this.#fields.length - 1 - position];
  }

  get length(): number {
    return this.#fields.length;
  }

  add(name: string, value: string): void {
    this.generation += 1;
    const cost = name.length + value.length + fieldOverhead;
    this.#evict(this.#maxSize - cost);
    if (cost > this.#maxSize) return;
    this.#fields.push([name, value]);
    this.#size += cost;
  }

  resize(maxSize: number): void {
    this.generation += 1;
    this.#maxSize = maxSize;
    this.#evict(maxSize);
  }

  #evict(downTo: number): void {
    let gone = 0;
    while (this.#size > downTo && gone < this.#fields.length) {
      const [name, value] = this.#fields[gone] as readonly [string, string];
      this.#size -= name.length + value.length + fieldOverhead;
      gone += 1;
    }
    if (gone > 0) this.#fields = this.#fields.slice(gone);
  }
}
