import { type Command, type CommandResult, encodeBatch, Keyspace } from '../keyspace/index.ts';
import type { Backup } from '../member/index.ts';
import { RecentDelays } from '../member/recent-delays.ts';
import type {
  MemberHandle,
  MemberStatus,
  MembershipChange,
  MembershipOutcome,
  MemberUpkeep,
  ProposeOptions,
} from '../member/types.ts';
import type { CloseCause, Runtime } from '../runtime/types.ts';
import { Access, Passwords, Tokens } from './auth/index.ts';
import { BackgroundWork } from './background.ts';
import { Headers } from './headers.ts';
import { HistoryTurns } from './history-turns.ts';
import { Holders } from './holders.ts';
import { LargeRanges } from './large-ranges.ts';
import { RenewalBatch } from './renewals.ts';
import { RequiredLeader } from './required-leader.ts';
import type { ApiServices } from './service.ts';
import { failure, type StatusError } from './status.ts';
import { type CallConnection, type CallContext, silentLogger } from './types.ts';
import { standardLimits } from './validate.ts';
import { Wakeup } from './wakeup.ts';

/**
 * For tests of the API: a member of one, without disk and without consensus, around a real keyspace. Commands are
 * applied as they come, at the runtime's clock. What a cluster can answer besides is set by hand.
 */
