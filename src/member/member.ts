import { ConclaveError } from '../errors/index.ts';
import type { Command, CommandResult, KeyspaceReader } from '../keyspace/index.ts';
import type { RaftState } from '../raft/index.ts';
import { AutoCompactor } from './auto-compaction.ts';
import { Ending } from './ending.ts';
import { handOver } from './hand-over.ts';
import { leaseRemainingMs } from './lease-question.ts';
import { identified, strayFlags } from './membership/index.ts';
import { hexId, type MemberOptions, type MemberSetup, setUp } from './options.ts';
import { firstGroup, MemberParts } from './parts.ts';
import { stopping } from './proposal-errors.ts';
import { memberStatus } from './status.ts';
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
import type { Upkeep } from './upkeep.ts';

/** A leader that cannot commit for so long has no majority to hand over to. */
const drainWithinMs = 1000;

/** One server of a cluster: log on disk, peers, one Raft group and its keyspace. */
export class Member implements MemberHandle {
  readonly clusterId: number;
  readonly memberId: number;
  readonly name: string;
  private readonly setup: MemberSetup;
  private readonly storage: Storage;
  readonly upkeep: Upkeep;
  private readonly parts: MemberParts;
  private compactor: AutoCompactor | undefined;
  private readonly listeners: StatusListeners;
  private readonly startedAtMs: number;
  private readonly ending: Ending;

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
      await member.parts.group.recover();
      if (options.signal?.aborted) throw ConclaveError.aborted('Starting the member', options.signal);
      member.begin();
      if (!storage.folder.fresh) member.tellStrayFlags(given);
      await member.parts.links.transport.start();
      member.parts.group.start();
      if (setup.initialCorruptCheck) await member.parts.corruption.compareAtStart();
      member.parts.corruption.start();
      // It may have had to stop while it compared.
      if (!member.ending.isStopping) member.startCompacting();
      await storage.folder.markStarted();
    } catch (error) {
      member?.parts.corruption[Symbol.dispose]();
      await member?.parts.group.stop();
      await member?.parts.links.transport.close();
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
    this.ending = new Ending({
      logger: setup.logger,
      handOver: () => this.handOver(),
      close: () => this.close(),
    });
    this.parts = new MemberParts(setup, storage, {
      propose: (command) => this.propose(command),
      barrier: (options) => this.readBarrier(options),
      onState: (state) => this.stateChanged(state),
      onChange: () => this.changed(),
      fail: (error) => this.ending.fail(error),
    });
    this.upkeep = this.parts.upkeep;
  }

  private tellStrayFlags(given: MemberSetup): void {
    const stray = strayFlags(given.members, this.setup.members, this.parts.membership.records);
    if (stray === undefined) return;
    const { logger } = this.setup;
    logger.warn(stray, '--initial-cluster names other peer URLs than the cluster has; it is not used.');
  }

  /** What log and snapshot say of the cluster. */
  private begin(): void {
    const { raft, keyspace } = this.parts.group;
    const { configuration, configurationIndex } = raft.status();
    this.parts.membership.begin(
      { index: configurationIndex, configuration },
      raft.configurationAt(keyspace.appliedIndex),
    );
  }

  get keyspace(): KeyspaceReader {
    return this.parts.group.keyspace;
  }

  get isTrusted(): boolean {
    return !this.ending.hasFailed;
  }

  propose(command: Command, options: ProposeOptions = {}): Promise<CommandResult> {
    if (!this.parts.quota.hasRoomFor(command)) return this.parts.quota.refuse();
    const deadlineMs = this.parts.deadlines.of(options);
    this.parts.deadlines.sweepSoon();
    return this.parts.proposer.propose(command, deadlineMs, options.identity, options.signal, options.author);
  }

  private startCompacting(): void {
    const { autoCompaction: setting, runtime, logger } = this.setup;
    if (setting === undefined) return;
    this.compactor = new AutoCompactor({
      ...{ setting, runtime, logger },
      revision: () => this.keyspace.revision,
      isLeader: () => this.parts.group.role.role === 'leader',
      propose: (command) => this.propose(command),
    });
  }

  readBarrier(options: WaitOptions = {}): Promise<void> {
    if (this.ending.isStopping) return Promise.reject(stopping('not-applied'));
    this.parts.deadlines.sweepSoon();
    return this.parts.group.reads.wait(this.parts.deadlines.of(options), options.signal);
  }

  leaseRemainingMs(lease: bigint, options: WaitOptions = {}): Promise<number | undefined> {
    const { clock, timers } = this.setup.runtime;
    return leaseRemainingMs(
      lease,
      { timeoutMs: this.parts.deadlines.longestMs, ...options },
      {
        ...{ clock, timers, requests: this.parts.requests },
        barrier: (left) => this.readBarrier(left),
        role: () => this.parts.group.role,
      },
    );
  }

  clusterTimeMs(): number {
    return this.parts.group.appliedTimeMs();
  }

  get isLearner(): boolean {
    return this.parts.membership.isLearner;
  }

  changeMembership(change: MembershipChange, options: WaitOptions = {}): Promise<MembershipOutcome> {
    if (this.ending.isStopping) return Promise.reject(stopping('not-applied'));
    return this.parts.changes.change(change, { timeoutMs: this.parts.deadlines.longestMs, ...options });
  }

  async transferLeadership(target: number): Promise<'done' | 'not-leader' | 'bad-target' | 'failed'> {
    if (this.parts.group.role.role !== 'leader') return 'not-leader';
    if (target === this.memberId) return 'done';
    if (!this.parts.membership.configuration.voters.includes(target)) return 'bad-target';
    return (await this.parts.group.transfer(target)) ? 'done' : 'failed';
  }

  private stateChanged(state: RaftState): void {
    const { role, term, leader } = state;
    this.setup.logger.info(
      { role, term, leader: this.parts.membership.nameOf(leader) },
      'The Raft state changed.',
    );
    this.parts.interruptions.leaderChanged(state.leader);
    this.parts.proposer.leaderChanged(state.leader);
    this.parts.requests.release((asked) => asked === state.leader);
    this.parts.membership.publishSoon();
    this.changed();
  }

  status(): MemberStatus {
    return memberStatus({
      setup: this.setup,
      group: this.parts.group,
      connected: (peer) => this.parts.links.transport.connected(peer),
      membership: this.parts.membership,
      stopping: this.ending.leaving,
      proposals: this.parts.proposer.figures,
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
    return this.ending.handOver();
  }

  private async handOver(): Promise<void> {
    this.changed();
    const to = await handOver({
      group: this.parts.group,
      isConnected: (peer) => this.parts.links.transport.connected(peer),
      // What is in flight is answered first: during the hand-over nothing can be, and it would have to go to the next.
      drain: () => this.propose({ type: 'tick' }, { timeoutMs: drainWithinMs }),
    });
    if (to !== 0)
      this.setup.logger.info({ to: this.parts.membership.nameOf(to) }, 'Handed Raft leadership over.');
  }

  get stopped(): Promise<void> {
    return this.ending.stopped;
  }

  stop(): Promise<void> {
    return this.ending.stop();
  }

  private async close(): Promise<void> {
    this.parts.deadlines.close();
    this.compactor?.[Symbol.dispose]();
    this.parts.corruption[Symbol.dispose]();
    this.parts.proposer.abandon();
    this.parts.group.reads.abandon(stopping('not-applied'));
    this.parts.requests.release(() => false);
    this.parts.changes.close();
    this.parts.membership.close();
    await this.parts.group.stop();
    await this.parts.links.transport.close();
    await this.parts.corruption.marked;
    if (this.parts.membership.isVacant) await this.storage.markVacant();
    await this.storage.close();
    this.setup.logger.info({ member: this.name }, 'Member stopped.');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
