import type { Entry, RaftEffects } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { digest, Harm, PlatterTerms } from './sights.ts';

/** An entry as it was first seen anywhere. If each has one predecessor, equal ends mean equal logs. */
interface Seen {
  readonly term: number;
  readonly digest: number;
  /** The term of the entry before it; -1: not known yet. */
  previousTerm: number;
  readonly where: string;
  readonly next: Seen | undefined;
}

/** How many of the last entries are compared in full when a member starts. */
const comparedAtStart = 64;

/** Looks at all that members ask to be written, at what comes to be on their platters, and at what they start from. */
export function logMatching(life: LifeSight): Checker {
  const seen: (Seen | undefined)[] = [undefined];
  const platters: PlatterTerms[] = [];
  const harm = new Harm();

  const find = (index: number, term: number): Seen | undefined => {
    let found = seen[index];
    while (found !== undefined && found.term !== term) found = found.next;
    return found;
  };

  const look = (member: MemberSight, entry: Entry, previousTerm: number, place: string): void => {
    const { index, term } = entry;
    const known = find(index, term);
    const found = digest(entry);
    if (known === undefined) {
      for (let hole = seen.length; hole < index; hole++) seen.push(undefined);
      const where = `${place} of ${member.name}`;
      seen[index] = { term, digest: found, previousTerm, where, next: seen[index] };
      return;
    }
    if (known.digest !== found) {
      violated(
        checker,
        `${place} of ${member.name} holds an entry ${index} of term ${term} with digest ${found}, ${known.where} one with digest ${known.digest}`,
      );
    }
    link(member, index, known, previousTerm, place);
  };

  const link = (
    member: MemberSight,
    index: number,
    known: Seen,
    previousTerm: number,
    place: string,
  ): void => {
    if (previousTerm === -1 || known.previousTerm === previousTerm) return;
    if (known.previousTerm === -1) {
      known.previousTerm = previousTerm;
      return;
    }
    violated(
      checker,
      `before entry ${index} of term ${known.term} ${place} of ${member.name} has term ${previousTerm}, but ${known.where} has term ${known.previousTerm}`,
    );
  };

  const termBefore = (member: MemberSight, index: number): number =>
    index === 1 ? 0 : (member.raft?.entryAt(index - 1)?.term ?? -1);

  const durableTermAt = (member: MemberSight, index: number): number => {
    const { durable } = member;
    if (index === 0) return 0;
    return index === durable.snapshotIndex ? durable.snapshotTerm : (durable.entryAt(index)?.term ?? -1);
  };

  const checker: Checker = {
    name: '03-log-matching',
    claim: 'Where two logs have an entry with the same index and term, they are the same up to there.',
    drained(member: MemberSight, { persist }: RaftEffects) {
      if (persist === undefined || persist.entries.length === 0) return;
      let previousTerm = termBefore(member, (persist.entries[0] as Entry).index);
      for (const entry of persist.entries) {
        look(member, entry, previousTerm, 'the log');
        previousTerm = entry.term;
      }
    },
    durable(member: MemberSight) {
      harm.note(member, life.nowUs);
      if (!harm.isReadable(member)) return;
      platters[member.position] ??= new PlatterTerms();
      const { durable } = member;
      const first = (platters[member.position] as PlatterTerms).follow(durable);
      let previousTerm = durableTermAt(member, first - 1);
      for (let index = first; index <= durable.lastIndex; index++) {
        const entry = durable.entryAt(index);
        if (entry === undefined) return;
        look(member, entry, previousTerm, 'the disk');
        previousTerm = entry.term;
      }
    },
    memberStarted(member: MemberSight) {
      const status = member.raft?.status();
      if (status === undefined || member.raft === undefined) return;
      let previousTerm = -1;
      for (let index = status.firstIndex; index <= status.lastIndex; index++) {
        const entry = member.raft.entryAt(index);
        if (entry === undefined) return;
        const known = find(index, entry.term);
        if (known === undefined || index > status.lastIndex - comparedAtStart)
          look(member, entry, previousTerm, 'the log at the start');
        else link(member, index, known, previousTerm, 'the log at the start');
        previousTerm = entry.term;
      }
    },
    memberWiped(member: MemberSight) {
      harm.wiped(member, life.nowUs);
      platters[member.position] = new PlatterTerms();
    },
  };
  return checker;
}
