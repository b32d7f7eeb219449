import assert from 'node:assert/strict';
import type { Entry, MemberId, RaftEffects, RaftMessage } from '../../src/raft/index.ts';
import { majorityOf } from '../../src/raft/quorum.ts';
import type { SimulatedMember } from './member.ts';

interface Seen {
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly leads: boolean;
  readonly log: readonly Entry[];
}

/**
 * What must hold after every step, checked from outside: by what members say, what is on their disks and what they
 * send. Numbers are those of the list of invariants that every part of the project asserts.
 */
export class Invariants {
  readonly #members: ReadonlyMap<MemberId, SimulatedMember>;
  readonly #leaderOfTerm = new Map<number, MemberId>();
  /** By "index/term": the data and the term before it. */
  readonly #entries = new Map<
    string,
    { readonly data: Uint8Array; readonly previousTerm: number | undefined }
  >();
  /** By index: what some leader committed. */
  readonly #committed: Entry[] = [];
  readonly #lastSeen = new Map<MemberId, Seen>();
  readonly #lastCommit = new Map<MemberId, { readonly ledIn: number; readonly commitIndex: number }>();
  readonly #durableVotes = new Map<string, MemberId>();
  readonly #durableTerms = new Map<MemberId, number>();
  readonly #readsAsked = new Map<number, number>();
  /** The highest index that is known committed to anybody. */
  committedIndex = 0;
  readsChecked = 0;

  constructor(members: ReadonlyMap<MemberId, SimulatedMember>) {
    this.#members = members;
  }

  readAsked(readId: number): void {
    this.#readsAsked.set(readId, this.committedIndex);
  }

