import {
  type Configuration,
  type ConfigurationAt,
  decodeConfiguration,
  type Entry,
  type RaftEffects,
} from '../../raft/index.ts';
import type { CommittedLog, ConfigurationSight, MemberSight } from '../observation.ts';
import { statusOf, touchesLog } from './sights.ts';

interface Known {
  /** Ascending; the first is what its log began with, or what its snapshot stands for. */
  versions: (ConfigurationAt & { readonly term: number })[];
  /** What was in force before the last look, where that found another. */
  before: ConfigurationAt | undefined;
  lastIndex: number;
  lastTerm: number;
}

/**
 * Which configuration is in force on each member: found by reading its log, and never asked of the code that is
 * checked. What a snapshot stands for is taken from what was committed.
 */
export class Configurations implements ConfigurationSight {
  readonly #log: CommittedLog;
  #initial: Configuration = { voters: [] };
  readonly #known: (Known | undefined)[] = [];
  readonly #committed: (ConfigurationAt & { readonly term: number })[] = [];
  #members: readonly MemberSight[] = [];
  readonly #byId = new Map<number, MemberSight>();

  constructor(log: CommittedLog) {
    this.#log = log;
  }

  /** The cluster begins with these. */
  begin(members: readonly MemberSight[]): void {
    this.#initial = { voters: members.map(({ memberId }) => memberId) };
    this.#members = members;
  }

  get committed(): ConfigurationAt {
    return this.#committed.at(-1) ?? { index: 0, configuration: this.#initial };
  }

  /** An entry was committed for the first time. */
  add(entry: Entry): void {
    if (entry.kind !== 'configuration') return;
    const { index, term } = entry;
    this.#committed.push({ index, term, configuration: decodeConfiguration(entry.data) });
    this.#committed.sort((a, b) => a.index - b.index);
  }

  of(member: MemberSight): ConfigurationAt {
    return this.#known[member.position]?.versions.at(-1) ?? { index: 0, configuration: { voters: [] } };
  }

  before(member: MemberSight): ConfigurationAt | undefined {
    return this.#known[member.position]?.before;
  }

  memberOf(id: number): MemberSight | undefined {
    if (this.#byId.size !== this.#members.length)
      for (const member of this.#members) this.#byId.set(member.memberId, member);
    return this.#byId.get(id);
  }

  isQuorum({ voters, outgoing }: Configuration, counts: (voter: number) => boolean): boolean {
    return isMajority(voters, counts) && (outgoing === undefined || isMajority(outgoing, counts));
  }

  started(member: MemberSight): void {
    const status = member.raft?.status();
    if (status === undefined) return;
    const known: Known = { versions: [], before: undefined, lastIndex: 0, lastTerm: 0 };
    this.#known[member.position] = known;
    this.#beginAt(member, known, status.firstIndex);
    this.#scan(member, known, status.firstIndex, status.lastIndex);
  }

  drained(member: MemberSight, effects: RaftEffects): void {
    if (!touchesLog(effects) && effects.configuration === undefined) return;
    const known = this.#known[member.position];
    const status = statusOf(member, effects);
    if (known === undefined || status === undefined) return;
    const latest = known.versions.at(-1);
    const { firstIndex, lastIndex } = status;
    const { raft } = member;
    if (known.lastIndex >= firstIndex - 1 && raft !== undefined) {
      // By log matching an equal end means that all before it is as it was.
      const isSame = lastIndex >= known.lastIndex && this.#termAt(member, known) === known.lastTerm;
      if (!isSame) {
        while (known.versions.length > 1 && !stands(known.versions.at(-1), member, firstIndex, this.#log))
          known.versions.pop();
      }
      const from = isSame ? known.lastIndex + 1 : (known.versions.at(-1)?.index ?? 0) + 1;
      this.#scan(member, known, Math.max(from, firstIndex), lastIndex);
    } else {
      this.#beginAt(member, known, firstIndex);
      this.#scan(member, known, firstIndex, lastIndex);
    }
    known.before = latest === known.versions.at(-1) ? undefined : latest;
  }

  #termAt(member: MemberSight, { lastIndex, lastTerm }: Known): number | undefined {
    if (lastIndex === 0) return lastTerm;
    // What is compacted was committed, and cannot have been cut off.
    const { raft } = member;
    return raft?.entryAt(lastIndex)?.term ?? this.#log.entryAt(lastIndex)?.term;
  }

  #beginAt(member: MemberSight, known: Known, firstIndex: number): void {
    const base = this.#committed.findLast(({ index }) => index < firstIndex);
    const empty = member.joined === true && firstIndex === 1;
    known.versions = [base ?? { index: 0, term: 0, configuration: empty ? { voters: [] } : this.#initial }];
    known.lastIndex = firstIndex - 1;
    known.lastTerm = this.#log.entryAt(firstIndex - 1)?.term ?? 0;
  }

  #scan(member: MemberSight, known: Known, from: number, lastIndex: number): void {
    const { raft } = member;
    let entry: Entry | undefined;
    for (let index = from; index <= lastIndex; index++) {
      entry = raft?.entryAt(index);
      if (entry?.kind !== 'configuration') continue;
      const configuration = decodeConfiguration(entry.data);
      known.versions.push({ index, term: entry.term, configuration });
    }
    if (from <= lastIndex || lastIndex < known.lastIndex) {
      known.lastIndex = lastIndex;
      known.lastTerm = entry?.term ?? raft?.entryAt(lastIndex)?.term ?? known.lastTerm;
    }
    // Few are of use: those that a truncation may bring back.
    if (known.versions.length > 32) known.versions.splice(1, 8);
  }
}

function stands(
  version: { readonly index: number; readonly term: number } | undefined,
  member: MemberSight,
  firstIndex: number,
  log: CommittedLog,
): boolean {
  if (version === undefined) return true;
  // A leader's snapshot may stand in place of what was never committed.
  if (version.index < firstIndex) return (log.entryAt(version.index)?.term ?? version.term) === version.term;
  return member.raft?.entryAt(version.index)?.term === version.term;
}

function isMajority(voters: readonly number[], counts: (voter: number) => boolean): boolean {
  let count = 0;
  for (const voter of voters) if (counts(voter)) count += 1;
  return count * 2 > voters.length;
}
