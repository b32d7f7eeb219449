import { ConclaveError } from '../errors/index.ts';
import { type Backup, makeBackup } from './backup/index.ts';
import type { Group } from './group.ts';
import type { MemberSetup } from './options.ts';
import type { SnapshotStore } from './snapshots/index.ts';
import { version } from './version.ts';

const snapshotPauseMs = 10;

export interface UpkeepContext {
  readonly setup: MemberSetup;
  readonly groupId: number;
  readonly group: Group;
  readonly snapshots: SnapshotStore;
}

/** What operators ask of one member, which serves on meanwhile. */
export class Upkeep {
  private readonly context: UpkeepContext;
  /** Of a compaction that somebody waits for. */
  private step: Promise<void> | undefined;

  constructor(context: UpkeepContext) {
    this.context = context;
  }

  /**
   * Frees the memory of what was compacted, in steps between other work; then writes a snapshot of everything that is
   * applied, and removes the segments of the log that it makes needless.
   *
   * @throws ConclaveError 'closed'
   */
  async defragment(): Promise<void> {
    const { group, setup } = this.context;
    while (!group.keyspace.tidy()) {
      await new Promise<void>((resolve) => setup.runtime.timers.nextTurn(resolve));
    }
    await group.makeSnapshot();
  }

  /**
   * Frees what was compacted up to now, in steps between other work.
   *
   * @throws ConclaveError 'aborted'
   */
  async finishCompaction(signal?: AbortSignal): Promise<void> {
    while (!this.context.group.keyspace.compactionDone) {
      if (signal?.aborted) throw ConclaveError.aborted('Waiting for a compaction', signal);
      this.step ??= this.takeStep();
      await this.step;
    }
  }

  /** Once for all who wait, so that they hold up other work no longer than one of them does. */
  private async takeStep(): Promise<void> {
    const { group, setup } = this.context;
    const { timers } = setup.runtime;
    // Nothing is left to do now, and not all is done: a snapshot that is being written keeps it.
    const waits = group.keyspace.tidy() && !group.keyspace.compactionDone;
    await new Promise<void>((resolve) => {
      if (waits) timers.after(snapshotPauseMs, resolve);
      else timers.nextTurn(resolve);
    });
    this.step = undefined;
  }

  /** A backup of everything that this member has applied. Dispose of it. @throws ConclaveError 'closed', 'unavailable' */
  async backup(): Promise<Backup> {
    const { group, groupId, setup, snapshots } = this.context;
    await group.makeSnapshot();
    const { clusterId, memberId, name, members, runtime } = setup;
    return makeBackup({
      disk: runtime.disk,
      async snapshotPath() {
        const latest = await snapshots.latest(groupId);
        if (latest !== undefined) return latest.path;
        const message = 'This member has applied nothing yet: there is nothing to back up.';
        throw new ConclaveError('unavailable', message, { retryable: true });
      },
      description: {
        ...{ clusterId, memberId, memberName: name, version },
        members: members.map((member) => ({ name: member.name, peerUrls: member.peerUrls })),
        takenAtMs: runtime.clock.wallMs(),
      },
    });
  }
}
