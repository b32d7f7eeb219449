import type { SeenEvent, WatchEnd, WatchView } from './history.ts';
import { pairDifference } from './log-witness.ts';
import { type Change, inRange } from './model-values.ts';
import { type CheckerParts, WorkloadChecker } from './workload-checker.ts';

interface Cursor {
  readonly watch: WatchView;
  /** Place of the next change in the log's sequence that it has not been held against; -1 before it stands. */
  next: number;
  /** Where it stood first. */
  base: number;
  /** Everything up to here is behind it. */
  revision: number;
  /** It was up to date at some time. */
  live: boolean;
}

/** What was committed so shortly before the end may be on its way. */
const onItsWayUs = 1_000_000;
/** A call without an answer in time makes its client go on through another connection, with its watch. */
const movingUs = 50_000;

/** Each watch is held against the log's own sequence of changes, from where it stands, event by event. */
export class WatchesAreWhole extends WorkloadChecker {
  readonly name = '19-watches';
  readonly claim =
    'Watches are ordered and unique, lose nothing, never split a revision, and can be resumed.';
  readonly #open = new Map<number, Cursor>();
  /** When a client last got no answer. */
  readonly #leftOpenUs = new Map<string, number>();
  #revision = 1;
  /** Revisions, and when they were committed. */
  readonly #newest: { readonly from: number; readonly atUs: number }[] = [];

  readonly #calm: boolean;

