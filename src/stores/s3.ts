/**
 * A bucket of the user's as a lease store: one object for each election and each session, replaced only while it has
 * the ETag that was read. For Amazon S3 and servers of its API with conditional writes.
 *
 * Guarantees: a server that ignores conditions is found out before the first write, and refused; each text is unique,
 * so an ETag, which comes from the content, is too; a write that the SDK sent twice, and whose second sending was
 * refused because of the first, is known to have been carried out.
 *
 * Must not: write or delete without a condition what another process may have written; look at a time of day.
 */
import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime, type Runtime } from '../runtime/index.ts';
import type {
  CallBounds,
  DocumentDriver,
  DocumentKey,
  DocumentWrite,
  StoredDocument,
} from './documents/driver.ts';
import { checkOptions, documentStore, documentStoreOptionNames } from './documents/index.ts';
import { beginnings, folderOf, keyOf, metadataOf, nameFrom, nameOf } from './s3/keys.ts';
import { BucketObjects, type ObjectClient, type PutCondition } from './s3/objects.ts';
import { type Findings, probe } from './s3/probe.ts';

export interface S3StoreOptions {
  readonly bucket: string;
  /** Your own `S3Client`, or anything with its `send`; it stays open. Default: one of the store's. */
  readonly client?: ObjectClient | undefined;
  /** Default: as the SDK finds it (AWS_REGION, the profile). Credentials come as the SDK finds them, too. */
  readonly region?: string | undefined;
  /** `http://localhost:9000` for a server that is not Amazon's; the bucket's name goes into the path then. */
  readonly endpoint?: string | undefined;
  /** All objects' keys begin with it. At most 200 characters. Default 'conclave/'. */
  readonly prefix?: string | undefined;
  /** Added to each PutObject, such as `{ ServerSideEncryption: 'aws:kms' }`. */
  readonly put?: Readonly<Partial<PutObjectCommandInput>> | undefined;
  /** For a call with all its retries. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** How often who waits looks. Default 1000. */
  readonly pollMs?: number | undefined;
  /** Default: this machine. */
  readonly runtime?: Runtime | undefined;
}

const optionNames = ['bucket', 'client', 'region', 'endpoint', 'prefix', 'put', ...documentStoreOptionNames];
const readsForAList = 12;
const pageSize = 1000;
const mostTexts = 4000;
const removedMark = '{"conclave":1,"removed":';

/** @throws ConclaveError 'invalid-argument' for a missing bucket, an unusable prefix or duration. */
export function s3Store(options: S3StoreOptions): LeaseStore {
  checkOptions('The options of s3Store', options, optionNames);
  const { timeoutMs, pollMs, runtime } = options;
  return documentStore(s3Driver(options), { timeoutMs, pollMs, runtime });
}

/** @internal for tests */
export function s3Driver(options: S3StoreOptions): DocumentDriver {
  return new S3Driver(options, options.runtime ?? nodeRuntime());
}

class S3Driver implements DocumentDriver {
  readonly description: string;
  readonly traits = {
    consistency: 'linearizable',
    note: 'on Amazon S3, and where conditional writes are atomic and reads see the last write; not across replicated buckets',
    // A write takes some ten to some hundred milliseconds, and Amazon may ask to come more slowly for a second.
    minTtlMs: 2000,
    ownsClock: false,
    forgets: false,
  } as const;
  readonly #objects: BucketObjects;
  readonly #prefix: string;
  readonly #runtime: Runtime;
  /** Of what came in lists, by their ETags. */
  readonly #texts = new Map<string, string>();
  /** How many the last list of each kind had. */
  readonly #counts = { election: 1, session: 1 };
  #findings: Findings = { guardsRemoval: false };

  constructor(options: S3StoreOptions, runtime: Runtime) {
    const { bucket, client, prefix = 'conclave/' } = options;
    if (typeof bucket !== 'string' || bucket === '') {
      throw new ConclaveError('invalid-argument', 'The name of the bucket is missing: s3Store({ bucket }).');
    }
    if (typeof prefix !== 'string' || Buffer.byteLength(prefix) > 200 || /(^|\/)\.{0,2}\//.test(prefix)) {
      const message = `prefix must be at most 200 characters without empty parts, not ${JSON.stringify(prefix)}.`;
      throw new ConclaveError('invalid-argument', message);
    }
    if (client !== undefined && typeof client?.send !== 'function') {
      throw new ConclaveError('invalid-argument', 'client must have send(command), as S3Client has.');
    }
    this.#prefix = prefix;
    this.#runtime = runtime;
    this.description = `s3://${bucket}/${prefix}`;
    this.#objects = new BucketObjects(options, this.description, runtime);
  }

