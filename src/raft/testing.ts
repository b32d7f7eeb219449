import { Raft } from './raft.ts';
import { seededRandom } from './random.ts';
import type {
  Entry,
  EntryKind,
  MemberId,
  RaftEffects,
  RaftEvent,
  RaftMessage,
  RaftOptions,
  RaftStored,
} from './types.ts';

/** For the tests of this folder: one member, alone, whose every step is compared with what should come of it. */

export const ELECTION_TIMEOUT_MS = 100;

type Kind = RaftMessage['type'];
export type MessageOf<Type extends Kind> = RaftMessage & { type: Type };

const defaults = {
  'pre-vote': { lastIndex: 0, lastTerm: 0, transfer: false, hinted: false },
  vote: { lastIndex: 0, lastTerm: 0, transfer: false, hinted: false },
  'pre-vote-response': { granted: true },
  'vote-response': { granted: true },
  append: {
    previousIndex: 0,
    previousTerm: 0,
    entries: [],
    commitIndex: 0,
    session: 1,
    readContext: 0,
    sentAtMs: 0,
  },
  'append-response': {
    accepted: true,
    matchIndex: 0,
    hintIndex: 0,
    hintTerm: 0,
    session: 1,
    readContext: 0,
    sentAtMs: 0,
  },
  heartbeat: { commitIndex: 0, session: 1, readContext: 0, sentAtMs: 0, roundTripMs: 0, wantsAnswer: true },
  'heartbeat-response': { session: 1, readContext: 0, sentAtMs: 0 },
  'timeout-now': {},
  'read-index': { readContext: 1 },
  'read-index-response': { readContext: 1, index: 0, ok: true },
};

/** A message to member 1, with what is not given left at zero. */
export function message<Type extends Kind>(
  type: Type,
  from: MemberId,
  term: number,
  fields: Partial<MessageOf<Type>> = {},
): RaftMessage {
  return { group: 1, from, to: 1, term, type, ...defaults[type], ...fields } as unknown as RaftMessage;
}

export function entry(index: number, term: number, kind: EntryKind = 'command'): Entry {
  return { index, term, kind, data: new Uint8Array(kind === 'command' ? [index, term] : []) };
}

/** What a member has on disk whose entries have these terms. */
export function stored(
  terms: readonly number[],
  hardState: Partial<RaftStored['hardState']> = {},
): RaftStored {
  const entries = terms.map((term, position) => entry(position + 1, term));
  return {
    hardState: { term: terms.at(-1) ?? 0, votedFor: 0, commitIndex: 0, ...hardState },
    snapshot: undefined,
    entries,
  };
}

export class TestMember {
  readonly core: Raft;
  nowMs = 1000;

  constructor(
    options: Partial<RaftOptions> & { readonly voters?: readonly MemberId[] } = {},
    found = stored([]),
  ) {
    const { voters = [1, 2, 3], ...rest } = options;
    this.core = new Raft(
      {
        groupId: 1,
        memberId: 1,
        configuration: { voters },
        electionTimeoutMs: ELECTION_TIMEOUT_MS,
        heartbeatIntervalMs: 30,
        random: seededRandom(1),
        ...rest,
      },
      found,
      this.nowMs,
    );
  }

  /** What these events bring, without anything becoming durable. */
  stepHeld(...events: readonly RaftEvent[]): RaftEffects {
    for (const event of events) this.core.step(event, this.nowMs);
    const { hasEffects } = this.core;
    const effects = this.core.drain();
    if (!hasEffects && bringsAnything(effects))
      throw new Error('a drain that nothing announced brought effects');
    return effects;
  }

  /** What these events bring on a disk that is instantly durable. */
  step(...events: readonly RaftEvent[]): RaftEffects {
    let all = this.stepHeld(...events);
    for (let last = all; last.persist !== undefined; ) {
      last = this.stepHeld({ type: 'persisted', persistId: last.persist.persistId });
      all = {
        ...all,
        messages: [...all.messages, ...all.messagesAfterPersist, ...last.messages],
        messagesAfterPersist: last.messagesAfterPersist,
        committed: [...all.committed, ...last.committed],
        readsReady: [...all.readsReady, ...last.readsReady],
        readsFailed: [...all.readsFailed, ...last.readsFailed],
        sendSnapshots: [...all.sendSnapshots, ...last.sendSnapshots],
        state: last.state ?? all.state,
        transfer: all.transfer ?? last.transfer,
        changes: [...all.changes, ...last.changes],
        configuration: last.configuration ?? all.configuration,
      };
    }
    return all;
  }

  receive(...messages: readonly RaftMessage[]): RaftEffects {
    return this.step(...messages.map((each): RaftEvent => ({ type: 'message', message: each })));
  }

  /** Time passes, and the member looks. */
  after(ms: number): RaftEffects {
    this.nowMs += ms;
    return this.step({ type: 'tick' });
  }

  /** The clock goes to the next deadline, and the member looks. */
  tick(): RaftEffects {
    return this.after(this.core.nextDeadlineMs() - this.nowMs);
  }

  propose(text: string): RaftEffects {
    const data = Uint8Array.from(text, (character) => character.charCodeAt(0));
    return this.step({ type: 'propose', proposalId: 1, data });
  }

  /** Wins an election in the next term, by everybody's vote. Returns what its first act as a leader is. */
  elect(): RaftEffects {
    const { term, configuration } = this.core.status();
    const others = configuration.voters.filter((voter) => voter !== 1);
    this.after(2 * ELECTION_TIMEOUT_MS);
    this.receive(...others.map((voter) => message('pre-vote-response', voter, term + 1)));
    return this.receive(...others.map((voter) => message('vote-response', voter, term + 1)));
  }

  /** Acknowledges, for this follower, everything that is in the log. */
  acknowledge(from: MemberId, session: number): RaftEffects {
    const { term, lastIndex } = this.core.status();
    return this.receive(message('append-response', from, term, { matchIndex: lastIndex, session }));
  }
}

export function bringsAnything(effects: RaftEffects): boolean {
  return Object.values(effects).some(
    (each) => each !== undefined && !(Array.isArray(each) && each.length === 0),
  );
}

export function ofType<Type extends Kind>(effects: RaftEffects, type: Type): MessageOf<Type>[] {
  return effects.messages.filter((each): each is MessageOf<Type> => each.type === type);
}
