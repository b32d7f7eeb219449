/** An object of an S3 store that only the newest leader can write. */
import { ConclaveError } from '../../errors/index.ts';
import { nodeRuntime } from '../../runtime/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import { type Fence, FencedCell } from '../fenced-cell.ts';
import { checkFunction, checkLeadership, checkObject, type FencedLeadership } from '../writer.ts';
import { commands } from './commands.ts';
import { checkElection, checkOwnMetadata } from './metadata.ts';
import { ObjectCell, type ObjectClient, type ObjectContent, type ObjectState } from './object-cell.ts';

export type { ObjectClient } from './object-cell.ts';

export interface FencedObjectOptions {
  readonly bucket: string;
  /** 1 to 1024 bytes of UTF-8. */
  readonly key: string;
  /**
   * Puts `stamp` (32 hex digits, another for each write) into the body, so that no two writes have the same ETag, in
   * a way that the format allows: a field of the JSON, a comment. A stamp that the data have already may be
   * replaced. Default: a line of its own before the data, which `read` takes off again.
   */
  readonly stamp?: ((data: Uint8Array, stamp: string) => Uint8Array) | undefined;
  /** Take an object that was not written through this guard, as if written with token 0. Default false: refuse. */
  readonly adopt?: boolean | undefined;
  /** More fields of each PutObject: encryption, storage class, tagging, expected owner. `contentType` of a write comes first. */
  readonly put?: Readonly<Record<string, unknown>> | undefined;
  /** More fields of each GetObject: expected owner, the key of SSE-C. */
  readonly get?: Readonly<Record<string, unknown>> | undefined;
  readonly runtime?: Runtime | undefined;
}

export interface ObjectVersion {
  /** False: there is no such object; then the version is 0 and there is no data. */
  readonly exists: boolean;
  /** 1 for the first write through the guard; 0: never written through it. */
  readonly version: number;
  /** The token that it was written with. */
  readonly token: number;
  /** The election that the token is from; '' where none was named. */
  readonly election: string;
  readonly data: Uint8Array;
  readonly contentType: string | undefined;
  /** The user's own, names in lower case. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ObjectCallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface ObjectWriteOptions extends ObjectCallOptions {
  /** Refuse ('version-conflict') unless this is the version that is replaced. Default: replace whatever is there. */
  readonly expectedVersion?: number | undefined;
  /** Default: as it is. */
  readonly contentType?: string | undefined;
  /** Default: as they are. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

export interface ObjectWritten {
  readonly version: number;
  readonly token: number;
}

const limitBytes = 2 ** 30;
/**
 * Opens the object at `bucket` and `key`, which need not exist. Each write is a PutObject with `If-Match` (the first:
 * `If-None-Match: *`); token, election and version stand in the object's metadata.
 *
 * Guarantees: of several writes that saw one version, one succeeds; a token lower than one that wrote is refused,
 * whatever clocks and pauses do; an answer that was lost is read again. This holds on a store whose conditional
 * writes are atomic and whose reads see the last write: Amazon S3 does; see `checkConditionalWrites` for others.
 *
 * A token counts as seen when it wrote: `claim` or `update` shuts older leaders out first.
 *
 * Not protected: an object that is deleted (its highest token goes with it), or written by a program without this
 * guard: let the bucket's policy allow PutObject only with `s3:if-match` or `s3:if-none-match`. Replication to
 * another bucket is asynchronous and no fence. A proxy before the store that repeats a PUT by itself (nginx does, to the
 * next server, unless `proxy_next_upstream off`): where it gives on the refusal of the second copy, a write that took
 * effect counts as refused, and `update` changes its result once more. Repeats of the SDK itself are known. Tags and ACLs are not kept from one write to the next.
 */
export function fencedObject(client: ObjectClient, options: FencedObjectOptions): FencedObject {
  checkObject('A fenced object needs options: { bucket, key }', options);
  return new FencedObject(client, options);
}

export class FencedObject {
  readonly #cell: FencedCell<ObjectContent, ObjectState>;
  readonly #object: ObjectCell;

