import type { CommandResult } from '../../keyspace/index.ts';
import type { Entry } from '../../raft/index.ts';
import { type Checker, type LifeSight, type MemberSight, violated } from '../observation.ts';
import { describeEntry, sameEntry } from './sights.ts';

/** A hash covers the whole state and takes 160 µs, so it is not taken at each index: here it is 2% of a life. */
const hashedEvery = 32;

interface Applied {
  readonly results: number;
  /** The store's revision after the last command. */
  readonly revision: number;
  readonly by: string;
}
interface Hashed {
  readonly hash: number;
  readonly by: string;
}

/** Looks at each applied entry with its results, and at the hash of the keyspace from time to time. */
export function sameStateAtSameIndex(life: LifeSight): Checker {
  const applied: (Applied | undefined)[] = [];
  const hashes = new Map<number, Hashed>();

  const compareHash = (member: MemberSight, how: string): void => {
    const { keyspace } = member;
    if (keyspace === undefined || keyspace.appliedIndex === 0 || member.diverged === true) return;
    const index = keyspace.appliedIndex;
    const hash = keyspace.stateHash();
    const known = hashes.get(index);
    if (known === undefined) hashes.set(index, { hash, by: member.name });
    else if (known.hash !== hash) {
      violated(
        checker,
        `${member.name} has ${how} index ${index} and its state has the hash ${hash}; that of ${known.by} at the same index has ${known.hash}`,
      );
    }
  };

  const compareResults = (member: MemberSight, entry: Entry, results: readonly CommandResult[]): void => {
    const revision = results.at(-1)?.revision ?? -1;
    const known = applied[entry.index];
    if (known === undefined) {
      for (let hole = applied.length; hole < entry.index; hole++) applied.push(undefined);
      applied[entry.index] = { results: results.length, revision, by: member.name };
      return;
    }
    if (known.results === results.length && known.revision === revision) return;
    violated(
      checker,
      `entry ${entry.index} gave ${results.length} results up to revision ${revision} on ${member.name}, but ${known.results} up to revision ${known.revision} on ${known.by}`,
    );
  };

  const checker: Checker = {
    name: '05-same-state-at-same-index',
    claim: 'Members that have applied the same index applied the same entry and have the same state.',
    applied(member: MemberSight, entry: Entry, results: readonly CommandResult[]) {
      const committed = life.committed.entryAt(entry.index);
      if (committed === undefined)
        violated(
          checker,
          `${member.name} applied ${describeEntry(entry)}, which nobody reported as committed`,
        );
      // With its bytes: what was logged well may be spoilt on its way from there.
      if (!sameEntry(entry, committed)) {
        violated(
          checker,
          `${member.name} applied ${describeEntry(entry)}, but ${describeEntry(committed)} was committed`,
        );
      }
      compareResults(member, entry, results);
      const index = member.keyspace?.appliedIndex;
      if (index !== undefined && index !== entry.index)
        violated(checker, `${member.name} applied entry ${entry.index}, but its state says index ${index}`);
      if (entry.index % hashedEvery === 0 || hashes.has(entry.index)) compareHash(member, 'applied');
    },
    installed(member: MemberSight) {
      compareHash(member, 'installed a snapshot up to');
    },
    memberStarted(member: MemberSight) {
      compareHash(member, 'started from a snapshot up to');
    },
    ended() {
      for (const member of life.members) if (member.running) compareHash(member, 'ended at');
    },
  };
  return checker;
}
