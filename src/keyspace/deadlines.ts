/**
 * Which lease is due first: a binary heap that is corrected late. A deadline that moves back, as with every renewal,
 * changes nothing here; its old entry is put right when it comes to the top. One that moves forward adds an entry.
 */
export interface HasDeadline {
  deadlineMs: number;
  /** The deadline in this lease's valid heap entry; any other entry of it is a leftover. NaN: gone. */
  queuedMs: number;
}

export class Deadlines<T extends HasDeadline> {
  private readonly times: number[] = [];
  private readonly items: T[] = [];

  /** To be called when a deadline was set for the first time, or made earlier. */
  add(item: T): void {
    item.queuedMs = item.deadlineMs;
    this.push(item.deadlineMs, item);
  }

  /** The item may be forgotten. */
  remove(item: T): void {
    item.queuedMs = Number.NaN;
  }

  /**
   * A time at or before the earliest deadline: exactly that if it is below `exactBelowMs`. Entries are put right
   * only below that, so a caller that passes the current time pays for each lease about once in its TTL.
   */
  earliest(exactBelowMs: number): number {
    while (this.items.length > 0) {
      const time = this.times[0] as number;
      const item = this.items[0] as T;
      if (item.queuedMs === time) {
        if (item.deadlineMs === time || time >= exactBelowMs) return time;
        this.pop();
        this.add(item);
      } else {
        this.pop();
      }
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Takes out the items whose deadline is strictly before `timeMs`, in no particular order. */
  takeDue(timeMs: number): T[] {
    const due: T[] = [];
    while (this.earliest(timeMs) < timeMs) {
      const item = this.items[0] as T;
      this.pop();
      this.remove(item);
      due.push(item);
    }
    return due;
  }

  private push(time: number, item: T): void {
    let at = this.times.length;
    this.times.push(time);
    this.items.push(item);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const parentTime = this.times[parent] as number;
      if (parentTime <= time) break;
      this.times[at] = parentTime;
      this.items[at] = this.items[parent] as T;
      at = parent;
    }
    this.times[at] = time;
    this.items[at] = item;
  }

  private pop(): void {
    const time = this.times.pop() as number;
    const item = this.items.pop() as T;
    const size = this.times.length;
    if (size === 0) return;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && (this.times[child + 1] as number) < (this.times[child] as number)) child++;
      const childTime = this.times[child] as number;
      if (childTime >= time) break;
      this.times[at] = childTime;
      this.items[at] = this.items[child] as T;
      at = child;
    }
    this.times[at] = time;
    this.items[at] = item;
  }
}