  /** @param calm nothing goes wrong in this life: no watch that was up to date falls behind. */
  constructor(parts: CheckerParts, calm = false) {
    super(parts);
    this.#calm = calm;
    parts.history.watchesBehind = () => this.#behind();
    parts.history.listen({
      watchOpened: (watch) => {
        this.#open.set(watch.id, {
          watch,
          next: -1,
          base: 0,
          revision: watch.startRevision - 1,
          live: false,
        });
      },
      completed: ({ client, outcome }) => {
        if (outcome === 'unknown') this.#leftOpenUs.set(client, this.life.nowUs);
      },
      watchBatch: (watch, events, revision) => this.#batch(watch, events, revision),
      watchEnded: (watch, how, compactRevision) => this.#ended(watch, how, compactRevision),
    });
  }

  override committed(entry: Parameters<WorkloadChecker['committed']>[0]): void {
    super.committed(entry);
    const { revision } = this.replay;
    // Leases end in quiet times, too.
    if (revision > this.#revision) this.#newest.push({ from: this.#revision + 1, atUs: this.life.nowUs });
    this.#revision = revision;
  }

  ended(): void {
    const settledUs = this.life.nowUs - onItsWayUs;
    const tooNew = this.#newest.find(({ atUs }) => atUs > settledUs)?.from ?? Number.POSITIVE_INFINITY;
    for (const cursor of this.#open.values()) {
      if (cursor.next < 0) this.violated(`${describe(cursor)} does not stand, though all is quiet.`);
      const missing = this.#nextChange(cursor);
      if (missing === undefined || missing.revision >= tooNew) continue;
      this.violated(`${describe(cursor)} never got ${missing.key} of revision ${missing.revision}.`);
    }
  }

  #behind(): number {
    let behind = 0;
    for (const cursor of this.#open.values())
      if (cursor.next < 0 || this.#nextChange(cursor) !== undefined) behind += 1;
    return behind;
  }

  #batch(watch: WatchView, events: readonly SeenEvent[], revision: number): void {
    const cursor = this.#open.get(watch.id);
    if (cursor === undefined) this.violated(`Watch ${watch.id} got a batch after its end.`);
    if (cursor.next < 0) this.#stand(cursor, events, revision);
    else if (revision <= cursor.revision) {
      this.violated(
        `${describe(cursor)} got a batch of revision ${revision} after one of ${cursor.revision}.`,
      );
    }
    for (const event of events) this.#event(cursor, event);
    cursor.live ||= watch.startRevision === 0 || events.length > 0;
    cursor.revision = Math.max(cursor.revision, revision);
    const next = this.#nextChange(cursor);
    if (next === undefined || next.revision > revision) return;
    this.violated(
      `${describe(cursor)} was told that all up to revision ${revision} came, but ${next.key} of ${next.revision} did not.`,
    );
  }

  /** The first batch says from where: it must be what was asked for. */
  #stand(cursor: Cursor, events: readonly SeenEvent[], revision: number): void {
    const { startRevision } = cursor.watch;
    if (events.length > 0) this.violated(`${describe(cursor)} got events before it was said to stand.`);
    if (startRevision > 0 && revision !== startRevision - 1) {
      this.violated(`${describe(cursor)} stands at ${revision}, asked for ${startRevision}.`);
    }
    if (startRevision === 0 && revision > this.replay.revision) {
      this.violated(`${describe(cursor)} stands at ${revision}, which is not committed.`);
    }
    cursor.revision = revision;
    cursor.base = revision;
    cursor.next = firstAfter(this.replay.model.changes, revision);
  }

  #event(cursor: Cursor, event: SeenEvent): void {
    const change = this.#nextChange(cursor);
    const { pair, deleted } = event;
    const what = `${deleted ? 'the deletion' : 'the put'} of ${pair.key} at revision ${pair.mod}`;
    if (change === undefined) this.violated(`${describe(cursor)} got ${what}, and the log has nothing more.`);
    const same =
      change.revision === pair.mod && change.key === pair.key && deleted === (change.pair === undefined);
    if (!same) {
      const wanted = `${change.pair === undefined ? 'the deletion' : 'the put'} of ${change.key} at ${change.revision}`;
      this.violated(`${describe(cursor)} got ${what}, but the log has ${wanted} next.`);
    }
    const wrong =
      (deleted ? undefined : pairDifference(pair, change.pair)) ??
      (cursor.watch.prevKv ? this.#previousDifference(event, change) : undefined);
    if (wrong !== undefined) this.violated(`${describe(cursor)} got ${what} wrong: ${wrong}.`);
    cursor.next += 1;
  }

  /** As in etcd, what was there before is left out where it is compacted away. */
  #previousDifference({ previous }: SeenEvent, change: Change): string | undefined {
    if (previous === undefined && change.revision <= this.replay.model.compactRevision) return undefined;
    return pairDifference(previous, change.previous);
  }

  #ended(watch: WatchView, how: WatchEnd, told: number): void {
    const cursor = this.#open.get(watch.id);
    this.#open.delete(watch.id);
    if (cursor === undefined || how !== 'compacted') return;
    const { compactRevision, compactions } = this.replay.model;
    const isRight = cursor.revision + 1 < told && compactions.includes(told);
    if (!isRight) {
      const message = `${describe(cursor)} was told that all before ${told} is compacted`;
      this.violated(`${message}; the log is compacted to ${compactRevision}.`);
    }
    const moved = this.life.nowUs - (this.#leftOpenUs.get(watch.client) ?? 0) < movingUs;
    if (this.#calm && cursor.live && !moved)
      this.violated(
        `${describe(cursor)} was up to date, and lost to the compaction to ${told} what came next.`,
      );
  }

  /** Moves the cursor over what the watch does not want. */
  #nextChange(cursor: Cursor): Change | undefined {
    const { changes } = this.replay.model;
    const { key, end } = cursor.watch;
    while (cursor.next < changes.length) {
      const change = changes[cursor.next] as Change;
      if (change.revision > cursor.base && inRange(change.key, key, end)) return change;
      cursor.next += 1;
    }
    return undefined;
  }
}

function describe({ watch, revision }: Cursor): string {
  return `Watch ${watch.id} of ${watch.client} on ${watch.key} (at revision ${revision})`;
}

function firstAfter(changes: readonly Change[], revision: number): number {
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((changes[middle] as Change).revision <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}
