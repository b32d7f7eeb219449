import type { Event, ResponseHeader, WatchCreateRequest, WatchResponse } from '../wire/index.ts';
import { compareBytes } from './convert.ts';

/** etcd watches the first key there can be where none is given. */
export function watchedRange({ key, rangeEnd }: WatchCreateRequest): {
  key: Uint8Array;
  rangeEnd: Uint8Array;
} {
  return { key: key.length === 0 ? new Uint8Array(1) : key, rangeEnd };
}

/** Its end is not after its beginning. */
export function isEmptyRange(request: WatchCreateRequest): boolean {
  const { key, rangeEnd } = watchedRange(request);
  const toTheEnd = rangeEnd.length === 1 && rangeEnd[0] === 0;
  return rangeEnd.length > 0 && !toTheEnd && compareBytes(key, rangeEnd) >= 0;
}

/** A response that says no more than `rest`. */
export function watchResponse(
  header: ResponseHeader,
  watchId: number,
  rest: Partial<WatchResponse>,
): WatchResponse {
  return { ...eventsResponse(header, watchId, []), ...rest };
}

/** Of events, and nothing else to tell: made often, so without `rest`. */
export function eventsResponse(header: ResponseHeader, watchId: number, events: Event[]): WatchResponse {
  return {
    header,
    watchId,
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: '',
    fragment: false,
    events,
  };
}
