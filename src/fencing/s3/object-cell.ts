/** The commands behind a fenced object: what is read of it, and the PUT that replaces only that. */
import type { S3Client } from '@aws-sdk/client-s3';
import { ConclaveError } from '../../errors/index.ts';
import type { Cell, CellState, Fence } from '../fenced-cell.ts';
import type { ObjectCommands } from './commands.ts';
import { failure, isAbsent, refusedSwap } from './failures.ts';
import type { FencedObjectOptions } from './fenced-object.ts';
import { decodeMetadata, encodeMetadata, prependStamp, removeStamp } from './metadata.ts';

export interface ObjectContent {
  readonly data: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, unknown>>;
  /** What this write asks for. */
  readonly contentType?: string | undefined;
}

export interface ObjectState extends CellState<ObjectContent> {
  readonly etag: string | undefined;
}

const keptHeaders = [
  'ContentType',
  'CacheControl',
  'ContentDisposition',
  'ContentEncoding',
  'ContentLanguage',
] as const;

/** An `S3Client`, or anything with its `send`. */
export type ObjectClient = Pick<S3Client, 'send'>;

export class ObjectCell implements Cell<ObjectContent, ObjectState> {
  readonly name: string;
  readonly #client: ObjectClient;
  readonly #options: FencedObjectOptions;
  readonly #address: { readonly Bucket: string; readonly Key: string };
  readonly #commands: () => Promise<ObjectCommands>;

  constructor(
    client: ObjectClient,
    options: FencedObjectOptions,
    loadCommands: () => Promise<ObjectCommands>,
  ) {
    if (typeof client?.send !== 'function') {
      throw new ConclaveError('invalid-argument', 'A client with send(command) is needed, as S3Client.');
    }
    const { bucket, key } = options;
    if (typeof bucket !== 'string' || bucket === '') {
      throw new ConclaveError('invalid-argument', 'The name of the bucket is missing.');
    }
    if (typeof key !== 'string' || key === '' || new TextEncoder().encode(key).length > 1024) {
      throw new ConclaveError('invalid-argument', 'The key of the object must have 1 to 1024 bytes.');
    }
    this.name = `Object s3://${bucket}/${key}`;
    this.#client = client;
    this.#options = options;
    this.#address = { Bucket: bucket, Key: key };
    this.#commands = loadCommands;
  }

  async load(signal: AbortSignal | undefined): Promise<ObjectState> {
    const { GetObjectCommand } = await this.#commands();
    try {
      const command = new GetObjectCommand({ ...this.#options.get, ...this.#address });
      const answer = await this.#client.send(command, { ...(signal && { abortSignal: signal }) });
      const body = (await answer.Body?.transformToByteArray()) ?? new Uint8Array(0);
      const { fence, own } = decodeMetadata(this.name, answer.Metadata ?? {});
      const stamped = fence !== undefined && this.#options.stamp === undefined;
      const data = stamped ? removeStamp(this.name, body, fence.writeId) : body;
      const headers = Object.fromEntries(keptHeaders.map((header) => [header, answer[header]]));
      if (answer.ETag === undefined) {
        throw new ConclaveError('unsupported', `${this.name} has no ETag, so it cannot be fenced.`);
      }
      return { exists: true, fence, etag: answer.ETag, content: { data, metadata: own, headers } };
    } catch (error) {
      if (!isAbsent(error)) throw failure(`Reading ${this.name}`, error, 'read', signal);
      const content = { data: new Uint8Array(0), metadata: {}, headers: {} };
      return { exists: false, fence: undefined, etag: undefined, content };
    }
  }

  async swap(
    { etag }: ObjectState,
    { data, metadata, headers, contentType }: ObjectContent,
    fence: Fence,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const { PutObjectCommand } = await this.#commands();
    const command = new PutObjectCommand({
      ...headers,
      ...this.#options.put,
      ...(contentType !== undefined && { ContentType: contentType }),
      ...this.#address,
      ...(etag === undefined ? { IfNoneMatch: '*' } : { IfMatch: etag }),
      Metadata: encodeMetadata(fence, metadata),
      Body: this.#stamped(data, fence.writeId),
    });
    try {
      await this.#client.send(command, { ...(signal && { abortSignal: signal }) });
      return true;
    } catch (error) {
      const refused = refusedSwap(error);
      if (refused === 'refused') return false;
      const what = `Writing ${this.name}`;
      if (refused === undefined) throw failure(what, error, 'write', signal);
      const message = `${what} was refused after an earlier attempt of the SDK had no answer.`;
      throw new ConclaveError('unavailable', message, { outcome: 'unknown', retryable: true, cause: error });
    }
  }

  #stamped(data: Uint8Array, stamp: string): Uint8Array {
    if (this.#options.stamp === undefined) return prependStamp(data, stamp);
    const body = this.#options.stamp(data, stamp);
    if (
      body instanceof Uint8Array &&
      Buffer.from(body.buffer, body.byteOffset, body.length).includes(stamp)
    ) {
      return body;
    }
    const message = `The option "stamp" must return the data as bytes that contain the stamp ${stamp} as text.`;
    throw new ConclaveError('invalid-argument', message);
  }
}
