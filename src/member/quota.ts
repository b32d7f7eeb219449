import { type Command, type CommandResult, type KeyspaceReader, storageCost } from '../keyspace/index.ts';

/** etcd's default. */
export const standardQuotaBytes = 2 * 1024 ** 3;

export interface QuotaContext {
  /** Negative: none. */
  readonly quotaBytes: number;
  readonly memberId: number;
  readonly keyspace: () => KeyspaceReader;
  readonly propose: (command: Command) => Promise<CommandResult>;
}

/**
 * The bound on what this member stores. A command that would reach it is refused, and the alarm raised that makes all
 * members refuse what adds to the storage, until somebody has freed some and disarms it: the members' sizes are not
 * alike to the byte, their answers must be.
 */
export class Quota {
  private readonly context: QuotaContext;
  private raising: Promise<void> | undefined;

  constructor(context: QuotaContext) {
    this.context = context;
  }

  /** What adds nothing always has room. */
  hasRoomFor(command: Command): boolean {
    const { quotaBytes, keyspace } = this.context;
    if (quotaBytes < 0) return true;
    const size = keyspace().sizeBytes;
    // The cheap half of the question first: nobody is near the quota.
    if (size + largestCost < quotaBytes) return true;
    const cost = storageCost(command);
    return cost === 0 || size + cost < quotaBytes;
  }

  /** Raises the alarm, and then answers as the keyspace would under it. */
  async refuse(): Promise<CommandResult> {
    await this.raise();
    return { revision: this.context.keyspace().revision, outcome: { type: 'failed', failure: 'no-space' } };
  }

  private raise(): Promise<void> {
    const member = BigInt(this.context.memberId);
    const raised = this.context.keyspace().alarms();
    if (raised.some((alarm) => alarm.kind === 'no-space' && alarm.member === member))
      return Promise.resolve();
    this.raising ??= this.context
      .propose({ type: 'alarm', raise: true, kind: 'no-space', member })
      .then(() => undefined)
      .finally(() => {
        this.raising = undefined;
      });
    return this.raising;
  }
}

/** More than any command that fits into a frame between members may add. */
const largestCost = 128 * 1024 * 1024;
