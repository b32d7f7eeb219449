import { ConclaveError } from '../errors/index.ts';
import type { Command, CommandResult, KeyspaceReader } from '../keyspace/index.ts';
import type { RaftState } from '../raft/index.ts';
import type { Timer } from '../runtime/index.ts';
import { AutoCompactor } from './auto-compaction.ts';
import { CorruptionCheck } from './corruption-check.ts';
import { Group } from './group.ts';
import { handOver } from './hand-over.ts';
import { Interruptions } from './interruptions.ts';
import { LeaderRequests } from './leader-requests.ts';
import { leaseRemainingMs } from './lease-question.ts';
import { identified, Membership, MembershipChanges, strayFlags } from './membership/index.ts';
import { hexId, type MemberOptions, type MemberSetup, parseUrl, setUp } from './options.ts';
import { encodeToldCluster } from './peers/ask-members.ts';
import { type Frame, frameKinds } from './peers/frames.ts';
import { PeerTransport } from './peers/transport.ts';
import { stopping } from './proposal-errors.ts';
import { Proposer } from './proposer.ts';
import { Quota } from './quota.ts';
import { type Announcement, decodeAnnouncement, encodeAnnouncement, memberStatus } from './status.ts';
import { StatusListeners } from './status-listeners.ts';
import { openStorage, type Storage } from './storage.ts';
import type {
  MemberHandle,
  MemberStatus,
  MembershipChange,
  MembershipOutcome,
  ProposeOptions,
  WaitOptions,
} from './types.ts';
import { Upkeep } from './upkeep.ts';

/** The keyspace that clients see. Partitions of the store will be further groups. */
const firstGroup = 1;
const sweepEveryMs = 50;
/** A leader that cannot commit for so long has no majority to hand over to. */
const drainWithinMs = 1000;
const defaultTimeoutMs = 7000;

/** One server of a cluster: log on disk, peers, one Raft group and its keyspace. */
export class Member implements MemberHandle {
  readonly clusterId: number;
  readonly memberId: number;
  readonly name: string;
  readonly stopped: Promise<void>;
  private readonly setup: MemberSetup;
  private readonly storage: Storage;
  readonly upkeep: Upkeep;
  private readonly group: Group;
  private readonly transport: PeerTransport;
  private readonly proposer: Proposer;
  private readonly interruptions: Interruptions;
  private readonly quota: Quota;
  private compactor: AutoCompactor | undefined;
  private readonly requests: LeaderRequests;
  private readonly corruption: CorruptionCheck;
  private readonly listeners: StatusListeners;
  private readonly membership: Membership;
  private readonly changes: MembershipChanges;
  private readonly announced = new Map<number, Announcement>();
  private readonly startedAtMs: number;
  private stopping: Promise<void> | undefined;
  private handingOver: Promise<void> | undefined;
  private leaving = false;
  /** Nothing waits for an answer any more. */
  private shut = false;
  private failure: { readonly error: unknown } | undefined;
  private sweepTimer: Timer | undefined;
  private settleStopped: { resolve: () => void; reject: (error: unknown) => void } = {
    resolve() {},
    reject() {},
  };

  /**
   * Opens the data folder, recovers, listens for peers and takes part in the cluster. Resolves when it does; a
   * leader may not be known yet.
   *
   * @throws ConclaveError 'invalid-argument', 'data-locked', 'data-incompatible', 'data-damaged', 'disk-failed',
   * 'disk-full', 'address-in-use', 'removed'; where it joins a cluster also 'unavailable' and 'failed-precondition'; 'aborted' by
   * `signal`.
   */
  static async start(options: MemberOptions): Promise<Member> {
    const given = setUp(options);
    const setup = await identified(given);
    const storage = await openStorage(setup, firstGroup);
    let member: Member | undefined;
    try {
      member = new Member(setup, storage);
      await member.group.recover();
      if (options.signal?.aborted) throw ConclaveError.aborted('Starting the member', options.signal);
      member.begin();
      if (!storage.folder.fresh) member.tellStrayFlags(given);
      await member.transport.start();
      member.group.start();
      if (setup.initialCorruptCheck) await member.corruption.compareAtStart();
      member.corruption.start();
      member.startCompacting();
      await storage.folder.markStarted();
    } catch (error) {
      member?.corruption[Symbol.dispose]();
      await member?.group.stop();
      await member?.transport.close();
      await storage.close();
      throw error;
    }
    const { name, memberId, clusterId } = setup;
    setup.logger.info(
      { member: name, memberId: hexId(memberId), clusterId: hexId(clusterId) },
      'Member started.',
    );
    return member;
  }

