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
  /** The members fall into two parts that do not hear each other, until it is over for all. Default 0. */
  readonly split?: number;
  /**
   * While a configuration is joint, those who belong to the old one alone do not hear the others, and the leader hears
   * either, until it is over for all. Default 0.
   */
  readonly splitJoint?: number;
  /** A member sees its connection to another break; that only makes it campaign sooner. */
  readonly disconnect: number;
  /** A leader is asked to hand over. */
  readonly transfer: number;
  /** That a pre-vote is granted by the network: no safety may depend on pre-votes, and without them rivals are many. */
  readonly preVote: number;
  /** That a member's disk completes what waits. */
  readonly write: number;
  /** A leader is asked for other members. Default 0. */
  readonly change?: number;
  /** That such a change is of several members at once. Default 0. */
  readonly several?: number;
  /** That a state machine takes its time, so that what is applied lags behind what is committed. Default 0. */
  readonly lateApply?: number;
}

const calm: Faults = {
  ...{
    drop: 0,
    repeat: 0,
    crash: 0,
    restart: 1,
    isolate: 0,
    heal: 1,
    disconnect: 0,
    transfer: 0,
    preVote: 0,
  },
  write: 1,
};

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
  /** Up to where it has applied and not said so. */
  unreported = 0;

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
  #faults: Faults;
  #calm = false;
  readonly #observer: Observer;
  readonly #random: () => number;
  #underWay: RaftMessage[] = [];
  readonly #isolated = new Set<MemberId>();
  /** Who is in the other part, while the cluster is split. */
  readonly #apart = new Set<MemberId>();
  readonly firstVoters: readonly MemberId[];
  #nowMs = 0;
  #lastProposal = 0;

  /** `spares` belong to no configuration until a change takes them in. */
  constructor(seed: number, size: number, faults: Faults, observer: Observer, spares = 0) {
    this.#random = seededRandom(seed);
    this.#faults = faults;
    this.#observer = observer;
    this.members = Array.from({ length: size + spares }, (_, position) => new ClusterMember(position + 1));
    this.firstVoters = this.members.slice(0, size).map(({ id }) => id);
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
    const deliveries = this.#calm ? this.#underWay.length : this.#below(4 * this.members.length);
    for (let count = deliveries; count > 0; count -= 1) this.#deliver();
    while (this.#underWay.length > MOST_UNDER_WAY) this.#underWay.splice(this.#below(MOST_UNDER_WAY), 1);
    for (const member of this.members) if (this.#chance(0.3)) this.#reportApplied(member);
    const leaders = this.members.filter(({ core }) => core?.status().role === 'leader');
    for (const leader of leaders) {
      if (this.#chance(0.3)) this.#propose(leader);
      if (this.#chance(this.#faults.change ?? 0)) this.#change(leader);
    }
    // It meets leaders more often than others: theirs is what tests the rules.
    const those = leaders.length > 0 && this.#chance(0.4) ? leaders : this.members;
    this.#misfortune(those[this.#below(those.length)] as ClusterMember);
  }

  /** Nothing goes wrong from here on, and all that was sent arrives soon. */
  calm(): void {
    this.#isolated.clear();
    this.#apart.clear();
    this.#faults = calm;
    this.#calm = true;
    for (const member of this.members) if (member.core === undefined) this.#start(member);
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
        configuration: { voters: this.firstVoters.includes(member.id) ? this.firstVoters : [] },
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
    member.unreported = 0;
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

  /** Any members, though most often one more, one fewer, or another part for one. */
  #change(leader: ClusterMember): void {
    const status = leader.core?.status();
    if (status === undefined) return;
    const { voters, learners = [] } = status.configuration;
    const one = this.members[this.#below(this.members.length)] as ClusterMember;
    const without = (from: readonly MemberId[]) => from.filter((member) => member !== one.id);
    const parts = [
      { voters: [...without(voters), one.id], learners: without(learners) },
      { voters: without(voters), learners: [...without(learners), one.id] },
      { voters: without(voters), learners: without(learners) },
    ];
    // Also all the others, whose quorums have nothing in common with those of now.
    const others = this.#chance(0.5) ? voters : [];
    const several = {
      voters: this.members.map(({ id }) => id).filter((id) => !others.includes(id) && this.#chance(0.7)),
    };
    const changeId = this.#below(2 ** 20);
    const target = this.#chance(this.#faults.several ?? 0) ? several : parts[this.#below(parts.length)];
    if (target === undefined) return;
    this.#drive(leader, {
      type: 'change-membership',
      changeId,
      basedOn: status.configurationIndex,
      context: Uint8Array.of(this.#below(256)),
      ...target,
    });
  }

  #reportApplied(member: ClusterMember): void {
    const index = member.unreported;
    member.unreported = 0;
    if (index > 0) this.#drive(member, { type: 'applied', index });
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
    if (last !== undefined) member.unreported = last.index;
    if (last !== undefined && !this.#chance(this.#faults.lateApply ?? 0)) this.#reportApplied(member);
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
    if (this.#apart.has(message.from) !== this.#apart.has(message.to)) return;
    this.#drive(receiver, { type: 'message', message });
  }

  /** Chance alone seldom parts just these, and they are the ones who could decide without each other. */
  #splitJoint(): void {
    const leader = this.members.find(({ core }) => {
      const state = core?.status();
      return state?.role === 'leader' && state.configuration.outgoing !== undefined;
    });
    if (leader === undefined || this.#apart.size > 0 || !this.#chance(this.#faults.splitJoint ?? 0)) return;
    const { voters = [], outgoing = [] } = leader.core?.status().configuration ?? {};
    const withOld = this.#chance(0.3);
    for (const { id } of this.members) {
      const isOld = id === leader.id ? withOld : outgoing.includes(id) && !voters.includes(id);
      if (isOld) this.#apart.add(id);
    }
  }

  #misfortune(member: ClusterMember): void {
    if (member.core === undefined) {
      if (this.#chance(this.#faults.restart)) this.#start(member);
    } else if (this.#chance(this.#faults.crash)) {
      this.#crash(member);
    }
    if (this.#chance(this.#faults.transfer)) this.#drive(member, { type: 'transfer', target: 0 });
    if (this.#chance(this.#faults.isolate)) this.#isolated.add(member.id);
    if (this.#chance(this.#faults.heal)) {
      this.#isolated.clear();
      this.#apart.clear();
    }
    if (this.#chance(this.#faults.split ?? 0)) {
      for (const { id } of this.members) if (this.#chance(0.5)) this.#apart.add(id);
    }
    if ((this.#faults.splitJoint ?? 0) > 0) this.#splitJoint();
    if (!this.#chance(this.#faults.disconnect)) return;
    for (const other of this.members) {
      if (other === member || this.#chance(0.3)) continue;
      this.#drive(other, { type: 'peer-disconnected', peer: member.id });
      if (this.#chance(0.5)) this.#drive(other, { type: 'peer-connected', peer: member.id });
    }
  }
}
