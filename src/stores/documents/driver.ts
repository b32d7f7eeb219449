/**
 * What a service must offer so that `documentStore` makes a lease store of it: small documents of text that are
 * replaced only while they still are what was read. Databases, object stores and key-value services all have that.
 */

import { ConclaveError } from '../../errors/index.ts';

/** The driver makes the service's own key of it: a row's columns, an object's path, a hash where names are short. */
export interface DocumentKey {
  /** `counter` is one document for the whole store, with the name ''. */
  readonly kind: 'election' | 'session' | 'counter';
  /** Elections: any text up to 1024 bytes of UTF-8. Sessions: 32 hexadecimal digits. */
  readonly name: string;
}

export interface StoredDocument {
  /** JSON, as it was written. Services must take 100,000 bytes of UTF-8, which many waiters or a large record make. */
  readonly text: string;
  /** Of this very content: a document that was replaced, also by the same text, has another one. */
  readonly version: string;
  /**
   * Where `traits.ownsClock`, and the document was written with `ttlMs`: how much of that is left by the service's
   * clock; zero or less when it is over. Rounded up, never down.
   */
  readonly leftMs?: number | undefined;
}

export interface CallBounds {
  /** Aborted when nobody waits for the answer any more; a driver that cannot cancel may ignore it. */
  readonly signal: AbortSignal;
  /** For drivers that tell the service; the caller stops waiting by itself. */
  readonly timeoutMs: number;
  /**
   * For reads: what `changes` has told of must show, and what was read before; changes that it is still to tell of need
   * not. Where that is cheaper than the latest.
   */
  readonly asTold?: boolean | undefined;
}

/** That a version of an election's document, which has no record, made a session lead that was waiting. */
export interface Led {
  /** 32 hexadecimal digits. */
  readonly session: string;
  /** As in the text. */
  readonly version: number;
  /** That the leader said so which gave up, for the session's process alone. Only where `traits.changesAreOpen`. */
  readonly proof?: string | undefined;
}

export interface DocumentWrite {
  /** The version to be replaced. undefined: there must be no such document. */
  readonly replaces: string | undefined;
  /** Sessions have one, and records with a time to live: from when the service handles this. Only where `traits.ownsClock` need it be looked at. */
  readonly ttlMs?: number | undefined;
  /**
   * The service may forget the document once this long has passed since the write, never before. Absent: it stays.
   * Only where `traits.forgets` need it be looked at.
   */
  readonly keepMs?: number | undefined;
  /** What it does, if it stands: `changes` may tell of that. */
  readonly leads?: Led | undefined;
}

/** An error: something else wrote that one ('data-incompatible'), which says nothing of those beside it. */
export type FoundDocument = StoredDocument | ConclaveError | undefined;

/** A session's document, written anew by its owner. */
export interface Renewal extends DocumentWrite {
  readonly key: DocumentKey;
  readonly text: string;
  readonly replaces: string;
}

/**
 * A document that may have changed. 'all': the stream begins or has a gap, so anything may have. `led`: what the change
 * did, so that the one who leads need not read it; without a proof only where nobody could say so who may not write the
 * document.
 */
export type DocumentChange = (DocumentKey & { readonly led?: Led | undefined }) | 'all';

export interface DocumentTraits {
  /** `linearizable`: a read shows every write that was answered before; no answered write is lost. */
  readonly consistency: 'linearizable' | 'advisory';
  /** Under which deployment that is true, in words. */
  readonly note: string;
  readonly minTtlMs: number;
  /** Default one day. */
  readonly maxTtlMs?: number | undefined;
  /**
   * Documents carry `leftMs`, by one clock of the service. Otherwise each who waits judges by a clock of its own: a
   * session is over when its document stayed the same for a whole TTL since it was first seen.
   */
  readonly ownsClock: boolean;
  /** `keepMs` is honoured. */
  readonly forgets: boolean;
  /** Others than those who may write documents can speak on `changes`, so `led` is believed with its proof alone. */
  readonly changesAreOpen?: boolean | undefined;
}

