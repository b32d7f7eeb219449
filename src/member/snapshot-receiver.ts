import type { RaftEvent } from '../raft/index.ts';
import type { Logger } from './logger.ts';
import type { SnapshotAcknowledgement, SnapshotChunk } from './snapshot-frames.ts';
import type { SnapshotSink, SnapshotStore } from './snapshots/index.ts';

export interface SnapshotReceiverContext {
  readonly logger: Logger;
  readonly group: number;
  readonly snapshots: SnapshotStore;
  readonly appliedIndex: () => number;
  /** False where it could not be sent: our own connection to that member does not stand. */
  readonly acknowledge: (to: number, acknowledgement: SnapshotAcknowledgement) => boolean;
  readonly step: (event: RaftEvent) => void;
  /** The disk refused: the member stops. */
  readonly fail: (error: unknown) => void;
}

interface Incoming {
  readonly from: number;
  readonly session: number;
  nextSequence: number;
  sink: SnapshotSink | undefined;
  /** Chunks are written one after the other. */
  tail: Promise<void>;
  dropped: boolean;
}

/** Takes in the snapshot that a leader streams: to disk first, and to the core only when it is whole and durable. */
export class SnapshotReceiver {
  private readonly context: SnapshotReceiverContext;
  private incoming: Incoming | undefined;
  /**
   * The latest to each member that could not be sent. One can hear a leader whom one cannot answer yet, since each
   * direction has its own connection; the leader would wait for the answer for long.
   */
  private readonly unsent = new Map<number, SnapshotAcknowledgement>();
  private closed = false;

  constructor(context: SnapshotReceiverContext) {
    this.context = context;
  }

  receive(from: number, chunk: SnapshotChunk): void {
    if (this.closed) return;
    if (chunk.sequence === 0) this.begin(from, chunk);
    const incoming = this.incoming;
    if (
      !incoming ||
      incoming.from !== from ||
      incoming.session !== chunk.session ||
      incoming.nextSequence !== chunk.sequence
    ) {
      this.acknowledge(from, { session: chunk.session, sequence: chunk.sequence, ok: false });
      return;
    }
    incoming.nextSequence++;
    incoming.tail = incoming.tail
      .then(() => this.take(incoming, chunk))
      .catch((error: unknown) => this.context.fail(error));
  }

  private begin(from: number, chunk: SnapshotChunk): void {
    this.drop();
    if (chunk.meta.index <= this.context.appliedIndex()) {
      // Not needed: we have it already, and the leader did not hear of that. Only the core can tell it how far we are;
      // a mere refusal would be followed by the same snapshot again, for ever.
      return this.arrived(from, chunk);
    }
    this.context.logger.info({ peer: from, index: chunk.meta.index }, 'Receiving a snapshot.');
    this.incoming = {
      from,
      session: chunk.session,
      nextSequence: 0,
      sink: undefined,
      tail: Promise.resolve(),
      dropped: false,
    };
  }

  private async take(incoming: Incoming, chunk: SnapshotChunk): Promise<void> {
    if (incoming.dropped) return;
    incoming.sink ??= await this.context.snapshots.create(this.context.group, chunk.meta);
    if (chunk.data.length > 0) await incoming.sink.write(chunk.data);
    if (incoming.dropped) return;
    if (chunk.last) {
      const sink = incoming.sink;
      incoming.sink = undefined;
      if (this.incoming === incoming) this.incoming = undefined;
      await sink.finish();
      this.arrived(incoming.from, chunk);
    }
    this.acknowledge(incoming.from, { session: chunk.session, sequence: chunk.sequence, ok: true });
  }

  private arrived(from: number, { term, session, meta }: SnapshotChunk): void {
    this.context.step({ type: 'snapshot-received', from, term, session, snapshot: meta });
  }

  private drop(): void {
    const incoming = this.incoming;
    this.incoming = undefined;
    if (!incoming) return;
    incoming.dropped = true;
    incoming.tail = incoming.tail
      .then(() => incoming.sink?.abort())
      .catch((error: unknown) => this.context.fail(error));
  }

  private acknowledge(to: number, acknowledgement: SnapshotAcknowledgement): void {
    if (this.context.acknowledge(to, acknowledgement)) this.unsent.delete(to);
    else this.unsent.set(to, acknowledgement);
  }

  linkUp(peer: number): void {
    const unsent = this.unsent.get(peer);
    if (unsent !== undefined) this.acknowledge(peer, unsent);
  }

  linkDown(peer: number): void {
    this.unsent.delete(peer);
    if (this.incoming?.from === peer) this.drop();
  }

  async close(): Promise<void> {
    this.closed = true;
    const tail = this.incoming;
    this.drop();
    await tail?.tail;
  }
}