  /** Before a drain's effects are carried out. What a member newly calls committed is recorded as early as this. */
  effects(member: SimulatedMember, { readsReady, readsFailed }: RaftEffects): void {
    this.#checkCommit(member);
    for (const { readId, index } of readsReady) {
      const asked = this.#readsAsked.get(readId);
      assert.ok(asked !== undefined, `read ${readId} is answered twice, or was never asked`);
      assert.ok(
        index >= asked,
        `15: read ${readId} sees ${index}, but ${asked} was committed when it was asked`,
      );
      this.#readsAsked.delete(readId);
      this.readsChecked += 1;
    }
    for (const { readId } of readsFailed) {
      assert.ok(this.#readsAsked.delete(readId), `read ${readId} fails twice, or was never asked`);
    }
  }

  /** 11 and 14: by the sender's disk, and the receiver's. */
  sent(message: RaftMessage): void {
    const { disk } = this.#members.get(message.from) as SimulatedMember;
    const promised = message.type === 'pre-vote' || message.type === 'pre-vote-response';
    if (!promised) {
      assert.ok(
        message.term <= disk.hardState.term,
        `11: ${message.type} tells term ${message.term} before it is durable`,
      );
    }
    if (message.type === 'vote') {
      assert.equal(
        disk.hardState.votedFor,
        message.from,
        '11: a vote is asked for before the own one is durable',
      );
    } else if (message.type === 'vote-response' && message.granted && disk.hardState.term === message.term) {
      assert.equal(disk.hardState.votedFor, message.to, '11: a vote is sent before it is durable');
    } else if (
      message.type === 'append-response' &&
      message.accepted &&
      disk.hardState.term === message.term
    ) {
      assert.ok(
        disk.lastIndex >= message.matchIndex,
        `11: entry ${message.matchIndex} is acknowledged before it is durable`,
      );
    } else if (message.type === 'heartbeat' && message.commitIndex > 0) {
      const receiver = this.#members.get(message.to) as SimulatedMember;
      const { term } = this.#committed[message.commitIndex] as Entry;
      assert.ok(
        receiver.disk.holds(message.commitIndex, term),
        `14: a heartbeat tells ${message.commitIndex} to one without it`,
      );
    }
  }

  check(): void {
    for (const member of this.#members.values()) {
      this.#checkDisk(member);
      if (member.running) this.#checkMember(member);
      else this.#lastSeen.delete(member.id);
    }
    for (const member of this.#members.values()) if (member.running) this.#checkMatches(member);
  }

  #checkDisk({ id, disk }: SimulatedMember): void {
    const { term, votedFor } = disk.hardState;
    assert.ok(
      term >= (this.#durableTerms.get(id) ?? 0),
      `9: the durable term of member ${id} went back to ${term}`,
    );
    this.#durableTerms.set(id, term);
    if (votedFor === 0) return;
    const vote = this.#durableVotes.get(`${id}/${term}`);
    assert.ok(
      vote === undefined || vote === votedFor,
      `9: member ${id} voted for ${vote} and ${votedFor} in term ${term}`,
    );
    this.#durableVotes.set(`${id}/${term}`, votedFor);
  }

  #checkMember(member: SimulatedMember): void {
    const { id, core } = member;
    const status = core.status();
    const before = this.#lastSeen.get(id);
    const log = logOf(member);
    const snapshotIndex = member.disk.snapshot?.index ?? 0;
    assert.ok(
      status.appliedIndex <= status.commitIndex && status.commitIndex <= status.lastIndex,
      '10: out of order',
    );
    assert.ok(
      status.firstIndex <= status.commitIndex + 1,
      '10: a committed entry is neither in log nor snapshot',
    );
    assert.ok(
      snapshotIndex <= Math.max(status.commitIndex, status.firstIndex - 1),
      '10: the snapshot is ahead',
    );
    if (before !== undefined) {
      assert.ok(status.term >= before.term, '9: the term went back');
      assert.ok(status.commitIndex >= before.commitIndex, '9: the commit index went back');
      assert.ok(status.appliedIndex >= before.appliedIndex, '9: the applied index went back');
    }
    this.#checkLog(log);

    const leads = status.role === 'leader';
    const stillLeads = leads && before?.leads === true && before.term === status.term;
    if (leads) {
      const known = this.#leaderOfTerm.get(status.term) ?? id;
      assert.equal(known, id, `1: members ${known} and ${id} lead in term ${status.term}`);
      this.#leaderOfTerm.set(status.term, id);
      if (stillLeads) this.#checkAppendOnly(before.log, log, status.lastIndex);
      else this.#checkCompleteness(member, log);
    }
    this.#recordCommitted(member);
    for (const entry of member.applied) this.#checkCommitted(entry, '5');
    this.#lastSeen.set(id, {
      term: status.term,
      commitIndex: status.commitIndex,
      appliedIndex: status.appliedIndex,
      leads,
      log,
    });
  }

  #checkCommit(member: SimulatedMember): void {
    const { role, term, commitIndex } = member.status;
    const before = this.#lastCommit.get(member.id);
    if (role === 'leader' && before?.ledIn === term && commitIndex > before.commitIndex) {
      const last = member.core.entryAt(commitIndex);
      assert.equal(last?.term, term, '8: an entry of an earlier term was committed by counting');
    }
    this.#lastCommit.set(member.id, { ledIn: role === 'leader' ? term : 0, commitIndex });
    if (commitIndex > this.committedIndex) this.#recordCommitted(member);
  }

  /** 3. By induction over all logs: the same entry always has the same data and the same term before it. */
  #checkLog(log: readonly Entry[]): void {
    let previousTerm: number | undefined;
    for (const entry of log) {
      const key = `${entry.index}/${entry.term}`;
      const known = this.#entries.get(key);
      if (known === undefined) {
        this.#entries.set(key, { data: entry.data, previousTerm });
      } else {
        assert.deepEqual(known.data, entry.data, `3: two entries ${key}`);
        if (previousTerm !== undefined && known.previousTerm !== undefined) {
          assert.equal(known.previousTerm, previousTerm, `3: two prefixes of entry ${key}`);
        }
        if (known.previousTerm === undefined) this.#entries.set(key, { data: known.data, previousTerm });
      }
      previousTerm = entry.term;
    }
  }

  #checkAppendOnly(before: readonly Entry[], log: readonly Entry[], lastIndex: number): void {
    const last = before.at(-1);
    if (last === undefined) return;
    assert.ok(lastIndex >= last.index, '2: a leader deleted entries of its own');
    const same = log.find((entry) => entry.index === last.index);
    assert.ok(same === undefined || same.term === last.term, '2: a leader overwrote an entry of its own');
  }

  #checkCompleteness(member: SimulatedMember, log: readonly Entry[]): void {
    const byIndex = new Map(log.map((entry) => [entry.index, entry]));
    for (const entry of this.#committed) {
      if (entry === undefined || entry.index < member.status.firstIndex) continue;
      assert.equal(
        byIndex.get(entry.index)?.term,
        entry.term,
        `4: leader ${member.id} lacks committed entry ${entry.index}`,
      );
    }
  }

  /** 6 and 7, for what this member is the first to call committed. */
  #recordCommitted(member: SimulatedMember): void {
    const { commitIndex } = member.status;
    for (const entry of logOf(member)) {
      if (entry.index > commitIndex) break;
      if (entry.index <= this.committedIndex) {
        this.#checkCommitted(entry, '6');
        continue;
      }
      const holders = [...this.#members.values()].filter(({ disk }) => disk.holds(entry.index, entry.term));
      const needed = majorityOf(member.status.configuration.voters.length);
      assert.ok(
        holders.length >= needed,
        `7: entry ${entry.index} is committed, but only ${holders.length} have it durably`,
      );
      this.#committed[entry.index] = entry;
    }
    this.committedIndex = Math.max(this.committedIndex, commitIndex);
  }

  #checkCommitted(entry: Entry, rule: string): void {
    const known = this.#committed[entry.index];
    assert.ok(known !== undefined, `${rule}: entry ${entry.index} was applied and never committed`);
    assert.equal(known.term, entry.term, `${rule}: entry ${entry.index} is of two terms`);
    assert.deepEqual(known.data, entry.data, `${rule}: entry ${entry.index} has two contents`);
  }

  /** 12, for leaders that nobody has replaced: a replaced one may remember what was truncated since. */
  #checkMatches(leader: SimulatedMember): void {
    const { role, term, peers } = leader.status;
    if (role !== 'leader' || Math.max(...this.#durableTerms.values()) > term) return;
    for (const { peer, matchIndex } of peers) {
      if (matchIndex < leader.status.firstIndex) continue;
      const entry = leader.core.entryAt(matchIndex) as Entry;
      const { disk } = this.#members.get(peer) as SimulatedMember;
      assert.ok(
        disk.holds(matchIndex, entry.term),
        `12: the leader believes that member ${peer} holds entry ${matchIndex}`,
      );
    }
  }
}

function logOf(member: SimulatedMember): Entry[] {
  const { firstIndex, lastIndex } = member.status;
  const log: Entry[] = [];
  for (let index = firstIndex; index <= lastIndex; index += 1) log.push(member.core.entryAt(index) as Entry);
  return log;
}
