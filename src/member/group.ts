import { Keyspace } from '../keyspace/index.ts';
import {
  type MembershipAnswer,
  Raft,
  type RaftEffects,
  type RaftEvent,
  type RaftMessage,
  type RaftState,
  type RaftStored,
  type SnapshotMeta,
} from '../raft/index.ts';
import { Applier } from './applier.ts';
import { ChangeWaiters } from './change-waiters.ts';
import { GroupSnapshots } from './group-snapshots.ts';
import { HostSleep } from './host-sleep.ts';
import { LeaderTime } from './leader-time.ts';
import { LocalProposals } from './local-proposals.ts';
import type { SharedLog } from './log/index.ts';
import type { Membership, Target } from './membership/index.ts';
import type { MemberSetup } from './options.ts';
import { type Frame, frameKinds } from './peers/frames.ts';
import { decodeRaftMessage, encodeRaftFrame } from './peers/raft-codec.ts';
import type { PeerTransport } from './peers/transport.ts';
import { PersistQueue } from './persist-queue.ts';
import { raftOptions } from './raft-options.ts';
import { Reads } from './reads.ts';
import { RecentDelays } from './recent-delays.ts';
import type { SnapshotStore } from './snapshots/index.ts';
import { TransferWaiters } from './transfer-waiters.ts';
import { Turns } from './turns.ts';

export interface GroupContext {
  readonly setup: MemberSetup;
  readonly group: number;
  readonly log: SharedLog;
  readonly snapshots: SnapshotStore;
  readonly stored: RaftStored;
  readonly transport: () => PeerTransport;
  readonly onState: (state: RaftState) => void;
  /** Everything up to this index is applied. */
  readonly onProgress: (index: number) => void;
  readonly membership: () => Pick<Membership, 'applied' | 'configured' | 'noteApplied'>;
  readonly fail: (error: unknown) => void;
}

/** A timer that fires so late tells that this process did not run. */
const stallMs = 25;

/**
 * Drives one Raft group: everything that arrived since the last turn of the loop goes into the core, one drain
 * comes out, and its effects go to disk, network and keyspace.
 */
export class Group {
  readonly keyspace = new Keyspace();
  readonly raft: Raft;
  readonly local = new LocalProposals();
  readonly reads: Reads;
  private readonly changes = new ChangeWaiters();
  private readonly transfers = new TransferWaiters();
  /** How late this loop's timers fire: what everything on it suffers. */
  readonly loopDelay = new RecentDelays();
  /** How long writes to the log take to be durable. */
  readonly syncDelay = new RecentDelays();
  private readonly context: GroupContext;
  private readonly applier: Applier;
  private readonly persists: PersistQueue;
  private readonly snapshots: GroupSnapshots;
  private readonly leaderTime: LeaderTime;
  private readonly turns: Turns;
  private readonly sleep: HostSleep | undefined;
  private state: RaftState = { role: 'follower', term: 0, leader: 0 };

  constructor(context: GroupContext) {
    this.context = context;
    const { setup, group, stored, log, snapshots, fail } = context;
    const { runtime } = setup;
    this.turns = new Turns({
      runtime,
      take: () => this.takeTurn(),
      onTimer: (lateMs) => this.timerFired(lateMs),
    });
    const askForTurn = () => this.turns.ask();
    const step = (event: RaftEvent) => this.step(event);
    this.reads = new Reads(askForTurn);
    this.raft = new Raft(raftOptions(setup, group), stored, runtime.clock.monotonicMs());
    this.sleep = setup.leaseReads ? new HostSleep(runtime.clock) : undefined;
    this.leaderTime = new LeaderTime(this.keyspace, this.raft, setup.heartbeatIntervalMs);
    this.persists = new PersistQueue({
      ...{ group, log, step, fail, clock: runtime.clock, delays: this.syncDelay },
      send: (messages) => this.send(messages),
      flush: () => this.flushAcknowledgements(),
    });
    this.applier = new Applier({
      runtime,
      group,
      keyspace: this.keyspace,
      snapshots,
      isAwaited: (entry) => this.local.awaits(entry),
      onApplied: (entry, results) => {
        this.snapshots.maker.applied(Math.max(1, results.length));
        this.local.applied(entry, results);
        context.membership().applied(entry);
        setup.observer.applied?.(entry, results);
      },
      onInstalled: (meta) => this.installed(meta),
      onProgress: (index) => this.progressed(index),
      askForTurn,
      fail,
    });
    const { keyspace, raft } = this;
    const transport = context.transport;
    const appliedTerm = () => this.applier.appliedTerm;
    const parts = { setup, group, log, snapshots, keyspace, raft, appliedTerm, transport, step, fail };
    this.snapshots = new GroupSnapshots(parts);
  }

