/**
 * Hash tables of row numbers (row + 1 in each slot; 0 is free), whose hashes anybody can compute: clients choose what goes
 * in, and replicas must agree on nothing here, but a seed would have to come from outside. So a search ends after a bound
 * rather than by luck: linear probing goes round within a group of slots, and what finds its group full is spilled, to a
 * structure whose cost no choice can raise. At most half of all slots are taken, so with hashes that nobody chose one group
 * in some ten thousand spills.
 */

/** Two lines of the processor's cache. */
export const slotsOfGroup = 32;
const inGroup = slotsOfGroup - 1;

/** The slot where a search goes on; round within the group. */
export function nextSlot(at: number): number {
  return (at & ~inGroup) | ((at + 1) & inGroup);
}

/** Puts in a row whose search begins at `home`; false where the group is full. */
export function placeRow(slots: Int32Array, home: number, row: number): boolean {
  let at = home;
  while (slots[at] !== 0) {
    at = nextSlot(at);
    if (at === home) return false;
  }
  slots[at] = row + 1;
  return true;
}

/** The slot of a row whose search begins at `home`; -1 if it was spilled. */
export function slotOfRow(slots: Int32Array, home: number, row: number): number {
  let at = home;
  while (slots[at] !== row + 1) {
    at = nextSlot(at);
    if (at === home) return -1;
  }
  return at;
}

/** Frees a slot. What follows moves up, unless that would put it before the place where its search starts. */
export function freeSlot(slots: Int32Array, slot: number, homeOf: (row: number) => number): void {
  let hole = slot;
  for (let at = nextSlot(slot); at !== slot && slots[at] !== 0; at = nextSlot(at)) {
    const home = homeOf((slots[at] as number) - 1);
    if (((at - home) & inGroup) < ((at - hole) & inGroup)) continue;
    slots[hole] = slots[at] as number;
    hole = at;
  }
  slots[hole] = 0;
}