  private constructor(setup: MemberSetup, storage: Storage) {
    this.setup = setup;
    this.storage = storage;
    this.clusterId = setup.clusterId;
    this.memberId = setup.memberId;
    this.name = setup.name;
    this.startedAtMs = setup.runtime.clock.monotonicMs();
    this.listeners = new StatusListeners(setup.logger);
    this.stopped = new Promise((resolve, reject) => {
      this.settleStopped = { resolve, reject };
    });
    // Who does not ask is not to be ended by an unhandled rejection; the failure was logged.
    this.stopped.catch(() => undefined);
    const transport = () => this.transport;
    this.interruptions = new Interruptions({
      memberId: setup.memberId,
      voters: () => this.membership.configuration.voters,
    });
    this.membership = new Membership({
      ...{ setup, group: () => this.group, markRemoved: () => storage.folder.markRemoved() },
      follow: (peers) => this.transport.setPeers(peers),
      isConnected: (peer) => this.transport.connected(peer),
      announced: (member) => this.announced.get(member),
      fail: (error) => this.fail(error),
    });
    this.group = new Group({
      ...storage,
      ...{ setup, group: firstGroup, transport, membership: () => this.membership },
      onState: (state) => this.stateChanged(state),
      fail: (error) => this.fail(error),
      onProgress: (index) => {
        this.corruption.look();
        this.proposer.applied(index);
      },
    });
    this.corruption = new CorruptionCheck({
      ...{ setup, keyspace: this.group.keyspace },
      isLeader: () => this.group.role.role === 'leader',
      configuration: () => this.group.raft.status().configuration,
      connected: (member) => this.transport.connected(member),
      send: (to, kind, payload) => {
        this.transport.send(to, kind, firstGroup, payload);
        this.transport.flush();
      },
      propose: (command) => this.propose(command),
      mark: (why) => storage.markCorrupt(why),
      fail: (error) => this.fail(error),
    });
    this.upkeep = new Upkeep({ setup, groupId: firstGroup, group: this.group, snapshots: storage.snapshots });
    const firstRequestId = Math.floor(setup.runtime.random.unit() * 2 ** 51);
    this.requests = new LeaderRequests({
      ...{ groupId: firstGroup, group: this.group, transport, firstRequestId: 2 ** 52 + firstRequestId },
      ...{ timers: setup.runtime.timers, logger: setup.logger },
      barrier: () => this.readBarrier(),
      onProposed: (response) => this.proposer.responded(response),
      onChange: (request) => this.changes.carryOut(request, this.deadlineMs({})),
    });
    this.changes = new MembershipChanges({
      ...{ setup, group: this.group, membership: this.membership },
      isConnected: (peer) => this.transport.connected(peer),
      askLeader: (leader, request, timeoutMs) => this.requests.askChange(leader, request, timeoutMs),
      barrier: (options) => this.readBarrier(options),
    });
    this.proposer = new Proposer({
      memberId: setup.memberId,
      interruptions: this.interruptions,
      firstRequestId,
      nowMs: () => setup.runtime.clock.monotonicMs(),
      submitLocally: (encoded, done) => {
        this.group.local.submit(encoded, done);
        this.group.askForTurn();
      },
      sendRequest: (leader, request) => this.requests.send(leader, request),
    });
    this.quota = new Quota({
      ...{ quotaBytes: setup.quotaBytes, memberId: setup.memberId },
      keyspace: () => this.keyspace,
      propose: (command) => this.propose(command),
    });
    this.transport = new PeerTransport({
      ...{
        runtime: setup.runtime,
        logger: setup.logger,
        clusterId: setup.clusterId,
        memberId: setup.memberId,
        listen: setup.listen,
      },
      peers: [],
      announcement: encodeAnnouncement({ name: setup.name, clientUrls: setup.clientAdvertiseUrls }),
      admit: (greeting) => this.membership.admit(greeting),
      greeting: () => this.membership.greeting(),
      onRefusal: (refusal) => this.membership.refused(refusal),
      addressesOf: (urls) => urls.map((url) => parseUrl(url, 'The peer URL')),
      toldCluster: () => encodeToldCluster({ clusterId: setup.clusterId, members: this.membership.records }),
      onFrame: (peer, frame) => this.receive(peer, frame),
      onLink: (peer, state) => this.linkChanged(peer, state),
    });
  }

