import {
  type MemberId,
  type RaftEffects,
  type RaftEvent,
  type RaftMessage,
  type RaftOptions,
  seededRandom,
} from '../../src/raft/index.ts';
import { Invariants } from './invariants.ts';
import { SimulatedMember } from './member.ts';

/** How often what goes wrong, as chances for each step or message. */
export interface Faults {
  readonly drop: number;
  readonly duplicate: number;
  readonly crash: number;
  readonly restart: number;
  readonly cut: number;
  /** All links of one member, both ways, noticed by the others as broken connections. */
  readonly isolate: number;
  readonly heal: number;
  readonly disconnect: number;
  readonly stall: number;
  readonly holdDisk: number;
}

export interface WorldOptions {
  readonly seed: number;
  readonly members: number;
  readonly faults: Faults;
  readonly raft: Partial<RaftOptions>;
}

interface SnapshotStream {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: number;
  readonly session: number;
}

/** A cluster of pure cores among faults that one seed decides. Every member's clock has its own zero and rate. */
export class World {
  readonly members = new Map<MemberId, SimulatedMember>();
  readonly invariants = new Invariants(this.members);
  readonly #random: () => number;
  readonly #options: WorldOptions;
  readonly #clocks = new Map<MemberId, { readonly zeroMs: number; readonly rate: number }>();
  readonly #cuts = new Set<string>();
  #network: RaftMessage[] = [];
  #streams: SnapshotStream[] = [];
  #trueMs = 0;
  #lastId = 0;
  /** Calm: nothing goes wrong any more. */
  calm = false;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const voters = Array.from({ length: options.members }, (_, position) => position + 1);
    const drift = options.raft.clockDriftRate ?? 0.01;
    for (const id of voters) {
      this.#clocks.set(id, { zeroMs: this.#random() * 1e6, rate: 1 + (this.#random() * 2 - 1) * drift });
      const raftOptions = (): RaftOptions => ({
        groupId: 1,
        memberId: id,
        configuration: { voters },
        random: seededRandom(Math.floor(this.#random() * 2 ** 32)),
        ...options.raft,
      });
      this.members.set(
        id,
        new SimulatedMember(id, raftOptions, {
          now: (member) => this.#nowOf(member),
          send: (message) => this.#send(message),
          effects: (member, effects) => this.#effects(member, effects),
        }),
      );
    }
    for (const member of this.members.values()) member.start();
  }

  /** One random thing happens, then every invariant is checked. */
  step(): void {
    this.#trueMs += this.#random() * 3;
    for (const member of this.#running()) {
      if (member.core.nextDeadlineMs() <= this.#nowOf(member.id)) member.step({ type: 'tick' });
    }
    this.#deliverSome();
    this.#useCluster();
    for (const member of this.#running()) {
      const waiting = member.disk.waiting.length;
      if (member.diskHeld && waiting > 0 && this.#chance(0.4)) member.completeWrite(1 + this.#below(waiting));
      if (member.diskHeld && this.#chance(0.05)) this.#releaseDisk(member);
    }
    if (!this.calm) this.#misfortune();
    this.invariants.check();
  }

  /** Ends all faults: links are whole, disks answer, everybody runs. */
  heal(): void {
    this.calm = true;
    this.#cuts.clear();
    for (const member of this.members.values()) {
      if (!member.running) member.start();
      this.#releaseDisk(member);
    }
    for (const member of this.members.values()) {
      for (const peer of this.members.keys())
        if (peer !== member.id) member.step({ type: 'peer-connected', peer });
    }
  }

  leader(): SimulatedMember | undefined {
    const leaders = this.#running().filter(({ status }) => status.role === 'leader');
    return leaders.sort((left, right) => right.status.term - left.status.term)[0];
  }

  #nowOf(member: MemberId): number {
    const clock = this.#clocks.get(member) as { zeroMs: number; rate: number };
    return clock.zeroMs + clock.rate * this.#trueMs;
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }
  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
  #pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.#below(items.length)];
  }
  #running(): SimulatedMember[] {
    return [...this.members.values()].filter((member) => member.running);
  }

  #send(message: RaftMessage): void {
    this.invariants.sent(message);
    if (this.#cuts.has(`${message.from}>${message.to}`)) return;
    if (!this.calm && this.#chance(this.#options.faults.drop)) return;
    this.#network.push(message);
    if (!this.calm && this.#chance(this.#options.faults.duplicate)) this.#network.push(message);
  }

  #effects(member: SimulatedMember, effects: RaftEffects): void {
    this.invariants.effects(member, effects);
    for (const stream of effects.sendSnapshots) this.#streams.push({ from: member.id, ...stream });
  }

  #deliverSome(): void {
    for (let count = this.#below(8); count > 0 && this.#network.length > 0; count -= 1) {
      // Mostly in order, at times not.
      const position = this.#chance(0.8) ? 0 : this.#below(this.#network.length);
      const [message] = this.#network.splice(position, 1) as [RaftMessage];
      const receiver = this.members.get(message.to) as SimulatedMember;
      if (receiver.running) receiver.step({ type: 'message', message });
    }
    if (this.#streams.length > 0 && this.#chance(0.3))
      this.#endStream(this.#streams.shift() as SnapshotStream);
  }

  #endStream({ from, to, term, session }: SnapshotStream): void {
    const sender = this.members.get(from) as SimulatedMember;
    const receiver = this.members.get(to) as SimulatedMember;
    const snapshot = sender.disk.snapshot;
    const ok =
      sender.running && receiver.running && snapshot !== undefined && (this.calm || this.#chance(0.7));
    if (ok) receiver.step({ type: 'snapshot-received', from, term, session, snapshot });
    if (sender.running) sender.step({ type: 'snapshot-sent', to, ok, index: snapshot?.index ?? 0, session });
  }

  #useCluster(): void {
    const member = this.#pick(this.#running());
    if (member === undefined) return;
    const events: RaftEvent[] = [];
    if (this.#chance(0.3)) {
      for (let count = 1 + this.#below(3); count > 0; count -= 1) events.push(this.#proposal());
    }
    if (this.#chance(0.15)) {
      this.#lastId += 1;
      this.invariants.readAsked(this.#lastId);
      events.push({ type: 'read', readId: this.#lastId });
    }
    if (this.#chance(0.005)) events.push({ type: 'transfer', target: this.#below(this.members.size + 1) });
    if (events.length > 0) member.step(...events);
    if (this.#chance(0.02)) this.#compact(member);
  }

  #proposal(): RaftEvent {
    this.#lastId += 1;
    return {
      type: 'propose',
      proposalId: this.#lastId,
      data: new TextEncoder().encode(`command ${this.#lastId}`),
    };
  }

  #compact(member: SimulatedMember): void {
    const index = member.appliedIndex;
    if (index <= (member.disk.snapshot?.index ?? 0)) return;
    const term = member.core.entryAt(index)?.term;
    if (term === undefined) return;
    const snapshot = { index, term, configuration: member.status.configuration };
    const keepFrom = Math.max(1, index + 1 - this.#below(10));
    member.disk.compact(snapshot, keepFrom);
    member.step({ type: 'compacted', snapshot, keepFrom });
  }

  #misfortune(): void {
    const { faults } = this.#options;
    const member = this.#pick([...this.members.values()]) as SimulatedMember;
    const peer = this.#pick([...this.members.keys()].filter((id) => id !== member.id)) as MemberId;
    if (!member.running) {
      if (this.#chance(faults.restart)) member.start();
      return;
    }
    if (this.#chance(faults.crash)) this.#crash(member);
    else if (this.#chance(faults.disconnect)) this.#disconnect(member.id, peer);
    else if (this.#chance(faults.holdDisk)) member.diskHeld = true;
    else if (this.#chance(faults.stall)) member.step({ type: 'stalled', stallMs: this.#random() * 500 });
    if (this.#chance(faults.cut)) this.#cuts.add(`${member.id}>${peer}`);
    if (this.#chance(faults.isolate)) this.#isolate(this.leader() ?? member);
    if (this.#chance(faults.heal)) this.#cuts.clear();
  }

  #crash(member: SimulatedMember): void {
    // Some of what waits may have reached the disk.
    const waiting = member.disk.waiting.length;
    for (let count = this.#below(waiting + 1); count > 0; count -= 1) member.disk.complete();
    member.crash();
    member.diskHeld = false;
    for (const other of this.#running()) {
      if (this.#chance(0.7)) other.step({ type: 'peer-disconnected', peer: member.id });
    }
  }

  #isolate(member: SimulatedMember): void {
    for (const other of this.members.values()) {
      if (other === member) continue;
      this.#cuts.add(`${member.id}>${other.id}`).add(`${other.id}>${member.id}`);
      if (other.running) other.step({ type: 'peer-disconnected', peer: member.id });
    }
  }

  #disconnect(left: MemberId, right: MemberId): void {
    for (const [from, to] of [[left, right] as const, [right, left] as const]) {
      this.#network = this.#network.filter((message) => message.from !== from || message.to !== to);
      const member = this.members.get(from) as SimulatedMember;
      if (member.running) member.step({ type: 'peer-disconnected', peer: to });
      if (member.running && this.#chance(0.5)) member.step({ type: 'peer-connected', peer: to });
    }
  }

  #releaseDisk(member: SimulatedMember): void {
    member.diskHeld = false;
    if (member.disk.waiting.length > 0) member.completeWrite(member.disk.waiting.length);
  }
}
