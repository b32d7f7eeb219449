import type { ElectionState } from '../../election/store.ts';
import type { ElectionDocument } from './documents.ts';
import type { FoundElection } from './elections.ts';
import { recordOf } from './queue.ts';

/** A session that is over changes what is shown although nobody wrote: so many of those have versions of their own. */
const shownVersions = 64;

/** As shown to users: without those whose session is over. */
export function electionState(
  document: ElectionDocument,
  dead: ReadonlySet<string>,
  version = naturalVersion(document, dead),
): ElectionState {
  const { leader, waiting } = document;
  return {
    leader:
      leader === undefined || dead.has(leader.session)
        ? undefined
        : { holder: leader.holder, token: leader.token, metadata: leader.metadata },
    version,
    waiting: waiting
      .filter(({ session }) => !dead.has(session))
      .map(({ holder, metadata, priority }) => ({ holder, metadata, priority })),
    record: recordOf(document),
  };
}

function naturalVersion({ version }: ElectionDocument, dead: ReadonlySet<string>): number {
  return version * shownVersions + Math.min(dead.size, shownVersions - 1);
}

/** Whether a document of this version came after what is shown. */
export function isAfter(documentVersion: number, { version }: ElectionState): boolean {
  return documentVersion > Math.floor(version / shownVersions);
}

const mostRemembered = 10_000;

interface Shown {
  readonly stored: string | undefined;
  readonly dead: ReadonlySet<string>;
  readonly version: number;
}

/**
 * The versions of what watches show. Each change has a higher one than the last, also where the document does not say
 * so: a session that seemed to be over was renewed after all, or the document was deleted.
 */
export class ShownVersions {
  readonly #last = new Map<string, Shown>();

  /** Of what differs from what was shown before. `before`: its version, where the caller knows. */
  next(
    name: string,
    { document, stored }: FoundElection,
    dead: ReadonlySet<string>,
    before: number | undefined,
  ): number {
    const last = this.#last.get(name);
    const atLeast = Math.max(naturalVersion(document, dead), (before ?? -1) + 1, last?.version ?? 0);
    const version =
      last === undefined || isShown(last, stored, dead) ? atLeast : Math.max(atLeast, last.version + 1);
    // The oldest go first: a watch that begins anew long after may not show all that the last one would have.
    this.#last.delete(name);
    this.#last.set(name, { stored, dead, version });
    const [oldest] = this.#last.keys();
    if (this.#last.size > mostRemembered && oldest !== undefined) this.#last.delete(oldest);
    return version;
  }
}

/** Whether nothing has changed since. */
export function isShown(
  last: Pick<Shown, 'stored' | 'dead'>,
  stored: string | undefined,
  dead: ReadonlySet<string>,
): boolean {
  return last.stored === stored && last.dead.size === dead.size && [...dead].every((id) => last.dead.has(id));
}

/** The sessions that stand in it. */
export function sessionsIn({ leader, waiting }: ElectionDocument): string[] {
  return [...(leader === undefined ? [] : [leader.session]), ...waiting.map(({ session }) => session)];
}
