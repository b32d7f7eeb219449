import type { CommandResult } from '../../keyspace/index.ts';
import type { Entry } from '../../raft/index.ts';
import type { MemberSight } from '../observation.ts';
import { describeOperation, type Operation } from './history.ts';
import type { Access } from './model-auth.ts';
import { type CheckerParts, WorkloadChecker } from './workload-checker.ts';

/** Who each client is. */
export type UserOf = (client: string) => string;

/**
 * Users and roles change while clients work. What is written is held against the permissions at its place in the log by
 * the log witness; here it is what is read, what is refused, and that members know the same users and roles.
 */
export class PermissionsKept extends WorkloadChecker {
  readonly name = 'permissions-kept';
  readonly claim =
    'Nobody is answered what may not be read from when it was asked on, and nobody is refused what was allowed all the while.';
  readonly #userOf: UserOf;

  constructor(parts: CheckerParts, userOf: UserOf) {
    super(parts);
    this.#userOf = userOf;
    parts.history.listen({ completed: (operation) => this.#completed(operation) });
  }

  applied(member: MemberSight, entry: Entry, _results: readonly CommandResult[]): void {
    this.replay.committed(entry);
    const known = member.keyspace?.auth;
    if (this.replay.index !== entry.index || known === undefined) return;
    const { enabled, revision } = this.replay.model.auth;
    if (known.enabled === enabled && known.revision === revision) return;
    const words = (on: boolean, at: number): string =>
      `auth ${on ? 'enabled' : 'disabled'} at revision ${at}`;
    this.violated(
      `${member.name} has ${words(known.enabled, known.revision)} after entry ${entry.index}; by the log it is ${words(enabled, revision)}.`,
    );
  }

  #completed(operation: Operation): void {
    const { call, outcome, code } = operation;
    if (call.type !== 'range') return;
    const may = this.#allowed(operation, 'read', call.key, call.end);
    // Who is content with what one member knows gets that of users and roles, too.
    if (outcome === 'ok' && !call.serializable && !may.includes(true))
      this.violated(`${describeOperation(operation)} was answered, which this user may not read.`);
    if (code === 'permission-denied' && !may.includes(false))
      this.violated(`${describeOperation(operation)} was refused, which this user may read.`);
  }

  /** By each state of users and roles that stood at some time since it was asked. */
  #allowed({ client, invokedUs }: Operation, access: Access, key: string, end: string): boolean[] {
    const user = this.#userOf(client);
    const { auths } = this.replay;
    const verdicts: boolean[] = [];
    for (let at = auths.length - 1; at >= 0; at--) {
      const { auth, fromUs } = auths[at] as (typeof auths)[number];
      verdicts.push(auth.may(user, access, key, end));
      if (fromUs <= invokedUs) return verdicts;
    }
    // Before the first of them nobody was asked who it is.
    return [...verdicts, true];
  }
}
