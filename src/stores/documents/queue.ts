/** What becomes of an election's document: pure functions, tried out on every race before they are written. */
import type { AcquireOptions, RecordOptions } from '../../election/store.ts';
import type { ElectionDocument, Leading, Place } from './documents.ts';

export interface Contender {
  readonly id: string;
  readonly holder: string;
  readonly key: string | undefined;
}

/** With this contender's place as the options say; the same object where it stands there already. */
export function withPlace(
  document: ElectionDocument,
  { id, holder, key }: Contender,
  { priority, metadata }: AcquireOptions,
  order: number,
): ElectionDocument {
  const before = document.waiting.find(({ session }) => session === id);
  if (before?.priority === priority && before.metadata === metadata) return document;
  const place: Place = {
    session: id,
    holder,
    metadata,
    priority,
    order: before?.order ?? order,
    key,
  };
  const others = document.waiting.filter(({ session }) => session !== id);
  const waiting = [...others, place].sort(
    (left, right) => right.priority - left.priority || left.order - right.order,
  );
  return { ...document, waiting };
}

/** Without these sessions' places; the same object where they have none. */
export function withoutPlaces(
  document: ElectionDocument,
  gone: (session: string) => boolean,
): ElectionDocument {
  const waiting = document.waiting.filter(({ session }) => !gone(session));
  return waiting.length === document.waiting.length ? document : { ...document, waiting };
}

/** The place becomes the leadership, with the version that makes it as its token. undefined: nobody leads. */
export function ledBy(
  document: ElectionDocument,
  place: Place | undefined,
  version: number,
): ElectionDocument {
  const leader: Leading | undefined = place && {
    session: place.session,
    holder: place.holder,
    token: version,
    metadata: place.metadata,
    key: place.key,
  };
  return { ...document, leader, waiting: document.waiting.filter((other) => other !== place) };
}

/** Given up by this session: the first in line leads, but for those that are known to be dead. */
export function releasedBy(
  document: ElectionDocument,
  session: string,
  dead: ReadonlySet<string>,
  version: number,
): { readonly next: Place | undefined; readonly document: ElectionDocument } {
  const rest = withoutPlaces(document, (other) => other === session);
  const next = rest.waiting.find((place) => !dead.has(place.session));
  return { next, document: { ...ledBy(rest, next, version), version } };
}

export function withRecord(document: ElectionDocument, options: RecordOptions = {}): ElectionDocument {
  const { record, recordTtlMs } = options;
  if (record === undefined) return document;
  return { ...document, record: { base64: Buffer.from(record).toString('base64'), keepMs: recordTtlMs } };
}

export function recordOf({ record }: ElectionDocument): Uint8Array | undefined {
  return record === undefined ? undefined : new Uint8Array(Buffer.from(record.base64, 'base64'));
}
