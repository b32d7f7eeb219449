import { NumberTable } from '../collections/index.ts';
import { type CommandResult, encodeBatchOf, encodeSubmittedCommand } from '../keyspace/index.ts';
import type { Entry, RaftEffects } from '../raft/index.ts';

/** What became of a command that was handed to this member as the Raft leader. */
export type LocalOutcome =
  /** `index`: in the log. */
  | { readonly type: 'applied'; readonly result: CommandResult; readonly index: number }
  /** Certainly not in the log that commits: try again elsewhere, under whatever identity. */
  | { readonly type: 'not-applied' }
  | { readonly type: 'refused'; readonly reason: 'too-many-uncommitted' }
  /** A snapshot replaced the part of the log where it stood: it may have been applied. */
  | { readonly type: 'unknown' };

interface Submitted {
  readonly encoded: Uint8Array;
  readonly done: (outcome: LocalOutcome) => void;
}

interface AcceptedBatch {
  readonly term: number;
  readonly commands: readonly Submitted[];
}

/** Bytes of commands in one log entry: a batch larger than this goes out as several entries. */
const maxBatchBytes = 512 * 1024;
const tick = encodeSubmittedCommand({ command: { type: 'tick' }, identity: undefined });
function ignore(): void {}

/**
 * Commands between arrival at the leader and their application here. All that came in one turn of the loop is
 * sealed into one log entry. Since a member sees every index of its own log applied, it knows the fate of what it
 * accepted: the same term at that index means applied, another term means certainly not.
 */
export class LocalProposals {
  private queue: Submitted[] = [];
  private nextProposalId = 1;
  private readonly sealed = new NumberTable<readonly Submitted[]>();
  /**
   * By index. Several at one index are of different terms: each may still be the one that commits, should another
   * leader have kept what was replaced here (figure 8 of the paper).
   */
  private readonly accepted = new NumberTable<readonly AcceptedBatch[]>();

  submit(encoded: Uint8Array, done: (outcome: LocalOutcome) => void): void {
    this.queue.push({ encoded, done });
  }

  submitTick(): void {
    this.queue.push({ encoded: tick, done: ignore });
  }

  get queued(): number {
    return this.queue.length;
  }

  /** Makes log entries of the queue. The clock is read by the caller after the last command was queued. */
  seal(timeMs: number, propose: (proposalId: number, data: Uint8Array) => void): void {
    while (this.queue.length > 0) {
      let bytes = 0;
      let count = 0;
      for (const { encoded } of this.queue) {
        if (count > 0 && bytes + encoded.length > maxBatchBytes) break;
        bytes += encoded.length;
        count++;
      }
      const batch = count === this.queue.length ? this.queue : this.queue.slice(0, count);
      this.queue = count === this.queue.length ? [] : this.queue.slice(count);
      const proposalId = this.nextProposalId++;
      this.sealed.set(proposalId, batch);
      propose(
        proposalId,
        encodeBatchOf(
          timeMs,
          batch.map((submitted) => submitted.encoded),
        ),
      );
    }
  }

  /** Takes in which proposals got a place in the log. */
  settle(effects: RaftEffects): void {
    for (const { proposalId, index, term } of effects.proposalsAccepted) {
      const commands = this.sealed.get(proposalId);
      this.sealed.delete(proposalId);
      if (commands) this.accepted.set(index, [...(this.accepted.get(index) ?? []), { term, commands }]);
    }
    for (const { proposalId, reason } of effects.proposalsRejected) {
      const commands = this.sealed.get(proposalId) ?? [];
      this.sealed.delete(proposalId);
      const outcome: LocalOutcome =
        reason === 'too-many-uncommitted' ? { type: 'refused', reason } : { type: 'not-applied' };
      for (const { done } of commands) done(outcome);
    }
  }

  /** No longer the leader: what was not sealed yet goes elsewhere. */
  releaseQueue(): void {
    const queue = this.queue;
    this.queue = [];
    for (const { done } of queue) done({ type: 'not-applied' });
  }

  /** Somebody here waits for what comes of it. */
  awaits(entry: Entry): boolean {
    return this.accepted.get(entry.index) !== undefined;
  }

  applied(entry: Entry, results: readonly CommandResult[]): void {
    const batches = this.accepted.get(entry.index);
    if (!batches) return;
    this.accepted.delete(entry.index);
    for (const { term, commands } of batches) {
      for (let position = 0; position < commands.length; position++) {
        const result = term === entry.term ? results[position] : undefined;
        const { index } = entry;
        commands[position]?.done(result ? { type: 'applied', result, index } : { type: 'not-applied' });
      }
    }
  }

  /** A snapshot was installed: what stood at or below its index is over, with an outcome that nobody can tell. */
  snapshotInstalled(index: number): void {
    for (const [at, batches] of this.accepted.entries()) {
      if (at > index) continue;
      this.accepted.delete(at);
      for (const { commands } of batches) for (const { done } of commands) done({ type: 'unknown' });
    }
  }

  /** The member stops. */
  abandon(): void {
    this.releaseQueue();
    const accepted = this.accepted.entries().flatMap(([, batches]) => batches);
    const sealed = this.sealed.entries().map(([, batch]) => batch);
    const pending = [...sealed, ...accepted.map((batch) => batch.commands)];
    this.sealed.clear();
    this.accepted.clear();
    for (const commands of pending) for (const { done } of commands) done({ type: 'unknown' });
  }
}