  private tellStrayFlags(given: MemberSetup): void {
    const stray = strayFlags(given.members, this.setup.members, this.membership.records);
    if (stray === undefined) return;
    const { logger } = this.setup;
    logger.warn(stray, '--initial-cluster names other peer URLs than the cluster has; it is not used.');
  }

  /** What log and snapshot say of the cluster. */
  private begin(): void {
    const { raft, keyspace } = this.group;
    const { configuration, configurationIndex } = raft.status();
    this.membership.begin(
      { index: configurationIndex, configuration },
      raft.configurationAt(keyspace.appliedIndex),
    );
  }

  get keyspace(): KeyspaceReader {
    return this.group.keyspace;
  }

  get isTrusted(): boolean {
    return this.failure === undefined;
  }

  propose(command: Command, options: ProposeOptions = {}): Promise<CommandResult> {
    if (!this.quota.hasRoomFor(command)) return this.quota.refuse();
    const deadlineMs = this.deadlineMs(options);
    this.sweepSoon();
    return this.proposer.propose(command, deadlineMs, options.identity, options.signal, options.author);
  }

  private startCompacting(): void {
    const { autoCompaction: setting, runtime, logger } = this.setup;
    if (setting === undefined) return;
    this.compactor = new AutoCompactor({
      ...{ setting, runtime, logger },
      revision: () => this.keyspace.revision,
      isLeader: () => this.group.role.role === 'leader',
      propose: (command) => this.propose(command),
    });
  }

  readBarrier(options: WaitOptions = {}): Promise<void> {
    if (this.stopping) return Promise.reject(stopping('not-applied'));
    this.sweepSoon();
    return this.group.reads.wait(this.deadlineMs(options), options.signal);
  }

  leaseRemainingMs(lease: bigint, options: WaitOptions = {}): Promise<number | undefined> {
    const { clock, timers } = this.setup.runtime;
    return leaseRemainingMs(
      lease,
      { timeoutMs: defaultTimeoutMs, ...options },
      {
        ...{ clock, timers, requests: this.requests },
        barrier: (left) => this.readBarrier(left),
        role: () => this.group.role,
      },
    );
  }

  clusterTimeMs(): number {
    return this.group.appliedTimeMs();
  }

  get isLearner(): boolean {
    return this.membership.isLearner;
  }

  changeMembership(change: MembershipChange, options: WaitOptions = {}): Promise<MembershipOutcome> {
    if (this.stopping) return Promise.reject(stopping('not-applied'));
    return this.changes.change(change, { timeoutMs: defaultTimeoutMs, ...options });
  }

  async transferLeadership(target: number): Promise<'done' | 'not-leader' | 'bad-target' | 'failed'> {
    if (this.group.role.role !== 'leader') return 'not-leader';
    if (target === this.memberId) return 'done';
    if (!this.membership.configuration.voters.includes(target)) return 'bad-target';
    return (await this.group.transfer(target)) ? 'done' : 'failed';
  }

  private deadlineMs(options: WaitOptions): number {
    return this.setup.runtime.clock.monotonicMs() + (options.timeoutMs ?? defaultTimeoutMs);
  }

  /** Ends what is late and sends again what was lost, as long as anything waits. */
  private sweepSoon(): void {
    if (this.sweepTimer || this.shut) return;
    this.sweepTimer = this.setup.runtime.timers.after(sweepEveryMs, () => {
      this.sweepTimer = undefined;
      const nowMs = this.setup.runtime.clock.monotonicMs();
      this.proposer.sweep(nowMs);
      this.group.reads.sweep(nowMs, (waitedForLeader) =>
        waitedForLeader
          ? new ConclaveError('no-leader', 'No Raft leader was found in time.', { retryable: true })
          : new ConclaveError('timeout', 'The read was not confirmed by a quorum in time.', {
              retryable: true,
            }),
      );
      if (this.proposer.busy || this.group.reads.waiting) this.sweepSoon();
    });
  }

