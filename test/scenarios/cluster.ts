import {
  type Entry,
  type MemberId,
  type RaftEffects,
  type RaftMessage,
  type RaftOptions,
  seededRandom,
} from '../../src/raft/index.ts';
import { describeEntry, describeMessage, describeOutcomes, describeWrites } from './describe.ts';
import { SimulatedDisk } from './disk.ts';
import { Invariants } from './invariants.ts';
import { SimulatedMember } from './member.ts';

const ELECTION_TIMEOUT_MS = 100;
const HEARTBEAT_INTERVAL_MS = 30;

/** A cluster that a script drives step by step; what happens is written down, and every invariant checked. */
export class ScriptedCluster {
  readonly members = new Map<MemberId, SimulatedMember>();
  readonly #invariants = new Invariants(this.members);
  readonly #cuts = new Set<string>();
  readonly #disks = new Map<MemberId, SimulatedDisk>();
  #network: RaftMessage[] = [];
  #streams: { from: MemberId; to: MemberId; session: number; term: number }[] = [];
  #nowMs = 1000;
  #lines: string[] = [];
  /** Only outcomes, no messages and writes. */
  #brief = false;

  constructor(size: number, options: Partial<RaftOptions>) {
    const voters = Array.from({ length: size }, (_, position) => position + 1);
    for (const id of voters) {
      const disk = new SimulatedDisk();
      this.#disks.set(id, disk);
      const raftOptions = (): RaftOptions => ({
        groupId: 1,
        memberId: id,
        configuration: { voters },
        electionTimeoutMs: ELECTION_TIMEOUT_MS,
        heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
        random: seededRandom(id),
        ...options,
      });
      const surroundings = {
        now: () => this.#nowMs,
        send: (message: RaftMessage) => this.#send(message),
        effects: (member: SimulatedMember, effects: RaftEffects) => this.#effects(member, effects),
      };
      this.members.set(id, new SimulatedMember(id, raftOptions, surroundings, disk));
    }
  }

  /** What was written down since the last call. */
  takeLines(): string[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  member(id: MemberId): SimulatedMember {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`there is no member ${id}`);
    return member;
  }

  get running(): SimulatedMember[] {
    return [...this.members.values()].filter((member) => member.running);
  }

  check(): void {
    this.#invariants.check();
  }

  /** Gives a member that has not started a log, by the terms of its entries. */
  setLog(id: MemberId, terms: readonly number[], term: number, commitIndex: number): void {
    const disk = this.#disks.get(id) as SimulatedDisk;
    disk.hardState = { term, votedFor: 0, commitIndex };
    disk.entries = terms.map((entryTerm, position): Entry => {
      const data = new TextEncoder().encode(`${entryTerm}`);
      return { index: position + 1, term: entryTerm, kind: 'command', data };
    });
  }

  start(ids: readonly MemberId[]): void {
    for (const id of ids) this.member(id).start();
  }

  crash(id: MemberId): void {
    this.member(id).crash();
    this.#network = this.#network.filter((message) => message.from !== id);
  }

  /** The clock moves to this member's next deadline; only it looks. */
  tick(id: MemberId): void {
    const deadlineMs = this.member(id).core.nextDeadlineMs();
    if (deadlineMs === Number.POSITIVE_INFINITY) throw new Error(`nothing is due for member ${id}, ever`);
    this.#nowMs = Math.max(this.#nowMs, deadlineMs);
    this.member(id).step({ type: 'tick' });
  }

  /** The clock moves by so much, for nobody. */
  wait(ms: number): void {
    this.#nowMs += ms;
  }