  /** Loads the snapshot that the log builds on. Nothing may be applied before. */
  async recover(): Promise<void> {
    const snapshot = this.context.stored.snapshot;
    if (!snapshot || snapshot.index === 0) return;
    await this.applier.load(snapshot);
    this.snapshots.maker.installed(snapshot);
    this.reads.applied(snapshot.index);
    this.context.setup.observer.installed?.(snapshot);
  }

  /** Begins to take turns. */
  start(): void {
    this.context.setup.observer.recovered?.(this.raft, this.keyspace);
    this.turns.start();
  }

  get role(): RaftState {
    return this.state;
  }

  get snapshotIndex(): number {
    return this.snapshots.maker.snapshotIndex;
  }

  /** Resolves when everything that is applied now is in a snapshot on disk. @throws ConclaveError 'closed' */
  makeSnapshot(): Promise<void> {
    return this.snapshots.maker.makeNow(() => this.applier.appliedTerm);
  }

  /** The leader's cluster time now. Meaningful on a leader that has applied an entry of its own term. */
  clusterTimeMs(): number {
    return this.leaderTime.read(this.context.setup.runtime.clock.monotonicMs()) ?? this.keyspace.timeMs;
  }

  /** About the cluster time now, from what is applied here. */
  appliedTimeMs(): number {
    return this.applier.timeMs();
  }

  step(event: RaftEvent): void {
    if (this.turns.stopped) return;
    try {
      const nowMs = this.context.setup.runtime.clock.monotonicMs();
      this.noticeSleep(nowMs);
      this.raft.step(event, nowMs);
    } catch (error) {
      return this.context.fail(error);
    }
    if (this.raft.hasEffects || this.raft.nextDeadlineMs() < this.turns.dueMs) this.turns.ask();
  }

  /** The lease of lease reads counts on a clock that does not stand still. */
  private noticeSleep(nowMs: number): void {
    const stallMs = this.sleep?.sinceLastMs() ?? 0;
    if (stallMs > 0) this.raft.step({ type: 'stalled', stallMs }, nowMs);
  }

  /** @throws ConclaveError 'invalid-argument' on a malformed frame. */
  receive(from: number, frame: Frame): void {
    if (frame.kind !== frameKinds.raft) return this.snapshots.receive(from, frame);
    const message = decodeRaftMessage(frame.group, frame.data, frame);
    if (message.from === from && message.to === this.context.setup.memberId) {
      this.step({ type: 'message', message });
    }
  }

  linkChanged(peer: number, state: 'up' | 'down'): void {
    if (state === 'up') this.snapshots.linkUp(peer);
    else this.snapshots.linkDown(peer);
    this.step({ type: state === 'up' ? 'peer-connected' : 'peer-disconnected', peer });
  }

  /** Resolves when it stands or was refused. @param basedOn index of the configuration that it was made from. */
  changeMembership(basedOn: number, target: Target): Promise<MembershipAnswer> {
    return this.changes.ask((changeId) =>
      this.step({ type: 'change-membership', changeId, basedOn, ...target }),
    );
  }

  /** Whether, as the leader knows, that member has anything on its disk. */
  hasData(memberId: number): boolean {
    return this.raft.status().peers.some((peer) => peer.peer === memberId && peer.matchIndex > 0);
  }

  /** Resolves when leadership went to the target, or to false when it did not. */
  transfer(target: number): Promise<boolean> {
    return this.transfers.ask(() => this.step({ type: 'transfer', target }));
  }

  askForTurn(): void {
    this.turns.ask();
  }

  /** What was sent to a peer outside of a turn, or by what a turn called, leaves with the turn's own frames. */
  flushSoon(): void {
    this.turns.askFromOutside();
  }

  /** They have waited for the disk, and need not wait for a turn as well, unless more of them are about to come. */
  private flushAcknowledgements(): void {
    if (this.turns.isNear) return;
    if (this.persists.isWriting) this.turns.ask();
    else this.context.transport().flush();
  }