  private receive(from: number, frame: Frame): void {
    if (frame.kind === frameKinds.announcement) {
      this.announced.set(from, decodeAnnouncement(frame.payload));
      this.membership.publishSoon();
      this.changed();
    } else if (frame.group !== firstGroup) {
      this.setup.logger.debug({ from, group: frame.group }, 'A frame for an unknown group was dropped.');
    } else if (frame.kind === frameKinds.request || frame.kind === frameKinds.response) {
      this.requests.receive(from, frame);
    } else if (frame.kind === frameKinds.hashQuestion || frame.kind === frameKinds.hashAnswer) {
      this.corruption.receive(from, frame);
    } else {
      this.group.receive(from, frame);
    }
  }

  private linkChanged(peer: number, state: 'up' | 'down'): void {
    this.setup.logger.info({ peer: this.nameOf(peer), state }, 'The link to a peer changed.');
    this.group.linkChanged(peer, state);
    if (state === 'up') {
      this.interruptions.linkUp(peer);
      this.proposer.linkUp(peer);
    } else {
      this.interruptions.linkDown(peer);
      this.proposer.linkDown(peer);
      this.requests.release((asked) => asked !== peer);
    }
    this.changed();
  }

  private stateChanged(state: RaftState): void {
    const { role, term, leader } = state;
    this.setup.logger.info({ role, term, leader: this.nameOf(leader) }, 'The Raft state changed.');
    this.interruptions.leaderChanged(state.leader);
    this.proposer.leaderChanged(state.leader);
    this.requests.release((asked) => asked === state.leader);
    this.membership.publishSoon();
    this.changed();
  }

  /** For people; empty for 0, which is nobody. */
  private nameOf(memberId: number): string {
    const known = this.membership.describe().find((member) => member.memberId === memberId);
    return known?.name || (memberId === 0 ? '' : hexId(memberId));
  }

  status(): MemberStatus {
    return memberStatus({
      setup: this.setup,
      group: this.group,
      connected: (peer) => this.transport.connected(peer),
      membership: this.membership,
      stopping: this.leaving,
      proposals: this.proposer.figures,
      startedAtMs: this.startedAtMs,
    });
  }

  onChange(listener: (status: MemberStatus) => void): () => void {
    return this.listeners.add(listener);
  }

  private changed(): void {
    this.listeners.tell(() => this.status());
  }

  /** Tells attached holders to move, and hands Raft leadership to the most advanced peer. Never rejects. */
  prepareToStop(): Promise<void> {
    this.handingOver ??= this.leave();
    return this.handingOver;
  }

  private async leave(): Promise<void> {
    this.leaving = true;
    this.changed();
    const to = await handOver({
      group: this.group,
      isConnected: (peer) => this.transport.connected(peer),
      // What is in flight is answered first: during the hand-over nothing can be, and it would have to go to the next.
      drain: () => this.propose({ type: 'tick' }, { timeoutMs: drainWithinMs }),
    });
    if (to !== 0) this.setup.logger.info({ to: this.nameOf(to) }, 'Handed Raft leadership over.');
  }

  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  private async shutDown(): Promise<void> {
    if (!this.failure) await this.prepareToStop();
    this.shut = true;
    this.sweepTimer?.cancel();
    this.compactor?.[Symbol.dispose]();
    this.corruption[Symbol.dispose]();
    this.proposer.abandon();
    this.group.reads.abandon(stopping('not-applied'));
    this.requests.release(() => false);
    this.changes.close();
    this.membership.close();
    await this.group.stop();
    await this.transport.close();
    await this.corruption.marked;
    await this.storage.close();
    this.setup.logger.info({ member: this.name }, 'Member stopped.');
    if (this.failure) this.settleStopped.reject(this.failure.error);
    else this.settleStopped.resolve();
  }

  /** A disk that refuses, or a state that must not be: stop at once rather than go on with a doubtful one. */
  private fail(error: unknown): void {
    if (this.failure || this.stopping) return;
    this.failure = { error };
    // To be removed is no fault: where that was noticed helps nobody.
    const stack = ConclaveError.is(error, 'removed') ? undefined : error instanceof Error && error.stack;
    this.setup.logger.error({ error: stack || String(error) }, 'The member stops.');
    this.stop().catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
