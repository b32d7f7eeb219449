import type { Configuration, Entry, RaftEffects, RaftStatus } from '../../raft/index.ts';
import type { DurableState, LifeSight, MemberSight } from '../observation.ts';

/** What several checkers ask of the sights they are given. */

let statusFor: RaftEffects | undefined;
let latestStatus: RaftStatus | undefined;

/** The status at this drain. The core makes it anew each time it is asked; for all checkers once a drain is enough. */
export function statusOf(member: MemberSight, effects: RaftEffects): RaftStatus | undefined {
  if (statusFor !== effects) {
    statusFor = effects;
    latestStatus = member.raft?.status();
  }
  return latestStatus;
}

/**
 * Whether this drain tells of anything new in term, log or commit index. A commit index that moved alone may be told of
 * with a later write only.
 */
export function touchesLog(effects: RaftEffects): boolean {
  return effects.persist !== undefined || effects.committed.length > 0 || effects.state !== undefined;
}

/** Whether anything at all came of this drain but reads. What a leader believes may have moved without it. */
export function doesAnything(effects: RaftEffects): boolean {
  return touchesLog(effects) || effects.messages.length > 0 || effects.messagesAfterPersist.length > 0;
}

export function sameEntry(one: Entry, other: Entry): boolean {
  if (one === other) return true;
  return (
    one.index === other.index &&
    one.term === other.term &&
    one.kind === other.kind &&
    Buffer.compare(one.data, other.data) === 0
  );
}

export function describeEntry(entry: Entry): string {
  return `entry ${entry.index} of term ${entry.term} (${entry.kind}, ${entry.data.length} bytes, digest ${digest(entry)})`;
}

/** By their names; undefined: all members. */
export function describeConfiguration(
  configuration: Configuration | undefined,
  { members }: Pick<LifeSight, 'members'>,
): string {
  if (configuration === undefined) return 'the members';
  const names = (ids: readonly number[] = []): string =>
    ids.map((id) => members.find(({ memberId }) => memberId === id)?.name ?? `${id}`).join(', ') || 'nobody';
  const { voters, outgoing, learners } = configuration;
  const joint = outgoing === undefined ? '' : `, before ${names(outgoing)}`;
  const learning = learners === undefined ? '' : `, learning ${names(learners)}`;
  return `(${names(voters)}${joint}${learning})`;
}

/** 32 bits of kind and data. */
export function digest({ kind, data }: Entry): number {
  let hash = kind === 'command' ? 0x811c9dc5 : kind === 'empty' ? 0x2c1b3c6d : 0x297a2d39;
  for (let at = 0; at < data.length; at++) hash = Math.imul(hash ^ (data[at] as number), 0x01000193);
  return Math.imul(hash ^ data.length, 0x01000193) >>> 0;
}

/** Whether the platter has the entry `index` of `term`. Inside the snapshot there is nothing left to compare. */
export function holdsDurably(durable: DurableState, index: number, term: number): boolean {
  if (index < durable.snapshotIndex) return true;
  if (index === durable.snapshotIndex) return durable.snapshotTerm === term || index === 0;
  return index <= durable.lastIndex && durable.entryAt(index)?.term === term;
}

/** Whether one is allowed to measure a member by its platter: not while what went bad there has not been replaced. */
export class Harm {
  readonly #wiped: boolean[] = [];
  readonly #lastSeenUs: number[] = [];

  /** Its disk is empty now, and what comes to be on it is good. */
  wiped(member: MemberSight, nowUs: number): void {
    this.#wiped[member.position] = true;
    this.#lastSeenUs[member.position] = nowUs;
  }

  /** Call it in each callback about the member. */
  note(member: MemberSight, nowUs: number): void {
    if (member.damaged) this.#lastSeenUs[member.position] = nowUs;
    else this.#wiped[member.position] = false;
  }

  /** What the platter holds now is what the member itself finds there. */
  isReadable(member: MemberSight): boolean {
    return !member.damaged || this.#wiped[member.position] === true;
  }

  /** Something that it held may have been lost since then. */
  since(member: MemberSight, us: number): boolean {
    return member.damaged || (this.#lastSeenUs[member.position] ?? Number.NEGATIVE_INFINITY) >= us;
  }
}

/** The terms of the entries on one platter, kept up by looking at what is new. */
export class PlatterTerms {
  terms: number[] = [];
  lastIndex = 0;
  snapshotIndex = 0;

  /** Takes in what the platter holds now, and returns the first index that is new or other than before. */
  follow(durable: DurableState): number {
    const { lastIndex, snapshotIndex } = durable;
    let same = lastIndex;
    // Where a term agrees all before it does, if log matching holds, which has a checker of its own.
    while (
      same > snapshotIndex &&
      (same > this.lastIndex || this.terms[same] !== durable.entryAt(same)?.term)
    ) {
      same -= 1;
    }
    for (let hole = this.terms.length; hole <= same; hole++) this.terms.push(0);
    this.terms.length = same + 1;
    for (let index = same + 1; index <= lastIndex; index++)
      this.terms.push(durable.entryAt(index)?.term ?? 0);
    this.lastIndex = lastIndex;
    this.snapshotIndex = snapshotIndex;
    return same + 1;
  }

  has(index: number, term: number): boolean {
    return index <= this.snapshotIndex || this.terms[index] === term;
  }

  copy(): PlatterTerms {
    const copied = new PlatterTerms();
    copied.terms = this.terms.slice();
    copied.lastIndex = this.lastIndex;
    copied.snapshotIndex = this.snapshotIndex;
    return copied;
  }
}