  /** @internal use `fencedObject` */
  constructor(client: ObjectClient, options: FencedObjectOptions, load = commands) {
    this.#object = new ObjectCell(client, options, load);
    this.#cell = new FencedCell(this.#object, {
      adopt: options.adopt,
      runtime: options.runtime ?? nodeRuntime(),
    });
  }

  /**
   * What is there now.
   * @throws 'data-damaged', 'data-incompatible' (the fence); 'not-found' (the bucket); 'unavailable', 'timeout',
   * 'aborted', 'failed-precondition' (the store refuses).
   */
  async read(options: ObjectCallOptions = {}): Promise<ObjectVersion> {
    return publicVersion(await this.#object.load(options.signal));
  }

  /**
   * Replaces the object (at most 1 GiB), whatever it holds.
   * @throws 'stale-token': a newer leader has written; 'version-conflict': only with `expectedVersion`;
   * 'not-leading' from `assertHeld()`, which is checked although safety does not depend on it; 'failed-precondition':
   * guarded by another election, not written through this guard, deleted meanwhile, or refused by the store;
   * 'unsupported'; 'too-large'; and as `read`. Outcome 'unknown' when no certain answer came: `read` tells.
   */
  async write(
    leadership: FencedLeadership,
    data: Uint8Array | string,
    options: ObjectWriteOptions = {},
  ): Promise<ObjectWritten> {
    const { contentType, metadata, expectedVersion, signal } = options;
    const bytes = toBytes(data);
    checkOwnMetadata(metadata ?? {});
    checkLeader(leadership);
    const content = ({ content: { headers, metadata: present } }: ObjectState): ObjectContent => ({
      data: bytes,
      metadata: metadata ?? present,
      ...{ headers, contentType },
    });
    return written(await this.#cell.write(leadership, content, { expectedVersion, signal }));
  }

  /**
   * Writes the present data under this leadership's token, so that from here on every older leader is refused, even
   * before the first real write. An object that does not exist is made, empty. Nothing happens where it has this
   * token already.
   * @throws as `write`, but never 'version-conflict'.
   */
  async claim(leadership: FencedLeadership, options: ObjectCallOptions = {}): Promise<ObjectVersion> {
    checkLeader(leadership);
    return publicVersion(await this.#cell.claim(leadership, options.signal));
  }

  /**
   * Claims the object, then replaces its data by what `change` makes of it; calls `change` again when another write
   * of this same leadership came between.
   * @throws as `claim`, and what `change` throws.
   */
  async update(
    leadership: FencedLeadership,
    change: (current: ObjectVersion) => Uint8Array | string | Promise<Uint8Array | string>,
    options: ObjectCallOptions = {},
  ): Promise<ObjectWritten> {
    checkFunction('The change of an update', change);
    checkLeader(leadership);
    const next = async (current: ObjectState): Promise<ObjectContent> => ({
      ...current.content,
      data: toBytes(await change(publicVersion(current))),
    });
    return written(await this.#cell.update(leadership, next, options.signal));
  }
}

function checkLeader(leadership: FencedLeadership): void {
  checkElection(checkLeadership(leadership).election);
}

function toBytes(data: Uint8Array | string): Uint8Array {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  if (!(bytes instanceof Uint8Array)) {
    throw new ConclaveError('invalid-argument', 'data must be a Uint8Array or a string.');
  }
  if (bytes.length > limitBytes) {
    throw new ConclaveError('too-large', `The data has ${bytes.length} bytes; the limit is ${limitBytes}.`);
  }
  return bytes;
}

function publicVersion({ exists, fence, content }: ObjectState): ObjectVersion {
  return {
    exists,
    version: fence?.version ?? 0,
    token: fence?.token ?? 0,
    election: fence?.election ?? '',
    data: content.data,
    contentType: content.headers.ContentType as string | undefined,
    metadata: content.metadata,
  };
}

function written({ version, token }: Fence): ObjectWritten {
  return { version, token };
}
