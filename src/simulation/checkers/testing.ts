import assert from 'node:assert/strict';
import { Keyspace } from '../../keyspace/index.ts';
import {
  type Configuration,
  type Entry,
  type EntryKind,
  encodeConfiguration,
  type PeerProgress,
  type PersistRequest,
  type RaftCore,
  type RaftEffects,
  type RaftMessage,
  type RaftStatus,
  type SnapshotMeta,
} from '../../raft/index.ts';
import {
  type Checker,
  type CheckerFactory,
  type DurableState,
  type LifeSight,
  type MemberSight,
  Violation,
} from '../observation.ts';
import { Draw } from '../world/random.ts';
import { CommittedEntries } from './committed-log.ts';
import { Configurations } from './configurations.ts';

/** For the tests of this folder: members whose memory and disk are what the test says. */

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A log with a beginning that may be in a snapshot. */
class HandmadeLog {
  snapshotIndex = 0;
  snapshotTerm = 0;
  entries: readonly Entry[] = [];

  get lastIndex(): number {
    return this.entries.at(-1)?.index ?? this.snapshotIndex;
  }

  entryAt(index: number): Entry | undefined {
    return this.entries.find((found) => found.index === index);
  }
}

export class HandmadeDisk extends HandmadeLog implements DurableState {
  term = 1;
  votedFor = 0;
  commitIndex = 0;
}

export class HandmadeCore extends HandmadeLog implements RaftCore {
  role: RaftStatus['role'] = 'follower';
  term = 1;
  leader = 0;
  commitIndex = 0;
  appliedIndex = 0;
  peers: readonly PeerProgress[] = [];

  status(): RaftStatus {
    const { role, term, leader, commitIndex, appliedIndex, lastIndex, peers } = this;
    const firstIndex = this.snapshotIndex + 1;
    const configuration = this.configurationAt();
    return {
      ...{ role, term, leader, commitIndex, appliedIndex, lastIndex, firstIndex, peers, configuration },
      ...{ electionTimeoutMs: 400, transferTarget: 0, configurationIndex: 0 },
    };
  }

  configurationAt(): Configuration {
    return { voters: [1, 2, 3] };
  }

  step(): never {
    throw new Error('a checker must not step a core');
  }

  drain(): never {
    throw new Error('a checker must not drain a core');
  }

  nextDeadlineMs(): number {
    return Number.POSITIVE_INFINITY;
  }
}

export class HandmadeMember implements MemberSight {
  readonly position: number;
  readonly name: string;
  readonly memberId: number;
  life = 1;
  running = true;
  damaged = false;
  raft = new HandmadeCore();
  keyspace = new Keyspace();
  readonly durable = new HandmadeDisk();

  constructor(position: number) {
    this.position = position;
    this.memberId = position + 1;
    this.name = ['ann', 'bob', 'cid', 'dan', 'eve'][position] ?? `m${position}`;
  }

  /** The same entries in memory and on disk. */
  holds(...entries: readonly Entry[]): this {
    this.raft.entries = entries;
    this.durable.entries = entries;
    return this;
  }
}

export interface HandmadeLife {
  readonly life: Writable<LifeSight>;
  readonly committed: CommittedEntries;
  readonly ann: HandmadeMember;
  readonly bob: HandmadeMember;
  readonly cid: HandmadeMember;
}

/** Three members, with ids 1 to 3. */
export function handmadeLife(): HandmadeLife {
  const committed = new CommittedEntries();
  const ann = new HandmadeMember(0);
  const bob = new HandmadeMember(1);
  const cid = new HandmadeMember(2);
  const life: Writable<LifeSight> = {
    nowUs: 0,
    members: [ann, bob, cid],
    committed,
    clockDriftRate: 0,
    random: () => new Draw(1),
  };
  return { life, committed, ann, bob, cid };
}

export type Watching = Required<Checker>;