  /** Time passes with messages delivered at once and everybody ticking; outcomes only are written down. */
  run(ms: number): void {
    const endMs = this.#nowMs + ms;
    this.#brief = true;
    for (;;) {
      this.deliver(() => true);
      const nextMs = Math.min(endMs, ...this.running.map(({ core }) => core.nextDeadlineMs()));
      this.#nowMs = Math.max(this.#nowMs, nextMs);
      if (nextMs >= endMs) break;
      for (const member of this.running) {
        if (member.core.nextDeadlineMs() <= this.#nowMs) member.step({ type: 'tick' });
      }
    }
    this.#brief = false;
  }

  /** Delivers what matches until nothing more comes. */
  deliver(matches: (message: RaftMessage) => boolean): void {
    for (let count = 0; ; count += 1) {
      if (count > 10_000) throw new Error('the members never stop talking');
      const position = this.#network.findIndex(matches);
      if (position < 0) return;
      const [message] = this.#network.splice(position, 1) as [RaftMessage];
      const receiver = this.member(message.to);
      this.#write(`${describeMessage(message)}${receiver.running ? '' : ' (down)'}`);
      if (receiver.running) receiver.step({ type: 'message', message });
    }
  }

  drop(matches: (message: RaftMessage) => boolean): void {
    for (const message of this.#network.filter(matches))
      this.#lines.push(`${describeMessage(message)} (lost)`);
    this.#network = this.#network.filter((message) => !matches(message));
  }

  cut(from: MemberId, to: MemberId): void {
    this.#cuts.add(`${from}>${to}`);
    this.#network = this.#network.filter((message) => message.from !== from || message.to !== to);
  }

  heal(): void {
    this.#cuts.clear();
  }

  read(id: MemberId, readId: number): void {
    this.#invariants.readAsked(readId);
    this.member(id).step({ type: 'read', readId });
  }

  snapshot(id: MemberId, keepFrom: number): void {
    const member = this.member(id);
    const index = member.appliedIndex;
    const term = member.core.entryAt(index)?.term ?? 0;
    const snapshot = { index, term, configuration: member.status.configuration };
    member.disk.compact(snapshot, keepFrom);
    this.#lines.push(`${id} snapshot ${index}/${term}, keeps entries from ${keepFrom}`);
    member.step({ type: 'compacted', snapshot, keepFrom });
  }

  /** Ends the oldest stream of a snapshot. */
  endStream(ok: boolean): void {
    const stream = this.#streams.shift();
    const snapshot = stream && this.member(stream.from).disk.snapshot;
    if (stream === undefined || snapshot === undefined) throw new Error('no snapshot is on its way');
    const { from, to, session, term } = stream;
    this.#lines.push(`${from}>${to} snapshot ${snapshot.index}/${snapshot.term}${ok ? '' : ' (broken off)'}`);
    if (ok) this.member(to).step({ type: 'snapshot-received', from, term, session, snapshot });
    this.member(from).step({ type: 'snapshot-sent', to, ok, index: snapshot.index, session });
  }

  describeMembers(): void {
    for (const { id, running, disk } of this.members.values()) {
      const { role, term, commitIndex, lastIndex, firstIndex } = running
        ? this.member(id).status
        : {
            role: 'down',
            term: disk.hardState.term,
            commitIndex: disk.hardState.commitIndex,
            lastIndex: disk.lastIndex,
            firstIndex: disk.entries[0]?.index ?? disk.lastIndex + 1,
          };
      const terms: number[] = [];
      for (let index = firstIndex; index <= lastIndex; index += 1) {
        terms.push((running ? this.member(id).core.entryAt(index)?.term : disk.termAt(index)) ?? 0);
      }
      const log = terms.length === 0 ? 'empty' : `${firstIndex}: ${terms.join(' ')}`;
      this.#lines.push(`${id} ${role}, term ${term}, commit ${commitIndex}, log ${log}`);
    }
  }

  describeApplied(): void {
    for (const { id, applied, appliedIndex } of this.members.values()) {
      this.#lines.push(`${id} at ${appliedIndex}: ${applied.map(describeEntry).join(', ')}`);
    }
  }

  #send(message: RaftMessage): void {
    this.#invariants.sent(message);
    if (this.#cuts.has(`${message.from}>${message.to}`)) this.#write(`${describeMessage(message)} (cut)`);
    else this.#network.push(message);
  }

  #effects(member: SimulatedMember, effects: RaftEffects): void {
    this.#invariants.effects(member, effects);
    for (const line of describeOutcomes(effects)) this.#lines.push(`  ${member.id} ${line}`);
    for (const line of describeWrites(effects)) this.#write(`  ${member.id} ${line}`);
    for (const stream of effects.sendSnapshots) this.#streams.push({ from: member.id, ...stream });
  }

  #write(line: string): void {
    if (!this.#brief) this.#lines.push(line);
  }
}