export class TestingMember implements MemberHandle {
  readonly clusterId = 0xc1;
  readonly memberId = 0xa1;
  readonly name = 'testing';
  readonly keyspace = new Keyspace();
  readonly stopped: Promise<void>;
  readonly upkeep: TestingUpkeep;
  /** Every command that was proposed, in order. */
  readonly proposed: Command[] = [];
  /** Whether a Raft leader is known. */
  #led = true;
  /** Thrown by the next proposals and barriers until it is unset. */
  failure: Error | undefined;
  readonly #runtime: Runtime;
  readonly #listeners = new Set<(status: MemberStatus) => void>();
  #index = 0;
  #stopping = false;
  #resolveStopped: () => void = () => {};

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.upkeep = new TestingUpkeep();
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
  }

  /** The Raft leader is lost, or found again. */
  set led(led: boolean) {
    this.#led = led;
    for (const listener of this.#listeners) listener(this.status());
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  async propose(command: Command, options: ProposeOptions = {}): Promise<CommandResult> {
    this.proposed.push(command);
    if (this.failure !== undefined) throw this.failure;
    this.#index += 1;
    const timeMs = Math.floor(this.#runtime.clock.monotonicMs());
    const { identity, author } = options;
    const batch = encodeBatch({ timeMs, commands: [{ command, identity, author }] });
    const result = this.keyspace.apply(this.#index, batch)[0];
    if (result === undefined) throw new Error('the keyspace gave no result');
    return result;
  }

  async readBarrier(): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
  }

  /** What the next change of the membership, and the next hand-over, brings. */
  membershipOutcome: MembershipOutcome = { ok: true, memberId: 0xa1, members: [] };
  transferOutcome: 'done' | 'not-leader' | 'bad-target' | 'failed' = 'done';
  readonly changes: MembershipChange[] = [];
  isLearner = false;

  async changeMembership(change: MembershipChange): Promise<MembershipOutcome> {
    this.changes.push(change);
    if (this.failure !== undefined) throw this.failure;
    return this.membershipOutcome;
  }

  async transferLeadership(): Promise<TestingMember['transferOutcome']> {
    return this.transferOutcome;
  }

  async leaseRemainingMs(lease: bigint): Promise<number | undefined> {
    const info = this.keyspace.lease(lease, false);
    return info === undefined ? undefined : info.deadlineMs - this.#runtime.clock.monotonicMs();
  }

  isTrusted = true;

  clusterTimeMs(): number {
    return this.#runtime.clock.monotonicMs();
  }

  status(): MemberStatus {
    const { clusterId, memberId, name, keyspace } = this;
    return {
      ...{ clusterId, memberId, name, leaderName: name },
      raft: {
        ...{
          role: 'leader',
          term: 7,
          leader: this.#led ? memberId : 0,
          transferTarget: 0,
          electionTimeoutMs: 400,
        },
        ...{ commitIndex: this.#index, appliedIndex: this.#index, lastIndex: this.#index, firstIndex: 1 },
        ...{ configuration: { voters: [memberId] }, configurationIndex: 0, peers: [] },
      },
      ...{ revision: keyspace.revision, compactRevision: keyspace.compactRevision, snapshotIndex: 0 },
      ...{
        sizeBytes: keyspace.sizeBytes,
        quotaBytes: -1,
        leases: keyspace.leaseCount,
        watchers: keyspace.watcherCount,
      },
      members: [
        {
          memberId,
          name,
          isLearner: false,
          peerUrls: ['http://127.0.0.1:2380'],
          clientUrls: ['http://127.0.0.1:2379'],
        },
      ],
      ...{
        peers: [],
        stopping: this.#stopping,
        uptimeMs: 1,
        version: 'testing',
        loopDelayP99Ms: 2,
        ...{ loopDelay: new RecentDelays().distribution, diskSync: new RecentDelays().distribution },
        proposals: { pending: 0, failed: 0 },
        diskSyncP99Ms: 1,
      },
    };
  }

  onChange(listener: (status: MemberStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async prepareToStop(): Promise<void> {
    this.#stopping = true;
    for (const listener of this.#listeners) listener(this.status());
  }

  async stop(): Promise<void> {
    await this.prepareToStop();
    this.#resolveStopped();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Counts what it is asked for; a backup is some bytes, and tells whether it was disposed of. */
export class TestingUpkeep implements MemberUpkeep {
  defragmented = 0;
  openBackups = 0;
  pieces: readonly Uint8Array[] = [Uint8Array.of(1, 2, 3), Uint8Array.of(4)];

  async defragment(): Promise<void> {
    this.defragmented += 1;
  }

  finishedCompactions = 0;

  async finishCompaction(): Promise<void> {
    this.finishedCompactions += 1;
  }

  async backup(): Promise<Backup> {
    const { pieces } = this;
    this.openBackups += 1;
    return {
      sizeBytes: pieces.reduce((sum, piece) => sum + piece.length, 0),
      async *read() {
        yield* pieces;
      },
      [Symbol.asyncDispose]: async () => {
        this.openBackups -= 1;
      },
    };
  }
}

/** A call whose connection and end are in the hands of the test. */
export class TestingCall implements CallContext {
  readonly connection: CallConnection;
  readonly deadlineMs = undefined;
  token: string | undefined;
  requiresLeader = false;
  readonly #controller = new AbortController();
  #endedBy: CloseCause | undefined;
  #resolveEnded: (cause: CloseCause) => void = () => {};

  constructor() {
    const ended = new Promise<CloseCause>((resolve) => {
      this.#resolveEnded = resolve;
    });
    const endedBy = (): CloseCause | undefined => this.#endedBy;
    this.connection = {
      remote: 'test',
      commonName: undefined,
      ended,
      get endedBy() {
        return endedBy();
      },
    };
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(cause: StatusError): void {
    this.#controller.abort(cause);
  }

  /** The connection ends, and with it the call, in that order. */
  disconnect(cause: CloseCause): void {
    this.#endedBy = cause;
    this.#resolveEnded(cause);
    this.abort(failure('cancelled'));
  }
}

/** Requests of a stream, sent by the test. */
export class TestingRequests<Req> implements AsyncIterable<Req> {
  readonly #waiting: Req[] = [];
  readonly #wakeup = new Wakeup();
  #over = false;

  /** How many were sent and not yet read. */
  get unread(): number {
    return this.#waiting.length;
  }

  send(...requests: Req[]): void {
    this.#waiting.push(...requests);
    this.#wakeup.notify();
  }

  end(): void {
    this.#over = true;
    this.#wakeup.notify();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Req> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) yield next;
      else if (this.#over) return;
      else await this.#wakeup.wait();
    }
  }
}

/** Everything that handlers share, around a member. */
export function testingServices(member: MemberHandle, runtime: Runtime): ApiServices {
  const logger = silentLogger;
  const background = new BackgroundWork(member, runtime, logger);
  const tokens = new Tokens(member.clusterId);
  return {
    ...{ member, runtime, logger, headers: new Headers(member) },
    ...{ tokens, access: new Access(member, tokens, background), tokenTtlMs: 300_000 },
    passwords: new Passwords(runtime, 4),
    background,
    holders: new Holders(),
    renewals: new RenewalBatch(member, runtime),
    historyTurns: new HistoryTurns(runtime.timers),
    largeRanges: new LargeRanges(runtime.timers),
    limits: standardLimits,
    leaders: new RequiredLeader(member, runtime),
    watchProgressIntervalMs: 1000,
  };
}