  async open(bounds: CallBounds): Promise<void> {
    const objects = {
      put: async (key: string, body: string, condition: PutCondition) => {
        const put = await this.#objects.put(key, body, condition, bounds);
        return typeof put === 'string' ? put : undefined;
      },
      remove: (key: string, ifMatch: string | undefined) => this.#objects.remove(key, ifMatch, bounds),
    };
    this.#findings = await probe(objects, `${this.#prefix}probe/${this.#uniqueId()}.json`, this.description);
  }

  async read(key: DocumentKey, bounds: CallBounds): Promise<StoredDocument | undefined> {
    const found = await this.#objects.get(keyOf(this.#prefix, key), bounds);
    return found?.text.startsWith(removedMark) ? undefined : found;
  }

  /** Many of a kind come in one list, which costs as much as a dozen reads, and a read for each that has changed. */
  async readMany(
    keys: readonly DocumentKey[],
    bounds: CallBounds,
  ): Promise<readonly (StoredDocument | undefined)[]> {
    const kind = keys[0]?.kind ?? 'counter';
    const each = () => Promise.all(keys.map((key) => this.read(key, bounds)));
    if (kind === 'counter' || keys.some((key) => key.kind !== kind)) return await each();
    const dearer = readsForAList * Math.ceil(this.#counts[kind] / pageSize);
    if (keys.length <= dearer) return await each();
    const listed = await this.#objects.list(folderOf(this.#prefix, kind), bounds);
    this.#counts[kind] = Math.max(1, listed.size);
    return await Promise.all(
      keys.map(async (key) => {
        const version = listed.get(keyOf(this.#prefix, key));
        if (version === undefined) return undefined;
        const text = this.#texts.get(version);
        if (text !== undefined) return { text, version };
        const found = await this.read(key, bounds);
        if (found !== undefined) this.#remember(found);
        return found;
      }),
    );
  }

  async write(
    key: DocumentKey,
    text: string,
    { replaces }: DocumentWrite,
    bounds: CallBounds,
  ): Promise<string | undefined> {
    const path = keyOf(this.#prefix, key);
    const metadata = metadataOf(key);
    const condition = replaces === undefined ? ({ IfNoneMatch: '*' } as const) : { IfMatch: replaces };
    const version = await this.#swap(path, text, condition, bounds, metadata);
    if (version !== undefined || replaces !== undefined) return version;
    // What could not be deleted under a condition was marked instead.
    const standing = await this.#objects.get(path, bounds);
    if (!standing?.text.startsWith(removedMark)) return undefined;
    return await this.#swap(path, text, { IfMatch: standing.version }, bounds, metadata);
  }

  async remove(key: DocumentKey, version: string, bounds: CallBounds): Promise<boolean> {
    const path = keyOf(this.#prefix, key);
    if (this.#findings.guardsRemoval) return await this.#objects.remove(path, version, bounds);
    const mark = `${removedMark}"${this.#uniqueId()}"}`;
    if ((await this.#swap(path, mark, { IfMatch: version }, bounds)) === undefined) return false;
    // A session's object is made once, and no renewal makes it again: so the mark need not stay.
    if (key.kind === 'session') await this.#objects.remove(path, undefined, bounds);
    return true;
  }

  async list(prefix: string, bounds: CallBounds): Promise<readonly string[]> {
    const names: (string | undefined)[] = [];
    for (const beginning of beginnings(this.#prefix, prefix)) {
      for (const key of (await this.#objects.list(beginning, bounds)).keys()) {
        const name = nameOf(this.#prefix, key);
        names.push(typeof name === 'object' ? nameFrom(await this.#objects.metadata(key, bounds)) : name);
      }
    }
    return names.filter((name) => name?.startsWith(prefix)) as string[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#objects.close();
  }

  /** The new ETag; undefined: the condition did not hold, also not by an earlier sending of this very request. */
  async #swap(
    path: string,
    text: string,
    condition: PutCondition,
    bounds: CallBounds,
    metadata?: Record<string, string>,
  ): Promise<string | undefined> {
    const put = await this.#objects.put(path, text, condition, bounds, metadata);
    if (typeof put === 'string') return put;
    if (put.attempts === 1) return undefined;
    // The SDK sent it again because it heard no answer: what stands in the way may be the first sending.
    const standing = await this.#objects.get(path, bounds);
    if (standing?.text === text) return standing.version;
    const message = `Writing in ${this.description} was sent again and refused; whether the first sending was carried out is not known.`;
    throw new ConclaveError('unavailable', message, { outcome: 'unknown', retryable: true });
  }

  /** An ETag is of one content alone. */
  #remember({ text, version }: StoredDocument): void {
    this.#texts.set(version, text);
    const [oldest] = this.#texts.keys();
    if (this.#texts.size > mostTexts && oldest !== undefined) this.#texts.delete(oldest);
  }

  #uniqueId(): string {
    return Buffer.from(this.#runtime.random.bytes(12)).toString('hex');
  }
}
