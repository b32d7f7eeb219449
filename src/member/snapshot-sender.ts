import { ConclaveError } from '../errors/index.ts';
import type { RaftEvent } from '../raft/index.ts';
import type { Runtime, Timer } from '../runtime/index.ts';
import type { Logger } from './logger.ts';
import { frameKinds } from './peers/frames.ts';
import type { PeerTransport } from './peers/transport.ts';
import { encodeSnapshotChunk, type SnapshotAcknowledgement } from './snapshot-frames.ts';
import type { SnapshotStore } from './snapshots/index.ts';

/** Chunks on the way to one follower: bounds the memory at both ends. */
const windowChunks = 8;
/** A follower that acknowledges nothing for so long is given up; the core tries again later. */
const silenceMs = 15_000;

export interface SnapshotSenderContext {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly group: number;
  readonly snapshots: SnapshotStore;
  readonly transport: PeerTransport;
  /** What is on disk is not what was written: resolves when another snapshot has taken its place. */
  readonly replaceDamaged: () => Promise<void>;
  /** Steps the core and asks for a turn. */
  readonly step: (event: RaftEvent) => void;
}

interface Stream {
  readonly session: number;
  acknowledged: number;
  cancelled: boolean;
  wake: (() => void) | undefined;
}

/** Streams the latest snapshot to followers that lag behind the log, at the pace at which they take it in. */
export class SnapshotSender {
  private readonly context: SnapshotSenderContext;
  private readonly streams = new Map<number, Stream>();
  private closed = false;

  constructor(context: SnapshotSenderContext) {
    this.context = context;
  }

  /** Replaces a stream to the same follower. Never rejects: the outcome goes to the core. */
  start(to: number, session: number, term: number): void {
    this.cancel(to);
    const stream: Stream = { session, acknowledged: -1, cancelled: false, wake: undefined };
    this.streams.set(to, stream);
    this.send(to, stream, term)
      .catch(async (error: unknown) => {
        this.context.logger.warn({ peer: to, error: String(error) }, 'Sending a snapshot failed.');
        // Each further attempt would fail there, and the next snapshot may be days away. The follower never has a bad one:
        // each chunk is checked before it leaves.
        if (ConclaveError.is(error, 'data-damaged')) await this.context.replaceDamaged();
        return { ok: false, index: 0 };
      })
      .then(({ ok, index }) => {
        if (this.streams.get(to) === stream) this.streams.delete(to);
        if (!this.closed) this.context.step({ type: 'snapshot-sent', to, session, ok, index });
      });
  }

  acknowledged(from: number, acknowledgement: SnapshotAcknowledgement): void {
    const stream = this.streams.get(from);
    if (!stream || stream.session !== acknowledgement.session) return;
    stream.acknowledged = Math.max(stream.acknowledged, acknowledgement.sequence);
    if (!acknowledgement.ok) stream.cancelled = true;
    stream.wake?.();
  }

  linkDown(peer: number): void {
    this.cancel(peer);
  }

  private cancel(peer: number): void {
    const stream = this.streams.get(peer);
    if (!stream) return;
    stream.cancelled = true;
    stream.wake?.();
  }

  private async send(to: number, stream: Stream, term: number): Promise<{ ok: boolean; index: number }> {
    const { snapshots, group, transport, logger } = this.context;
    const latest = await snapshots.latest(group);
    if (!latest) return { ok: false, index: 0 };
    const { meta } = latest;
    logger.info({ peer: to, index: meta.index, sizeBytes: latest.sizeBytes }, 'Sending a snapshot.');
    let sequence = 0;
    const deliver = async (data: Uint8Array, last: boolean): Promise<boolean> => {
      const payload = encodeSnapshotChunk({ session: stream.session, term, meta, sequence, last, data });
      if (stream.cancelled || !transport.send(to, frameKinds.snapshotChunk, group, payload)) return false;
      transport.flush();
      const awaited = last ? sequence : sequence - windowChunks;
      sequence++;
      return this.awaitAcknowledgement(stream, awaited);
    };
    for await (const chunk of latest.open())
      if (!(await deliver(chunk, false))) return { ok: false, index: meta.index };
    return { ok: await deliver(new Uint8Array(0), true), index: meta.index };
  }

  private async awaitAcknowledgement(stream: Stream, sequence: number): Promise<boolean> {
    while (!stream.cancelled && stream.acknowledged < sequence) {
      let timer: Timer | undefined;
      await new Promise<void>((resolve) => {
        stream.wake = resolve;
        timer = this.context.runtime.timers.after(
          silenceMs,
          () => {
            stream.cancelled = true;
            resolve();
          },
          { background: true },
        );
      });
      timer?.cancel();
      stream.wake = undefined;
    }
    return !stream.cancelled;
  }

  close(): void {
    this.closed = true;
    for (const peer of this.streams.keys()) this.cancel(peer);
  }
}
