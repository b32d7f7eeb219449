import type { KeyValue, WatchBatch, Watcher } from '../keyspace/types.ts';
import { limits } from './validate.ts';

/** What one response carries, but for a revision that has more: a revision is never split. */
const eventsInOneResponse = 1000;
const bytesInOneResponse = 512 * 1024;
/** An event here or on the wire. */
interface Sized {
  readonly kv: KeyValue | undefined;
  readonly prevKv: KeyValue | undefined;
}

/** The next revisions of a watcher, as many as one response carries. */
export function gather(watcher: Watcher): WatchBatch | undefined {
  const first = watcher.next(1);
  if (first === undefined || first.type === 'compacted') return first;
  const events = [...first.events];
  let bytes = sum(first.events);
  while (events.length < eventsInOneResponse && bytes < bytesInOneResponse) {
    // Only the first can be compacted: nothing compacts in between.
    const batch = watcher.next(1);
    if (batch?.type !== 'events') break;
    events.push(...batch.events);
    bytes += sum(batch.events);
  }
  // Past the last event where there is nothing more to deliver.
  return { type: 'events', events, revision: watcher.deliveredRevision };
}

function sum(events: readonly Sized[]): number {
  let bytes = 0;
  for (const event of events) bytes += eventBytes(event);
  return bytes;
}

/** Cuts events into parts of which none is larger than a request may be, unless it is one event. */
export function fragments<E extends Sized>(events: readonly E[]): E[][] {
  const parts: E[][] = [[]];
  let bytes = 0;
  for (const event of events) {
    const size = eventBytes(event);
    const last = parts.at(-1) as E[];
    if (last.length > 0 && bytes + size > limits.receivedBytes) {
      parts.push([event]);
      bytes = size;
    } else {
      last.push(event);
      bytes += size;
    }
  }
  return parts;
}

/** About what an event takes on the wire. */
function eventBytes(event: Sized): number {
  const kv = event.kv === undefined ? 0 : event.kv.key.length + event.kv.value.length;
  const previous = event.prevKv === undefined ? 0 : event.prevKv.key.length + event.prevKv.value.length;
  return kv + previous + 96;
}
