/** Every election whose name has a prefix, in one stream, for the price of one listing and one stream of changes. */
import type { ElectionState } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import { ChangeStream } from './change-stream.ts';
import type { DocumentStoreParts } from './changes.ts';
import type { DocumentChange } from './driver.ts';
import { electionState, isShown, sessionsIn } from './state.ts';

interface Known {
  readonly stored: string | undefined;
  /** As it was shown. */
  readonly version: number;
  readonly dead: ReadonlySet<string>;
  /** When one of its sessions may be over. */
  readonly dueMs: number;
}

export class AllElections {
  readonly #parts: DocumentStoreParts;
  readonly #prefix: string;
  readonly #restMs: (names: number, live: boolean) => number;
  readonly #known = new Map<string, Known>();
  readonly #dirty = new Set<string>();
  readonly #stream: ChangeStream;
  #isWhole = true;
  #wake: (() => void) | undefined;

  constructor(parts: DocumentStoreParts, prefix: string, restMs: (names: number, live: boolean) => number) {
    this.#parts = parts;
    this.#prefix = prefix;
    this.#restMs = restMs;
    this.#stream = new ChangeStream(parts.calls, (change) => this.#hint(change));
  }

  async *states(signal: AbortSignal): AsyncGenerator<ReadonlyMap<string, ElectionState>, void, undefined> {
    const { calls } = this.#parts;
    this.#stream.want(true);
    try {
      for (let isFirst = true, wholeAtMs = 0; !signal.aborted; isFirst = false) {
        calls.assertOpen('Watching elections');
        if (this.#isWhole) wholeAtMs = calls.nowMs();
        const changed = await this.#look(await this.#namesToLookAt());
        if (signal.aborted) return;
        if (isFirst || changed.size > 0) yield changed;
        const nextWholeMs = wholeAtMs + this.#restMs(this.#known.size, this.#stream.live);
        await this.#wait(nextWholeMs, signal);
        if (calls.nowMs() >= nextWholeMs) this.#isWhole = true;
      }
    } finally {
      this.#stream.want(false);
    }
  }

  async #namesToLookAt(): Promise<readonly string[]> {
    const { calls } = this.#parts;
    const names = new Set(this.#dirty);
    this.#dirty.clear();
    const nowMs = calls.nowMs();
    for (const [name, { dueMs }] of this.#known) if (this.#isWhole || dueMs <= nowMs) names.add(name);
    if (!this.#isWhole) return [...names];
    this.#isWhole = false;
    for (const name of await calls.list(this.#prefix, calls.within('Watching elections'))) names.add(name);
    return [...names];
  }

  async #look(names: readonly string[]): Promise<ReadonlyMap<string, ElectionState>> {
    const { calls, elections, sessions } = this.#parts;
    const within = calls.within('Watching elections');
    const found = (await elections.readMany(names, within)).map((one) =>
      ConclaveError.is(one) ? undefined : one,
    );
    const ids = [...new Set(found.flatMap((one) => (one === undefined ? [] : sessionsIn(one.document))))];
    const pulses = await sessions.look(ids, within, { bury: false });
    const byId = new Map(ids.map((id, at) => [id, pulses[at]] as const));
    const changed: [string, ElectionState][] = [];
    for (const [at, name] of names.entries()) {
      const one = found[at];
      // What cannot be read is not shown; who campaigns for it hears why.
      if (one === undefined) continue;
      const inside = sessionsIn(one.document);
      const dead = new Set(inside.filter((id) => byId.get(id)?.alive === false));
      const dueMs = Math.min(...inside.map((id) => byId.get(id)?.dueMs ?? Number.POSITIVE_INFINITY));
      const before = this.#known.get(name);
      const { stored } = one;
      let version = before?.version ?? 0;
      if (before === undefined ? stored !== undefined : !isShown(before, stored, dead)) {
        version = this.#parts.views.versions.next(name, one, dead, before?.version);
        changed.push([name, electionState(one.document, dead, version)]);
      }
      if (stored === undefined) this.#known.delete(name);
      else this.#known.set(name, { stored, version, dead, dueMs });
    }
    return new Map(changed.sort(([left], [right]) => (left < right ? -1 : 1)));
  }

  #hint(change: DocumentChange): void {
    if (change === 'all') this.#isWhole = true;
    else if (change.kind === 'election' && change.name.startsWith(this.#prefix)) this.#dirty.add(change.name);
    else return;
    this.#wake?.();
  }

  async #wait(untilMs: number, signal: AbortSignal): Promise<void> {
    const { calls } = this.#parts;
    if (this.#isWhole || this.#dirty.size > 0 || signal.aborted || calls.closed.aborted) return;
    let nextMs = untilMs;
    for (const { dueMs } of this.#known.values()) nextMs = Math.min(nextMs, dueMs);
    await new Promise<void>((resolve) => {
      const done = () => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        calls.closed.removeEventListener('abort', done);
        this.#wake = undefined;
        resolve();
      };
      const timer = calls.runtime.timers.after(Math.max(0, nextMs - calls.nowMs()), done);
      signal.addEventListener('abort', done);
      calls.closed.addEventListener('abort', done);
      this.#wake = done;
    });
  }
}
