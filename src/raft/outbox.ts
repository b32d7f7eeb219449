import type { RaftEffects, RaftMessage } from './types.ts';

type Mutable<Field> = Field extends readonly (infer Item)[] ? Item[] : never;
type Collected = Pick<Outbox, Exclude<keyof Outbox, 'transfers' | 'take'>> & Pick<RaftEffects, 'transfer'>;

/** Collects effects between two drains. */
export class Outbox {
  messages: Mutable<RaftEffects['messages']> = [];
  messagesAfterPersist: RaftMessage[] = [];
  readsReady: Mutable<RaftEffects['readsReady']> = [];
  readsFailed: Mutable<RaftEffects['readsFailed']> = [];
  proposalsAccepted: Mutable<RaftEffects['proposalsAccepted']> = [];
  proposalsRejected: Mutable<RaftEffects['proposalsRejected']> = [];
  sendSnapshots: Mutable<RaftEffects['sendSnapshots']> = [];
  /** One outcome leaves with each drain. */
  readonly transfers: NonNullable<RaftEffects['transfer']>[] = [];

  /** Hands out everything but what the caller adds, and begins anew. */
  take(): Collected {
    const taken = {
      messages: this.messages,
      messagesAfterPersist: this.messagesAfterPersist,
      readsReady: this.readsReady,
      readsFailed: this.readsFailed,
      proposalsAccepted: this.proposalsAccepted,
      proposalsRejected: this.proposalsRejected,
      sendSnapshots: this.sendSnapshots,
      transfer: this.transfers.shift(),
    };
    this.messages = [];
    this.messagesAfterPersist = [];
    this.readsReady = [];
    this.readsFailed = [];
    this.proposalsAccepted = [];
    this.proposalsRejected = [];
    this.sendSnapshots = [];
    return taken;
  }
}
