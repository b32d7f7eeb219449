/** What can stand in a queue: it knows itself whether it does. */
export interface Queued {
  queued: boolean;
}

/** Passed places are given up when there are so many, and they are more than half. */
const mostPassed = 1024;

/**
 * The one that waited longest first, and none twice. It costs a fraction of a Set, in and out of which each watch would go
 * with each response.
 */
export class WatchQueue<Watch extends Queued> {
  #places: Watch[] = [];
  /** Those before it are passed. */
  #first = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Where it does not stand in it already. */
  add(watch: Watch): void {
    if (watch.queued) return;
    watch.queued = true;
    this.#places.push(watch);
    this.#size += 1;
  }

  /** Its place stays behind, for nobody. */
  remove(watch: Watch): void {
    if (!watch.queued) return;
    watch.queued = false;
    this.#size -= 1;
    if (this.#size === 0) this.#empty();
  }

  take(): Watch | undefined {
    while (this.#size > 0) {
      const watch = this.#places[this.#first] as Watch;
      this.#pass();
      if (!watch.queued) continue;
      watch.queued = false;
      this.#size -= 1;
      if (this.#size === 0) this.#empty();
      return watch;
    }
    return undefined;
  }

  clear(): void {
    for (let at = this.#first; at < this.#places.length; at++) (this.#places[at] as Watch).queued = false;
    this.#size = 0;
    this.#empty();
  }

  #pass(): void {
    this.#first += 1;
    if (this.#first < mostPassed || this.#first * 2 < this.#places.length) return;
    this.#places = this.#places.slice(this.#first);
    this.#first = 0;
  }

  #empty(): void {
    this.#places.length = 0;
    this.#first = 0;
  }
}
