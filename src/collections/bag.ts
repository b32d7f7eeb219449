/** What a bag holds remembers where it lies. */
export interface Bagged {
  /** Set by the bag; -1: in none. */
  bagPosition: number;
}

/** A set whose members are in no other bag. Its order is any. */
export class Bag<T extends Bagged> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: T): void {
    if (item.bagPosition >= 0) return;
    item.bagPosition = this.#items.length;
    this.#items.push(item);
  }

  /** False where it is not in the bag. */
  delete(item: T): boolean {
    const position = item.bagPosition;
    if (position < 0) return false;
    const last = this.#items.pop() as T;
    if (last !== item) {
      this.#items[position] = last;
      last.bagPosition = position;
    }
    item.bagPosition = -1;
    return true;
  }

  /** All that it holds now. */
  all(): T[] {
    return this.#items.slice();
  }
}