/** A connection that a session is bound to. */
export interface Bond {
  /** What others find it by; stands in the session's document. */
  readonly mark: string;
  /** Aborts when the connection is gone, whoever ended it. */
  readonly broken: AbortSignal;
  /** Resolves when the service has answered on this very connection. */
  confirm(): Promise<void>;
  /** Idempotent, never rejects. */
  end(): Promise<void>;
}

/** The service keeps something for a connection, and for no longer: by that the end of its holder is seen. */
export interface Bonds {
  /** `session`: as in its document's key. @throws 'unsupported' where what lies between cannot do it. */
  bind(session: string, ttlMs: number, bounds: CallBounds): Promise<Bond>;
  /**
   * Resolves when the bond is no more. True: its holder ended the connection, as the end of its process does. False: it
   * may have been the service, or anybody, and the holder may live. Rejects where it can watch no longer, or is not to.
   */
  endedByHolder(session: string, mark: string, signal: AbortSignal): Promise<boolean>;
}

/**
 * All calls throw ConclaveError: 'unavailable' or 'timeout' (retryable; outcome 'unknown' for a write that may have
 * been carried out), 'failed-precondition' for what an administrator must mend (credentials, permission, a missing
 * table), 'data-incompatible' for what another program wrote. They may be called many at a time.
 */
export interface DocumentDriver extends AsyncDisposable {
  /** Shown in messages: "PostgreSQL at db:5432". Never a credential. */
  readonly description: string;
  readonly traits: DocumentTraits;
  /** Connects and looks whether all that is needed is there. Called before everything else, again after it failed. */
  open?(bounds: CallBounds): Promise<void>;
  read(key: DocumentKey, bounds: CallBounds): Promise<StoredDocument | undefined>;
  /** In the order of `keys`. At most 100 at a time. Present only where that is one request; absent: `read` for each. */
  readMany?(keys: readonly DocumentKey[], bounds: CallBounds): Promise<readonly FoundDocument[]>;
  /** The new version; undefined: another document stands there, or none does, and nothing was changed. */
  write(
    key: DocumentKey,
    text: string,
    write: DocumentWrite,
    bounds: CallBounds,
  ): Promise<string | undefined>;
  /**
   * What `write` would send, made ready ahead: it is sent soon, once, or never. Present where that saves time. May throw
   * what `write` rejects with.
   */
  prepare?(
    key: DocumentKey,
    text: string,
    write: DocumentWrite,
  ): (bounds: CallBounds) => Promise<string | undefined>;
  /**
   * Renewals of several sessions in one request, each for itself: in their order what `write` gives for each. At most
   * 100 at a time. Present where that is cheaper than one request each.
   */
  renewMany?(renewals: readonly Renewal[], bounds: CallBounds): Promise<readonly (string | undefined)[]>;
  /** False: what stands there is of another version, or nothing is. */
  remove(key: DocumentKey, version: string, bounds: CallBounds): Promise<boolean>;
  /**
   * Changes by anybody, as they come; 'all' as soon as nothing more can be missed. A hint only: none is lost but with
   * another 'all' (or the stream's end, by return or throw, after which it is asked for again). Where
   * `traits.ownsClock`, those of sessions need not be told. Absent: polled.
   */
  changes?(signal: AbortSignal): AsyncIterable<DocumentChange>;
  /** Present: sessions can end with their connection. Only where `traits.ownsClock`. */
  readonly bonds?: Bonds | undefined;
  /** For the message of a call that got no answer: "no server can be reached"; undefined: nothing is known. */
  whyNoAnswer?(): string | undefined;
  /** Elections whose names begin with `prefix`, each once; removed ones may be among them. Present: the store offers `watchAll`. */
  list?(prefix: string, bounds: CallBounds): Promise<readonly string[]>;
}

/** What `read` gives, where one of many is not to keep the others from being read. */
export function foundOrForeign(read: () => StoredDocument | undefined): FoundDocument {
  try {
    return read();
  } catch (error) {
    return foreignOnly(error);
  }
}

/** @throws what is not 'data-incompatible' */
export function foreignOnly(error: unknown): ConclaveError {
  if (ConclaveError.is(error, 'data-incompatible')) return error;
  throw error;
}
