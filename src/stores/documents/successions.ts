/** Whether those are alive to whom a release gave the leadership. */
import { pause } from '../../runtime/pause.ts';
import type { Within } from './calling.ts';
import type { DocumentStoreParts, ElectionChanges } from './changes.ts';
import { deadAmong, isOver } from './deaths.ts';
import type { Place } from './documents.ts';
import type { FoundElection } from './elections.ts';
import { ledBy, withoutPlaces } from './queue.ts';

const lookAfterMs = 20;

export class Successions {
  readonly #parts: DocumentStoreParts;
  readonly #changes: ElectionChanges;
  readonly #session: string;
  readonly #hurry = new AbortController();
  /** Looks that are due or under way. */
  readonly looking = new Set<Promise<void>>();

  /** `session`: whose releases these are. */
  constructor(parts: DocumentStoreParts, changes: ElectionChanges, session: string) {
    this.#parts = parts;
    this.#changes = changes;
    this.#session = session;
  }

  /**
   * Whether the next one is alive is asked a little later: it would wait for the answer, or share the service's care with
   * the question. Where it is not alive, whoever waits would find out by looking; but who made it lead is the first to know.
   */
  lookAfter(name: string, next: Place): void {
    const { calls } = this.#parts;
    const looking = pause(calls.runtime.timers, lookAfterMs, this.#hurry.signal)
      .then(() => this.#settle(name, next, calls.within('Releasing an election')))
      // The release itself stands.
      .catch(() => {})
      .finally(() => this.looking.delete(looking));
    this.looking.add(looking);
  }

  /** No look is to wait any longer. */
  hurry(): void {
    this.#hurry.abort();
  }

  async #settle(name: string, next: Place, within: Within): Promise<void> {
    if (!(await isOver(this.#parts, next.session, within))) return;
    const passOver = async ({ document }: FoundElection, nextVersion: () => Promise<number>) => {
      const nothing = { next: undefined, value: undefined };
      if (document.leader?.session !== next.session) return nothing;
      const dead = await deadAmong(this.#parts, document, this.#session, within);
      if (!dead.has(next.session)) return nothing;
      const rest = withoutPlaces(document, (session) => dead.has(session));
      return { next: ledBy(rest, rest.waiting[0], await nextVersion()), value: undefined };
    };
    await this.#changes.change(name, within, passOver);
  }
}
