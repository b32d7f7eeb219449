import type { WatchBatch, WatchEvent } from '../keyspace/types.ts';
import {
  WatchResponse as Codec,
  type Event,
  type ResponseHeader,
  services,
  type WatchResponse,
} from '../wire/index.ts';
import { watchEvent } from './convert.ts';

/** Events that several watches are sent, and their encoding once one of these was encoded. */
interface SharedEvents {
  readonly events: Event[];
  bytes: Uint8Array | undefined;
  /** The header that went with them last, as a field of the response. */
  header: ResponseHeader | undefined;
  headerBytes: Uint8Array;
}

const slabBytes = 64 * 1024;
const longestPart = 4096;

const nothing: Uint8Array<ArrayBuffer> = new Uint8Array(0);
let slab = nothing;
let used = 0;
const byBatch = new WeakMap<readonly WatchEvent[], SharedEvents>();
const byEvents = new WeakMap<readonly Event[], SharedEvents>();

/** The events as they go out. Those that several watches are sent are made and encoded once for all of them. */
export function eventsOf(batch: Extract<WatchBatch, { type: 'events' }>): Event[] {
  if (!batch.shared) return batch.events.map(watchEvent);
  const known = byBatch.get(batch.events);
  if (known !== undefined) return known.events;
  const events = batch.events.map(watchEvent);
  const shared = { events, bytes: undefined, header: undefined, headerBytes: nothing };
  byBatch.set(batch.events, shared);
  byEvents.set(events, shared);
  return events;
}

/** The response's encoding, byte for byte as the generated code makes it. */
export function encodeWatchResponse(response: WatchResponse): Uint8Array {
  const shared = response.events.length === 0 ? undefined : byEvents.get(response.events);
  const plain = !response.created && !response.canceled && !response.fragment && response.watchId >= 0;
  if (shared === undefined || !plain) return services.Watch.watch.encodeResponse(response);
  shared.bytes ??= Codec.encode({ ...Codec.create(), events: shared.events }).finish();
  const header = headerOf(shared, response.header);
  const idBytes = response.watchId === 0 ? 0 : 1 + varintBytes(response.watchId);
  const encoded = room(header.length + idBytes + shared.bytes.length);
  encoded.set(header);
  if (idBytes > 0) writeId(encoded, header.length, response.watchId);
  encoded.set(shared.bytes, header.length + idBytes);
  return encoded;
}

function headerOf(shared: SharedEvents, header: ResponseHeader | undefined): Uint8Array {
  const same =
    shared.header !== undefined &&
    shared.header.revision === header?.revision &&
    shared.header.raftTerm === header.raftTerm;
  if (!same) {
    shared.header = header;
    shared.headerBytes = Codec.encode({ ...Codec.create(), header }).finish();
  }
  return shared.headerBytes;
}

/** Of larger arrays, which costs a fraction of one with memory of its own. It was never given out before. */
function room(bytes: number): Uint8Array {
  if (bytes > longestPart) return new Uint8Array(bytes);
  if (used + bytes > slab.length) {
    slab = new Uint8Array(slabBytes);
    used = 0;
  }
  used += bytes;
  return slab.subarray(used - bytes, used);
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

/** The field of the watch's id: its tag, and the number. */
function writeId(target: Uint8Array, from: number, id: number): void {
  let at = from;
  target[at++] = 0x10;
  let rest = id;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) target[at++] = (rest % 0x80) | 0x80;
  target[at] = rest;
}
