import { type Command, type CommandResult, encodeBatch, Keyspace } from '../keyspace/index.ts';
import type { MemberHandle, MemberStatus, ProposeOptions } from '../member/types.ts';
import type { Runtime } from '../runtime/types.ts';

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
  /** Every command that was proposed, in order. */
  readonly proposed: Command[] = [];
  /** Thrown by the next proposals and barriers until it is unset. */
  failure: Error | undefined;
  readonly #runtime: Runtime;
  readonly #listeners = new Set<(status: MemberStatus) => void>();
  #index = 0;
  #stopping = false;
  #resolveStopped: () => void = () => {};

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.stopped = new Promise((resolve) => {
      this.#resolveStopped = resolve;
    });
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  async propose(command: Command, options: ProposeOptions = {}): Promise<CommandResult> {
    this.proposed.push(command);
    if (this.failure !== undefined) throw this.failure;
    this.#index += 1;
    const timeMs = Math.floor(this.#runtime.clock.monotonicMs());
    const batch = encodeBatch({ timeMs, commands: [{ command, identity: options.identity }] });
    const result = this.keyspace.apply(this.#index, batch)[0];
    if (result === undefined) throw new Error('the keyspace gave no result');
    return result;
  }

  async readBarrier(): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
  }

  async leaseRemainingMs(lease: bigint): Promise<number | undefined> {
    const info = this.keyspace.lease(lease, false);
    return info === undefined ? undefined : info.deadlineMs - this.#runtime.clock.monotonicMs();
  }

  status(): MemberStatus {
    const { clusterId, memberId, name, keyspace } = this;
    return {
      ...{ clusterId, memberId, name, leaderName: name },
      raft: {
        ...{ role: 'leader', term: 7, leader: memberId, transferTarget: 0, electionTimeoutMs: 400 },
        ...{ commitIndex: this.#index, appliedIndex: this.#index, lastIndex: this.#index, firstIndex: 1 },
        ...{ configuration: { voters: [memberId] }, peers: [] },
      },
      ...{ revision: keyspace.revision, compactRevision: keyspace.compactRevision, snapshotIndex: 0 },
      ...{ sizeBytes: keyspace.sizeBytes, leases: keyspace.leaseCount, watchers: keyspace.watcherCount },
      members: [
        { memberId, name, peerUrls: ['http://127.0.0.1:2380'], clientUrls: ['http://127.0.0.1:2379'] },
      ],
      ...{ peers: [], stopping: this.#stopping, uptimeMs: 1, version: 'testing', loopDelayP99Ms: 2 },
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
