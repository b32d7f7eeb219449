import { Raft } from '../raft.ts';
import { seededRandom } from '../random.ts';
import type {
  Entry,
  MemberId,
  PersistRequest,
  RaftEffects,
  RaftEvent,
  RaftMessage,
  RaftStored,
} from '../types.ts';
import { written } from './figures.ts';

/** Chances, of each message or of each step, that something goes wrong. */
export interface Faults {
  readonly drop: number;
  /** A message that is delivered stays under way, to be delivered again at some time. */
  readonly repeat: number;
  readonly crash: number;
  readonly restart: number;
  /** Everything to and from one member is lost, until it is over for all. */
  readonly isolate: number;
  readonly heal: number;
  /** A member sees its connection to another break; that only makes it campaign sooner. */
  readonly disconnect: number;
  /** A leader is asked to hand over. */
  readonly transfer: number;
  /** That a pre-vote is granted by the network: no safety may depend on pre-votes, and without them rivals are many. */
  readonly preVote: number;
  /** That a member's disk completes what waits. */
  readonly write: number;
}

/** Beyond that, messages are lost: a crowd of old ones would keep new ones from arriving. */
const MOST_UNDER_WAY = 60;

interface Write {
  readonly persist: PersistRequest | undefined;
  readonly after: readonly RaftMessage[];
}

/** One core on a disk that takes its time. */
export class ClusterMember {
  readonly id: MemberId;
  /** What a crash leaves. */
  disk: RaftStored = {
    hardState: { term: 0, votedFor: 0, commitIndex: 0 },
    snapshot: undefined,
    entries: [],
  };
  /** undefined: crashed. */
  core: Raft | undefined;
  /** What the state machine has taken since the last start. */
  applied: Entry[] = [];
  writes: Write[] = [];

  constructor(id: MemberId) {
    this.id = id;
  }

  get log(): readonly Entry[] {
    const { core } = this;
    if (core === undefined) return this.disk.entries;
    const length = core.status().lastIndex;
    return Array.from({ length }, (_, position) => core.entryAt(position + 1) as Entry);
  }
}

/** After each drain of a member, before anything else happens. */
export type Observer = (member: ClusterMember, effects: RaftEffects, cluster: Cluster) => void;

/**
 * A few cores among which one seed decides what happens: messages are lost, repeated and arrive in any order, disks are
 * slow, and crashes lose what was not durable. No snapshots, so that whole logs can be compared.
 */
export class Cluster {
  readonly members: readonly ClusterMember[];
  readonly #faults: Faults;
  readonly #observer: Observer;
  readonly #random: () => number;
  #underWay: RaftMessage[] = [];
  readonly #isolated = new Set<MemberId>();
  #nowMs = 0;
  #lastProposal = 0;

  constructor(seed: number, size: number, faults: Faults, observer: Observer) {
    this.#random = seededRandom(seed);
    this.#faults = faults;
    this.#observer = observer;
    this.members = Array.from({ length: size }, (_, position) => new ClusterMember(position + 1));
    for (const member of this.members) this.#start(member);
  }