  private takeTurn(): void {
    const { clock } = this.context.setup.runtime;
    try {
      const nowMs = clock.monotonicMs();
      this.noticeSleep(nowMs);
      if (nowMs >= this.raft.nextDeadlineMs()) this.raft.step({ type: 'tick' }, nowMs);
      this.reads.seal(this.state.leader !== 0, (readId) => this.raft.step({ type: 'read', readId }, nowMs));
      if (this.state.role === 'leader') this.lead(nowMs);
      else this.local.releaseQueue();
      if (this.raft.hasEffects) {
        const effects = this.raft.drain();
        this.context.setup.observer.drained?.(effects);
        this.perform(effects);
      } else {
        this.applier.run();
      }
      this.context.transport().flush();
      this.armTimer();
    } catch (error) {
      this.context.fail(error);
    }
  }

  /** Seals the batch, and lets time pass through the log where leases wait for it. */
  private lead(nowMs: number): void {
    const timeMs = this.leaderTime.read(nowMs);
    if (timeMs === undefined) return;
    if (this.leaderTime.stampDueMs(timeMs) <= timeMs) this.local.submitTick();
    if (this.local.queued === 0) return;
    this.leaderTime.stamped(timeMs);
    this.local.seal(timeMs, (proposalId, data) =>
      this.raft.step({ type: 'propose', proposalId, data }, nowMs),
    );
  }

  private perform(effects: RaftEffects): void {
    this.send(effects.messages);
    if (effects.persist?.snapshot) this.applier.addSnapshot(effects.persist.snapshot.meta);
    this.persists.add(effects.persist, effects.messagesAfterPersist);
    if (effects.configuration) this.context.membership().configured(effects.configuration);
    if (effects.state) this.stateChanged(effects.state);
    for (const answer of effects.changes) this.changes.settle(answer);
    this.local.settle(effects);
    for (const { to, session, term } of effects.sendSnapshots) this.snapshots.sender.start(to, session, term);
    this.applier.add(effects.committed);
    this.applier.run();
    for (const { readId, index } of effects.readsReady) this.reads.ready(readId, index);
    for (const { readId } of effects.readsFailed) this.reads.failed(readId);
    if (effects.transfer) this.transfers.settle(effects.transfer.ok);
  }

  private send(messages: readonly RaftMessage[]): void {
    const transport = this.context.transport();
    for (const message of messages) transport.sendFrame(message.to, encodeRaftFrame(message));
  }

  private stateChanged(state: RaftState): void {
    const before = this.state;
    this.state = state;
    if (state.role === 'leader' && (before.role !== 'leader' || before.term !== state.term)) {
      this.leaderTime.start(this.context.setup.runtime.clock.monotonicMs());
    }
    if (before.role === 'leader' && state.role !== 'leader') this.local.releaseQueue();
    this.context.onState(state);
    this.turns.ask();
  }

  private progressed(index: number): void {
    this.context.onProgress(index);
    this.reads.applied(index);
    this.raft.step({ type: 'applied', index }, this.context.setup.runtime.clock.monotonicMs());
    this.snapshots.maker.review(this.applier.appliedTerm);
  }

  private installed(meta: SnapshotMeta): void {
    this.snapshots.maker.installed(meta);
    this.context.membership().noteApplied(meta.configuration);
    this.context.setup.observer.installed?.(meta);
    // What was loaded may be a newer one than was asked for.
    this.local.snapshotInstalled(this.keyspace.appliedIndex);
  }

  private armTimer(): void {
    const nowMs = this.context.setup.runtime.clock.monotonicMs();
    let dueMs = this.raft.nextDeadlineMs();
    if (this.state.role === 'leader') dueMs = Math.min(dueMs, this.leaderTime.dueMs(nowMs));
    this.turns.wakeAt(dueMs);
  }

  private timerFired(lateMs: number): void {
    this.loopDelay.record(lateMs);
    // The core hears of the stall first; then the sockets are read, and only then, in the turn, time passes.
    if (lateMs > stallMs) this.step({ type: 'stalled', stallMs: lateMs });
    this.turns.ask();
  }

  async stop(): Promise<void> {
    this.turns.stop();
    this.local.abandon();
    this.changes.abandon();
    this.transfers.abandon();
    await this.snapshots.close();
  }
}
