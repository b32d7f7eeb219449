/** Requests for a bucket's objects, and what their failures mean. */
import type { PutObjectCommandInput, S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { ConclaveError } from '../../errors/index.ts';
import { pause } from '../../runtime/pause.ts';
import type { Runtime } from '../../runtime/types.ts';
import { awsError, describeFailure, OwnAwsClient } from '../amazon.ts';
import type { CallBounds, StoredDocument } from '../documents/index.ts';
import { loadDriver } from '../driver-package.ts';

export type ObjectClient = Pick<S3Client, 'send'>;

export type PutCondition = { readonly IfNoneMatch: '*' } | { readonly IfMatch: string };

/** The condition did not hold. `attempts`: how often the SDK had sent the request. */
export interface Refused {
  readonly attempts: number;
}

export interface ObjectsOptions {
  readonly bucket: string;
  readonly client?: ObjectClient | undefined;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly put?: Readonly<Partial<PutObjectCommandInput>> | undefined;
}

type Sdk = typeof import('@aws-sdk/client-s3');

interface Connected {
  readonly sdk: Sdk;
  readonly client: ObjectClient;
  readonly own?: OwnAwsClient<S3Client>;
}

type Call<T> = (connected: Connected, options: { readonly abortSignal: AbortSignal }) => Promise<T>;

const permissions =
  's3:GetObject, s3:PutObject and s3:DeleteObject on its objects, and s3:ListBucket on the bucket';

export class BucketObjects {
  /** For messages. */
  readonly description: string;
  readonly #options: ObjectsOptions;
  readonly #runtime: Runtime;
  #connected: Promise<Connected> | undefined;

  constructor(options: ObjectsOptions, description: string, runtime: Runtime) {
    this.#options = options;
    this.#runtime = runtime;
    this.description = description;
  }

  async get(Key: string, bounds: CallBounds): Promise<StoredDocument | undefined> {
    try {
      return await this.#send('Reading', false, bounds, async ({ sdk, client }, options) => {
        const answer = await client.send(new sdk.GetObjectCommand({ Bucket: this.#bucket, Key }), options);
        return { text: (await answer.Body?.transformToString()) ?? '', version: answer.ETag ?? '' };
      });
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  async metadata(Key: string, bounds: CallBounds): Promise<Readonly<Record<string, string>> | undefined> {
    try {
      const head = await this.#send('Reading', false, bounds, ({ sdk, client }, options) =>
        client.send(new sdk.HeadObjectCommand({ Bucket: this.#bucket, Key }), options),
      );
      return head.Metadata;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  async put(
    Key: string,
    Body: string,
    condition: PutCondition,
    bounds: CallBounds,
    Metadata?: Record<string, string>,
  ): Promise<string | Refused> {
    const input = {
      ...{ ContentType: 'application/json', ...this.#options.put },
      ...{ Bucket: this.#bucket, Key, Body, ...condition, ...(Metadata && { Metadata }) },
    };
    const answer = await this.#guarded('Writing', bounds, ({ sdk, client }, options) =>
      client.send(new sdk.PutObjectCommand(input), options),
    );
    if ('attempts' in answer) return answer;
    if (answer.ETag !== undefined) return answer.ETag;
    throw new ConclaveError(
      'unsupported',
      `${this.description} gives no ETags, by which elections are kept.`,
    );
  }

  async remove(Key: string, IfMatch: string | undefined, bounds: CallBounds): Promise<boolean> {
    const input = { Bucket: this.#bucket, Key, ...(IfMatch !== undefined && { IfMatch }) };
    const answer = await this.#guarded('Removing', bounds, ({ sdk, client }, options) =>
      client.send(new sdk.DeleteObjectCommand(input), options),
    );
    // Also where an earlier sending of the SDK removed it: nothing of that version stands there.
    return !('attempts' in answer);
  }

  /** The keys that begin with `Prefix`, and the ETag of each. */
  async list(Prefix: string, bounds: CallBounds): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    let ContinuationToken: string | undefined;
    do {
      const input = { Bucket: this.#bucket, Prefix, ContinuationToken };
      const page = await this.#send('Listing', false, bounds, ({ sdk, client }, options) =>
        client.send(new sdk.ListObjectsV2Command(input), options),
      );
      for (const { Key = '', ETag = '' } of page.Contents ?? []) found.set(Key, ETag);
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    return found;
  }

  /** Of a client of ours; the user's stays open. */
  async close(): Promise<void> {
    const connected = await this.#connected?.catch(() => undefined);
    connected?.own?.close();
  }

  /** Sent again as long as S3 says that another request for the same object is under way (409). */
  async #guarded<T extends object>(verb: string, bounds: CallBounds, call: Call<T>): Promise<T | Refused> {
    for (let busy = 0; ; busy++) {
      try {
        return await this.#send(verb, true, bounds, call);
      } catch (error) {
        if (ConclaveError.is(error)) throw error;
        const { status, attempts } = describeFailure(error);
        if (status !== 409) return { attempts };
        if (attempts > 1) return { attempts };
        await pause(
          this.#runtime.timers,
          this.#runtime.random.unit() * Math.min(500, 20 * 2 ** busy),
          bounds.signal,
        );
        if (bounds.signal.aborted) throw this.#explained(verb, true, bounds, error);
      }
    }
  }

  /** @throws what the SDK throws where the object is not there, or a condition did not hold. */
  async #send<T>(verb: string, changes: boolean, bounds: CallBounds, call: Call<T>): Promise<T> {
    this.#connected ??= this.#connect();
    const connected = await this.#connected;
    try {
      return await call(connected, { abortSignal: bounds.signal });
    } catch (error) {
      const { status, name } = describeFailure(error);
      connected.own?.failed(error);
      if (isAbsent(error) || status === 412 || (status === 409 && name !== 'OperationAborted')) throw error;
      throw this.#explained(verb, changes, bounds, error);
    }
  }

  #explained(verb: string, changes: boolean, { signal }: CallBounds, error: unknown): ConclaveError {
    const { name, status, message } = describeFailure(error);
    const cause = error;
    if (name === 'NoSuchBucket') {
      const text = `The bucket ${this.#bucket} is not there: aws s3api create-bucket --bucket ${this.#bucket}`;
      return new ConclaveError('failed-precondition', text, { cause });
    }
    if (status === 301 || name === 'PermanentRedirect') {
      const text = `The bucket ${this.#bucket} is in another region: give the client that region.`;
      return new ConclaveError('failed-precondition', text, { cause });
    }
    if (status === 501 || name === 'NotImplemented') {
      const text = `${this.description} does not offer what is needed (${message}): use Amazon S3, or a server with conditional writes.`;
      return new ConclaveError('unsupported', text, { cause });
    }
    return awsError(error, { what: `${verb} in ${this.description}`, changes, signal, permissions });
  }

  async #connect(): Promise<Connected> {
    const { client, region, endpoint } = this.#options;
    try {
      const sdk = await loadDriver('@aws-sdk/client-s3', () => import('@aws-sdk/client-s3'));
      if (client !== undefined) return { sdk, client };
      const config: S3ClientConfig = {
        ...(region && { region }),
        ...(endpoint && { endpoint, forcePathStyle: true }),
        // Servers that are not Amazon's often do not know its checksums.
        ...{ requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' },
      };
      const own = new OwnAwsClient((more) => new sdk.S3Client({ ...config, ...more }));
      return {
        ...{ sdk, own },
        get client() {
          return own.client;
        },
      };
    } catch (error) {
      this.#connected = undefined;
      throw error;
    }
  }

  get #bucket(): string {
    return this.#options.bucket;
  }
}

/** The object is not there; false where the bucket is not. */
function isAbsent(error: unknown): boolean {
  const { name, status } = describeFailure(error);
  return name !== 'NoSuchBucket' && (name === 'NoSuchKey' || name === 'NotFound' || status === 404);
}
