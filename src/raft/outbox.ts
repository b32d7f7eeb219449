import type { RaftEffects, RaftMessage } from './types.ts';

type Mutable<Field> = Field extends readonly (infer Item)[] ? Item[] : never;
type Collected = Omit<RaftEffects, 'persist' | 'committed' | 'state' | 'configuration'>;

const nothing: readonly never[] = Object.freeze([]);

/** Collects effects between two drains. */
export class Outbox {
  messages: Mutable<RaftEffects['messages']> = [];
  messagesAfterPersist: RaftMessage[] = [];
  readsReady: Mutable<RaftEffects['readsReady']> = [];
  readsFailed: Mutable<RaftEffects['readsFailed']> = [];
  proposalsAccepted: Mutable<RaftEffects['proposalsAccepted']> = [];
  proposalsRejected: Mutable<RaftEffects['proposalsRejected']> = [];
  sendSnapshots: Mutable<RaftEffects['sendSnapshots']> = [];
  changes: Mutable<RaftEffects['changes']> = [];
  /** One outcome leaves with each drain. */
  readonly transfers: NonNullable<RaftEffects['transfer']>[] = [];

  get isEmpty(): boolean {
    return (
      this.messages.length === 0 &&
      this.messagesAfterPersist.length === 0 &&
      this.readsReady.length === 0 &&
      this.readsFailed.length === 0 &&
      this.proposalsAccepted.length === 0 &&
      this.proposalsRejected.length === 0 &&
      this.sendSnapshots.length === 0 &&
      this.changes.length === 0 &&
      this.transfers.length === 0
    );
  }

  /** Hands out everything but what the caller adds, and begins anew. */
  take(): Collected {
    const taken = {
      messages: orNothing(this.messages),
      messagesAfterPersist: orNothing(this.messagesAfterPersist),
      readsReady: orNothing(this.readsReady),
      readsFailed: orNothing(this.readsFailed),
      proposalsAccepted: orNothing(this.proposalsAccepted),
      proposalsRejected: orNothing(this.proposalsRejected),
      sendSnapshots: orNothing(this.sendSnapshots),
      transfer: this.transfers.shift(),
      changes: orNothing(this.changes),
    };
    // What is empty was not handed out, and is used again.
    if (taken.messages !== nothing) this.messages = [];
    if (taken.messagesAfterPersist !== nothing) this.messagesAfterPersist = [];
    if (taken.readsReady !== nothing) this.readsReady = [];
    if (taken.readsFailed !== nothing) this.readsFailed = [];
    if (taken.proposalsAccepted !== nothing) this.proposalsAccepted = [];
    if (taken.proposalsRejected !== nothing) this.proposalsRejected = [];
    if (taken.sendSnapshots !== nothing) this.sendSnapshots = [];
    if (taken.changes !== nothing) this.changes = [];
    return taken;
  }
}

function orNothing<Item>(list: readonly Item[]): readonly Item[] {
  return list.length === 0 ? nothing : list;
}
