import type { CommandResult } from '../../keyspace/index.ts';
import type { Entry } from '../../raft/index.ts';
import type { MemberSight } from '../observation.ts';
import { tookEffect } from './replay.ts';
import { WorkloadChecker } from './workload-checker.ts';

/**
 * What the members themselves say that they did: a command that comes again in the log must give the revision of its
 * first application, not one of its own.
 */
export class RetriedOnce extends WorkloadChecker {
  readonly name = '17-retried-once';
  readonly claim = 'A retried command is applied once.';
  /** By tag: the revision that its effect has. */
  readonly #revisions = new Map<string, number>();

  applied(member: MemberSight, entry: Entry, results: readonly CommandResult[]): void {
    this.replay.committed(entry);
    const tags = this.replay.tagsAt(entry.index);
    tags?.forEach((tag, at) => {
      const result = results[at];
      if (tag === undefined || result === undefined || !tookEffect(result)) return;
      const before = this.#revisions.get(tag);
      if (before === undefined) this.#revisions.set(tag, result.revision);
      else if (before !== result.revision) {
        this.violated(
          `${member.name} applied "${tag}" at revision ${before} and, with entry ${entry.index}, again at ${result.revision}.`,
        );
      }
    });
  }
}
