import type { Keyspace } from '../keyspace/index.ts';
import type { Raft, RaftEvent } from '../raft/index.ts';
import type { SharedLog } from './log/index.ts';
import type { MemberSetup } from './options.ts';
import { type Frame, frameKinds } from './peers/frames.ts';
import type { PeerTransport } from './peers/transport.ts';
import {
  decodeSnapshotAcknowledgement,
  decodeSnapshotChunk,
  encodeSnapshotAcknowledgement,
} from './snapshot-frames.ts';
import { SnapshotMaker } from './snapshot-maker.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import type { SnapshotStore } from './snapshots/index.ts';

export interface GroupSnapshotsContext {
  readonly setup: MemberSetup;
  readonly group: number;
  readonly log: SharedLog;
  readonly snapshots: SnapshotStore;
  readonly keyspace: Keyspace;
  readonly raft: Raft;
  /** Term of the last applied entry. */
  readonly appliedTerm: () => number;
  readonly transport: () => PeerTransport;
  readonly step: (event: RaftEvent) => void;
  readonly fail: (error: unknown) => void;
}

/** The snapshots of one group: made here, sent to followers that lag, received from a leader. */
export class GroupSnapshots {
  readonly maker: SnapshotMaker;
  readonly sender: SnapshotSender;
  private readonly receiver: SnapshotReceiver;

  constructor(context: GroupSnapshotsContext) {
    const { setup, group, log, snapshots, keyspace, raft, appliedTerm, transport, step, fail } = context;
    const { runtime, logger, snapshotCount, snapshotLogBytes, snapshotCatchUpEntries } = setup;
    this.maker = new SnapshotMaker({
      ...{ runtime, logger, group, keyspace, raft, log, snapshots, fail },
      ...{ snapshotCount, snapshotLogBytes, snapshotCatchUpEntries },
      onMade: (snapshot, keepFrom) => step({ type: 'compacted', snapshot, keepFrom }),
    });
    const streaming = { runtime, logger, group, snapshots, step, fail };
    this.sender = new SnapshotSender({
      ...streaming,
      replaceDamaged: () => this.maker.replaceDamaged(appliedTerm),
      get transport() {
        return transport();
      },
    });
    this.receiver = new SnapshotReceiver({
      ...streaming,
      appliedIndex: () => keyspace.appliedIndex,
      acknowledge: (to, acknowledgement) => {
        const payload = encodeSnapshotAcknowledgement(acknowledgement);
        const sent = transport().send(to, frameKinds.snapshotAcknowledgement, group, payload);
        transport().flush();
        return sent;
      },
    });
  }

  /** @throws ConclaveError 'invalid-argument' on a malformed frame. */
  receive(from: number, frame: Frame): void {
    if (frame.kind === frameKinds.snapshotChunk)
      this.receiver.receive(from, decodeSnapshotChunk(frame.payload));
    else if (frame.kind === frameKinds.snapshotAcknowledgement) {
      this.sender.acknowledged(from, decodeSnapshotAcknowledgement(frame.payload));
    }
  }

  linkUp(peer: number): void {
    this.receiver.linkUp(peer);
  }

  linkDown(peer: number): void {
    this.sender.linkDown(peer);
    this.receiver.linkDown(peer);
  }

  async close(): Promise<void> {
    this.sender.close();
    await Promise.all([this.receiver.close(), this.maker.close()]);
  }
}