  /** Some time passes, and in it a few things happen to the cluster. */
  step(): void {
    this.#nowMs += 4 * this.#random();
    for (const member of this.members) {
      if ((member.core?.nextDeadlineMs() ?? Number.POSITIVE_INFINITY) <= this.#nowMs) {
        this.#drive(member, { type: 'tick' });
      }
      if (member.writes.length > 0 && this.#chance(this.#faults.write)) this.#completeWrites(member);
    }
    for (let count = this.#below(4 * this.members.length); count > 0; count -= 1) this.#deliver();
    while (this.#underWay.length > MOST_UNDER_WAY) this.#underWay.splice(this.#below(MOST_UNDER_WAY), 1);
    const leaders = this.members.filter(({ core }) => core?.status().role === 'leader');
    for (const leader of leaders) if (this.#chance(0.3)) this.#propose(leader);
    // It meets leaders more often than others: theirs is what tests the rules.
    const those = leaders.length > 0 && this.#chance(0.4) ? leaders : this.members;
    this.#misfortune(those[this.#below(those.length)] as ClusterMember);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #start(member: ClusterMember): void {
    const core = new Raft(
      {
        groupId: 1,
        memberId: member.id,
        configuration: { voters: this.members.map(({ id }) => id) },
        electionTimeoutMs: 16,
        heartbeatIntervalMs: 5,
        maxInflightAppends: 3,
        // One entry in each message.
        maxAppendBytes: 1,
        random: seededRandom(this.#below(2 ** 32)),
      },
      member.disk,
      this.#nowMs,
    );
    member.core = core;
    member.applied = [];
    this.#drive(member);
  }

  #crash(member: ClusterMember): void {
    // Some of what waits may have reached the disk, though the core has not heard of it.
    for (let count = this.#below(member.writes.length + 1); count > 0; count -= 1) {
      member.disk = written(member.disk, member.writes.shift()?.persist);
    }
    member.writes = [];
    member.core = undefined;
  }

  #propose(member: ClusterMember): void {
    this.#lastProposal += 1;
    const data = Uint8Array.of(this.#lastProposal >> 8, this.#lastProposal & 0xff);
    this.#drive(member, { type: 'propose', proposalId: this.#lastProposal, data });
  }

  #drive(member: ClusterMember, event?: RaftEvent): void {
    const { core } = member;
    if (core === undefined) return;
    if (event !== undefined) core.step(event, this.#nowMs);
    const effects = core.drain();
    member.applied.push(...effects.committed);
    this.#observer(member, effects, this);
    this.#send(effects.messages);
    member.writes.push({ persist: effects.persist, after: effects.messagesAfterPersist });
    const last = effects.committed.at(-1);
    if (last !== undefined) core.step({ type: 'applied', index: last.index }, this.#nowMs);
    if (member.writes.every(({ persist }) => persist === undefined)) this.#completeWrites(member);
  }

  /** The oldest of what waits, some or all, and only after that what depends on it leaves. */
  #completeWrites(member: ClusterMember): void {
    let persistId = 0;
    for (let count = 1 + this.#below(member.writes.length); count > 0; count -= 1) {
      const write = member.writes.shift();
      if (write === undefined) break;
      member.disk = written(member.disk, write.persist);
      persistId = write.persist?.persistId ?? persistId;
      this.#send(write.after);
    }
    if (persistId > 0) this.#drive(member, { type: 'persisted', persistId });
  }

  #send(messages: readonly RaftMessage[]): void {
    for (const message of messages) {
      if (this.#chance(this.#faults.drop) || this.#isolated.has(message.from)) continue;
      const { group, from, to, term } = message;
      if (message.type === 'pre-vote' && this.#chance(this.#faults.preVote)) {
        this.#underWay.push({ type: 'pre-vote-response', group, from: to, to: from, term, granted: true });
      } else {
        this.#underWay.push(message);
      }
    }
  }

  #deliver(): void {
    if (this.#underWay.length === 0) return;
    // Half the time the oldest, so that things get on; otherwise any, however late.
    const position = this.#chance(0.5) ? 0 : this.#below(this.#underWay.length);
    const message = this.#underWay[position] as RaftMessage;
    if (!this.#chance(this.#faults.repeat)) this.#underWay.splice(position, 1);
    const receiver = this.members[message.to - 1];
    if (receiver === undefined || this.#isolated.has(message.to)) return;
    this.#drive(receiver, { type: 'message', message });
  }

  #misfortune(member: ClusterMember): void {
    if (member.core === undefined) {
      if (this.#chance(this.#faults.restart)) this.#start(member);
    } else if (this.#chance(this.#faults.crash)) {
      this.#crash(member);
    }
    if (this.#chance(this.#faults.transfer)) this.#drive(member, { type: 'transfer', target: 0 });
    if (this.#chance(this.#faults.isolate)) this.#isolated.add(member.id);
    if (this.#chance(this.#faults.heal)) this.#isolated.clear();
    if (!this.#chance(this.#faults.disconnect)) return;
    for (const other of this.members) {
      if (other === member || this.#chance(0.3)) continue;
      this.#drive(other, { type: 'peer-disconnected', peer: member.id });
      if (this.#chance(0.5)) this.#drive(other, { type: 'peer-connected', peer: member.id });
    }
  }
}