/** The checker, deaf to what it does not listen to. */
export function watching(factory: CheckerFactory, life: LifeSight): Watching {
  const deaf = (): void => {};
  const hooks = {
    ...{ memberStarted: deaf, memberEnded: deaf, memberWiped: deaf, asked: deaf, drained: deaf, sent: deaf },
    ...{ durable: deaf, applied: deaf, installed: deaf, committed: deaf, settled: deaf, ended: deaf },
  };
  return { ...hooks, ...factory(life) };
}

export function entry(index: number, term: number, text = 'x', kind: EntryKind = 'command'): Entry {
  return { index, term, kind, data: new TextEncoder().encode(text) };
}

/** Entries from 1 on, of these terms. */
export function entries(...terms: readonly number[]): Entry[] {
  return terms.map((term, at) => entry(at + 1, term));
}

export function effects(some: Partial<RaftEffects> = {}): RaftEffects {
  return {
    ...{ messages: [], persist: undefined, messagesAfterPersist: [], committed: [], readsReady: [] },
    ...{ readsFailed: [], proposalsAccepted: [], proposalsRejected: [], sendSnapshots: [] },
    ...{ state: undefined, transfer: undefined, changes: [], configuration: undefined },
    ...some,
  };
}

export function persist(written: readonly Entry[], snapshot?: SnapshotMeta): PersistRequest {
  return {
    persistId: 1,
    hardState: undefined,
    snapshot: snapshot === undefined ? undefined : { meta: snapshot, from: 1, keepsLog: false },
    entries: written,
    mustSync: true,
  };
}

export function snapshot(index: number, term: number): SnapshotMeta {
  return { index, term, configuration: { voters: [1, 2, 3] } };
}

/** The member becomes the leader of the term, and the checker hears of it. */
export function lead(checker: Watching, member: HandmadeMember, term: number): void {
  member.raft.role = 'leader';
  member.raft.term = term;
  member.durable.term = term;
  member.durable.votedFor = member.memberId;
  checker.drained(member, effects({ state: { role: 'leader', term, leader: member.memberId } }));
}

export function peer(of: HandmadeMember, matchIndex: number, nextIndex = matchIndex + 1): PeerProgress {
  const { memberId } = of;
  return { peer: memberId, state: 'replicate', matchIndex, nextIndex, recentlyActive: true, roundTripMs: 1 };
}

type Kind = RaftMessage['type'];
export type MessageOf<Type extends Kind> = RaftMessage & { readonly type: Type };

/** A message that left `from`, with what is not given at zero. */
export function send<Type extends Kind>(
  checker: Watching,
  ...[from, to, type, term, fields]: [
    from: HandmadeMember,
    to: HandmadeMember,
    type: Type,
    term: number,
    fields?: Partial<MessageOf<Type>>,
  ]
): void {
  const rest = { lastIndex: 0, lastTerm: 0, granted: false, accepted: false, matchIndex: 0, commitIndex: 0 };
  const numbers = { previousIndex: 0, previousTerm: 0, entries: [], session: 1, readContext: 0, sentAtMs: 0 };
  const address = { group: 1, from: from.memberId, to: to.memberId, term, type };
  checker.sent(from, to, { ...rest, ...numbers, ...address, ...fields } as unknown as RaftMessage);
}

/** An entry that makes these the voters. */
export function change(index: number, term: number, voters: readonly number[]): Entry {
  return { ...entry(index, term), kind: 'configuration', data: encodeConfiguration({ voters }) };
}

/** The handmade life, in which configurations are read from the logs. */
export function changingLife(): HandmadeLife & { readonly configurations: Configurations } {
  const made = handmadeLife();
  const configurations = new Configurations(made.committed);
  configurations.begin(made.life.members);
  for (const member of made.life.members) configurations.started(member);
  Object.assign(made.life, { configurations });
  return { ...made, configurations };
}

/** The claim is found broken, in these words. */
export function violates(act: () => void, words: RegExp): void {
  assert.throws(act, (error: unknown) => {
    assert.ok(error instanceof Violation, `not a violation: ${String(error)}`);
    assert.match(error.message, words);
    return true;
  });
}
