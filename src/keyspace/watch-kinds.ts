/**
 * Watchers that want the same events are of one kind: they are woken together, and what one of them reads the others are
 * given, as far as that is worth keeping.
 */

import type { WatchBatch, WatchEvent, WatchRequest } from './types.ts';
import type { Cursor } from './watch-cursor.ts';

/** Of what is kept of readings, all watchers together; and what each of them, and each event, takes besides its content. */
const mostReadingBytes = 8 * 1024 * 1024;
const readingOverhead = 200;

/** Where a watcher stood, and what bounded it. */
interface Asked {
  readonly from: number;
  readonly maxEvents: number;
  readonly maxBytes: number;
}

/** What one watcher was given, for those that want the same from the same revision on. */
export interface Reading {
  readonly asked: Asked;
  readonly batch: WatchBatch | undefined;
  readonly nextRevision: number;
  readonly idle: boolean;
}

/** All watchers that want the same events. */
export interface Kind {
  readonly name: string;
  /** What they want. From which revision on is each one's own. */
  readonly request: WatchRequest;
  readonly cursors: Set<Cursor>;
  /** The call of `notifyFrom` in which the last of them was woken. */
  wokenIn: number;
  /** Of the state as it is now, by what was asked; dropped when more is written. */
  readonly readings: Map<string, Reading>;
  /** The last one, which is what most come for. */
  latest: Reading | undefined;
}

/** What another watcher of the kind was given for this. */
export function readingOf({ latest, readings }: Kind, asked: Asked): Reading | undefined {
  return latest !== undefined && same(latest.asked, asked) ? latest : readings.get(nameOf(asked));
}

function same(one: Asked, other: Asked): boolean {
  return one.from === other.from && one.maxEvents === other.maxEvents && one.maxBytes === other.maxBytes;
}

function nameOf({ from, maxEvents, maxBytes }: Asked): string {
  return `${from} ${maxEvents} ${maxBytes}`;
}

export class WatchKinds {
  private readonly kinds = new Map<string, Kind>();
  /** Those with readings. */
  private readonly readKinds = new Set<Kind>();
  private readingBytes = 0;

  /** The kind of a new watcher; one that has no cursors yet is new, too. */
  of(request: WatchRequest): Kind {
    const { key, rangeEnd, prevKv, noPut, noDelete } = request;
    const flags = (prevKv ? 1 : 0) + (noPut ? 2 : 0) + (noDelete ? 4 : 0);
    const name = `${flags} ${key.length} ${latin(key)}${latin(rangeEnd)}`;
    const known = this.kinds.get(name);
    if (known !== undefined) return known;
    const cursors = new Set<Cursor>();
    const kind = { name, request, cursors, wokenIn: 0, readings: new Map(), latest: undefined };
    this.kinds.set(name, kind);
    return kind;
  }

  /** Nobody is of this kind any more. */
  drop(kind: Kind): void {
    this.kinds.delete(kind.name);
  }

  /** Until more is written, or more was read than is worth keeping: nobody may come for it. */
  keep(kind: Kind, reading: Reading): void {
    const events = reading.batch?.type === 'events' ? reading.batch.events : [];
    let bytes = readingOverhead;
    for (const event of events) bytes += readingOverhead + eventBytes(event);
    if (this.readingBytes + bytes > mostReadingBytes) this.forgetReadings();
    if (bytes > mostReadingBytes) return;
    this.readingBytes += bytes;
    kind.readings.set(nameOf(reading.asked), reading);
    kind.latest = reading;
    this.readKinds.add(kind);
  }

  forgetReadings(): void {
    if (this.readKinds.size === 0) return;
    this.readingBytes = 0;
    for (const kind of this.readKinds) {
      kind.readings.clear();
      kind.latest = undefined;
    }
    this.readKinds.clear();
  }
}

export function eventBytes({ kv, prevKv }: WatchEvent): number {
  const previous = prevKv === undefined ? 0 : prevKv.key.length + prevKv.value.length;
  return kv.key.length + kv.value.length + previous;
}

/** A text with a character for each byte. */
function latin(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
