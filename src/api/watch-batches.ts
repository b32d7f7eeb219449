import type { KeyValue, ReadBudget, WatchBatch, Watcher } from '../keyspace/types.ts';
import { type Event, type WatchResponse, WatchResponse as WatchResponseCodec } from '../wire/index.ts';

/** What one response carries, but for a revision that has more: a revision is never split. */
const eventsInOneResponse = 1000;
const bytesInOneResponse = 512 * 1024;
/** An event here or on the wire. */
interface Sized {
  readonly kv: KeyValue | undefined;
  readonly prevKv: KeyValue | undefined;
}

/** The next revisions of a watcher, as many as one response carries. */
export function gather(watcher: Watcher, budget: ReadBudget): WatchBatch | undefined {
  return watcher.next(eventsInOneResponse, bytesInOneResponse, budget);
}

function sum(events: readonly Sized[]): number {
  let bytes = 0;
  for (const event of events) bytes += eventBytes(event);
  return bytes;
}

/**
 * Cuts a response as etcd does: a part stays below what a request may have, unless it is one event, and every part
 * but the last says that more follows.
 */
export function fragments(whole: WatchResponse, maxBytes: number): WatchResponse[] {
  if (whole.events.length < 2 || sum(whole.events) + headerBytes < maxBytes) return [whole];
  if (WatchResponseCodec.encode(whole).finish().length < maxBytes) return [whole];
  const emptyBytes = WatchResponseCodec.encode({ ...whole, events: [], fragment: true }).finish().length;
  const parts: Event[][] = [];
  let part: Event[] = [];
  let bytes = emptyBytes;
  for (const event of whole.events) {
    const size = WatchResponseCodec.encode({ ...nothing, events: [event] }).finish().length;
    if (part.length > 0 && bytes + size >= maxBytes) {
      parts.push(part);
      part = [];
      bytes = emptyBytes;
    }
    part.push(event);
    bytes += size;
  }
  parts.push(part);
  return parts.map((events, at) => ({ ...whole, events, fragment: at < parts.length - 1 }));
}

/** At most, of what a response has besides its events. */
const headerBytes = 128;
const nothing = WatchResponseCodec.create();

/** At most what an event takes on the wire, and not much more than that. */
function eventBytes(event: Sized): number {
  const kv = event.kv === undefined ? 0 : event.kv.key.length + event.kv.value.length;
  const previous = event.prevKv === undefined ? 0 : event.prevKv.key.length + event.prevKv.value.length;
  return kv + previous + 96;
}
