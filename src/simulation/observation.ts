/**
 * What checkers see of a life, and how they say that something is wrong. The world, the members and the workloads
 * report here; checkers only look. A checker asks nothing of the code under test that this code could get wrong: what
 * is durable is read from the simulated platters, what was sent from the wire.
 */
import type { CommandResult, KeyspaceMachine } from '../keyspace/index.ts';
import type { Member } from '../member/index.ts';
import type {
  Configuration,
  ConfigurationAt,
  Entry,
  RaftCore,
  RaftEffects,
  RaftMessage,
  SnapshotMeta,
} from '../raft/index.ts';
import type { Draw } from './world/random.ts';

/** One member across all its lives: what stands here is what an omniscient observer knows of it. */
export interface MemberSight {
  readonly position: number;
  readonly name: string;
  readonly memberId: number;
  /** How often its process was started; 0 before the first time. */
  readonly life: number;
  /** Its process lives, perhaps paused, and has recovered: `raft` and `keyspace` are those of this life. */
  readonly running: boolean;
  readonly raft: RaftCore | undefined;
  readonly keyspace: KeyspaceMachine | undefined;
  /** Absent, or undefined: it has not started. */
  readonly member?: Pick<Member, 'status'> | undefined;
  /** What its disk would still hold if its host lost power now. */
  readonly durable: DurableState;
  /** It lost its disk, or data on it went bad, and it has not caught up with the others since. */
  readonly damaged: boolean;
  /** Its state was made to differ from that of the others, outside of the log; its present process may be well again. Absent: false. */
  readonly diverged?: boolean;
  /** It joined a cluster that was there, and knew of no voter at first. Absent: false. */
  readonly joined?: boolean;
}

/** Who is in the cluster, as one finds by reading the members' logs. */
export interface ConfigurationSight {
  /** The last in the member's log, committed or not; as of its last drain that changed anything. */
  of(member: MemberSight): ConfigurationAt;
  /** The one before that, where the last drain brought another: what was done in it may have been done by either. */
  before(member: MemberSight): ConfigurationAt | undefined;
  /** The last that anybody reported as committed. */
  readonly committed: ConfigurationAt;
  memberOf(id: number): MemberSight | undefined;
  isQuorum(configuration: Configuration, counts: (voter: number) => boolean): boolean;
}

/** Raft's state of one group as read, byte by byte, from a platter. */
export interface DurableState {
  readonly term: number;
  /** 0: none. */
  readonly votedFor: number;
  readonly commitIndex: number;
  /** The last entry that the durable snapshot contains; 0: there is none. */
  readonly snapshotIndex: number;
  readonly snapshotTerm: number;
  readonly lastIndex: number;
  /** undefined where the log holds no such entry; an entry inside the snapshot may be gone. */
  entryAt(index: number): Entry | undefined;
}

/** Everything that any member reported as committed, kept for the whole life of the cluster. */
export interface CommittedLog {
  /** 0: nothing was committed yet. */
  readonly lastIndex: number;
  entryAt(index: number): Entry | undefined;
  /** When the first member said that it is committed, true time. */
  committedAtUs(index: number): number | undefined;
}

/** The most bytes that ever waited on one connection, written and not yet sent, and with whom. */
export type Backlog = Readonly<Record<'peer' | 'client', { readonly bytes: number; readonly from: string }>>;

export interface LifeSight {
  /** True time. */
  readonly nowUs: number;
  readonly members: readonly MemberSight[];
  readonly committed: CommittedLog;
  /** Absent: all members vote, always. */
  readonly configurations?: ConfigurationSight;
  /** Members join and leave in this life. Absent: false. */
  readonly changing?: boolean;
  /** Each host's clocks run within this bound of true time. */
  readonly clockDriftRate: number;
  /** Absent: nobody counts. */
  readonly backlog?: Backlog;
  /** A generator for the checker's own choices (which of many things to look at). */
  random(label: string): Draw;
}

/**
 * Looks at a life as it goes on; calls what it implements. Each throws by `violated` as soon as its claim is broken.
 * Must not change anything and must not keep what it is given beyond need: lives are many.
 */
export interface Checker {
  /** As its file is called, like `01-one-leader-for-a-term`. */
  readonly name: string;
  /** The claim in words, shown to whoever meets its violation. */
  readonly claim: string;

  /** A life of a member's process has recovered and takes part. */
  memberStarted?(member: MemberSight): void;
  /** Its process is gone: killed, crashed, or stopped. `raft` and `keyspace` are still there in this call. */
  memberEnded?(member: MemberSight): void;
  /** Its disk was replaced by an empty one. */
  memberWiped?(member: MemberSight): void;
  /** The member's core is about to be asked for a read by this number. */
  asked?(member: MemberSight, readId: number): void;
  /** The member drained its core; its effects are about to be performed. */
  drained?(member: MemberSight, effects: RaftEffects): void;
  /** A Raft message has left the process of a member: the bytes are with its operating system now. */
  sent?(from: MemberSight, to: MemberSight, message: RaftMessage): void;
  /** What the platter of the member holds has changed. */
  durable?(member: MemberSight): void;
  /** The member has applied an entry. */
  applied?(member: MemberSight, entry: Entry, results: readonly CommandResult[]): void;
  /** A running member has put a leader's snapshot in place of its keyspace. What recovery loads is there at `memberStarted`. */
  installed?(member: MemberSight, snapshot: SnapshotMeta): void;
  /** The index was committed for the first time, as far as anybody said. */
  committed?(entry: Entry, by: MemberSight): void;
  /** After every event of the world. Keep it cheap. */
  settled?(): void;
  /** All faults are healed, the workloads have ended and the cluster is quiet: what must hold in the end. */
  ended?(): void;
}

/** Makes a checker for one life. */
export type CheckerFactory = (life: LifeSight) => Checker;

/** A claim that does not hold. */
export class Violation extends Error {
  readonly checker: string;
  readonly claim: string;

  constructor(checker: Pick<Checker, 'name' | 'claim'>, message: string) {
    super(message);
    this.name = 'Violation';
    this.checker = checker.name;
    this.claim = checker.claim;
  }
}

export function violated(checker: Pick<Checker, 'name' | 'claim'>, message: string): never {
  throw new Violation(checker, message);
}
