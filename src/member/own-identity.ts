import type { CommandIdentity } from '../keyspace/index.ts';

/** Above this many sequences in flight, further forwarded proposals wait (the keyspace keeps 1024 results). */
const maxOutstandingSequences = 1000;

/** This member's own incarnation, under which what it forwards is applied once, and the window of its sequences. */
export class OwnIdentity {
  /** 0: none yet, or forgotten. */
  private incarnation = 0;
  private nextSequence = 1;
  /** In the order of their sequences: the first is the lowest outstanding one. */
  private readonly outstanding = new Set<number>();

  get registered(): boolean {
    return this.incarnation !== 0;
  }

  register(incarnation: number): void {
    this.incarnation = incarnation;
    this.nextSequence = 1;
    this.outstanding.clear();
  }

  /** The cluster does not know it any more. */
  forget(incarnation: number): void {
    if (this.incarnation === incarnation) this.incarnation = 0;
  }

  /** undefined: as many as may be are outstanding. */
  next(): CommandIdentity | undefined {
    const lowest = this.lowest;
    if (this.nextSequence - lowest >= maxOutstandingSequences) return undefined;
    const sequence = this.nextSequence++;
    this.outstanding.add(sequence);
    return { incarnation: this.incarnation, sequence, acknowledgedBelow: lowest };
  }

  /** Nobody will ask for that result again. True: there is room again where there was none. */
  release(identity: CommandIdentity): boolean {
    if (identity.incarnation !== this.incarnation) return false;
    const wasFull = this.nextSequence - this.lowest >= maxOutstandingSequences;
    this.outstanding.delete(identity.sequence);
    return wasFull && this.nextSequence - this.lowest < maxOutstandingSequences;
  }

  private get lowest(): number {
    return this.outstanding.values().next().value ?? this.nextSequence;
  }
}
