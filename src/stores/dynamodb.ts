/**
 * A DynamoDB table of the user's as a lease store: one item for each election and each session, replaced only while it
 * has the version that was read.
 *
 * Guarantees: each write carries an id of its own, so a write that the SDK sent twice, and whose second sending was
 * refused because of the first, is known to have been carried out; reads are strongly consistent; no clock of
 * Amazon's or of this machine decides who leads.
 *
 * Must not: use DynamoDB's expiry of items for anything but tidying up, since it comes days late; write without a
 * condition; run on a global table whose regions agree only later.
 */
import type { AttributeValue, DynamoDBClient, DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime, type Runtime } from '../runtime/index.ts';
import { pause } from '../runtime/pause.ts';
import { awsError, describeFailure, OwnAwsClient } from './amazon.ts';
import type {
  CallBounds,
  DocumentDriver,
  DocumentKey,
  DocumentWrite,
  FoundDocument,
  StoredDocument,
} from './documents/driver.ts';
import { checkOptions, documentStore, documentStoreOptionNames, foundOrForeign } from './documents/index.ts';
import { checkTable, checkTableName, howToMake, loadDynamodb } from './dynamodb/table.ts';

export { createDynamodbTable } from './dynamodb/table.ts';

/** A `DynamoDBClient`, or anything with its `send`. */
export type DynamodbClient = Pick<DynamoDBClient, 'send'>;

export interface DynamodbStoreOptions {
  /** Your own, configured as you like; it stays open. Default: one of the store's, made of what is next. */
  readonly client?: DynamodbClient | undefined;
  /** Default: as the SDK finds it (AWS_REGION, the profile). Credentials come as the SDK finds them, too. */
  readonly region?: string | undefined;
  /** `http://localhost:8000` for a server that is not Amazon's. */
  readonly endpoint?: string | undefined;
  /** Its partition key is the text `id`, and it has no sort key. Default 'conclave'. */
  readonly table?: string | undefined;
  /** Of the items' keys: a table can carry several stores. 1 to 100 of A-Z, a-z, 0-9, '.', '_', '-'. Default 'conclave'. */
  readonly prefix?: string | undefined;
  /** For a call with all its retries. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** How often who waits looks. Default 1000. */
  readonly pollMs?: number | undefined;
  /** Default: this machine. */
  readonly runtime?: Runtime | undefined;
}

type Sdk = typeof import('@aws-sdk/client-dynamodb');
type Item = Record<string, AttributeValue>;
interface Connected {
  readonly sdk: Sdk;
  readonly client: DynamodbClient;
  readonly own?: OwnAwsClient<DynamoDBClient>;
}

const permissions =
  'dynamodb:DescribeTable, dynamodb:GetItem, dynamodb:BatchGetItem, dynamodb:PutItem and dynamodb:DeleteItem on the table';
/** Deletion by DynamoDB goes by the clock of the machine that wrote: no clock is this wrong. */
const clockErrorMs = 24 * 3600 * 1000;

const optionNames = ['client', 'region', 'endpoint', 'table', 'prefix', ...documentStoreOptionNames];

/** @throws ConclaveError 'invalid-argument' for an unusable table name, prefix or duration. */
export function dynamodbStore(options: DynamodbStoreOptions = {}): LeaseStore {
  checkOptions('The options of dynamodbStore', options, optionNames);
  const { timeoutMs, pollMs, runtime } = options;
  return documentStore(dynamodbDriver(options), { timeoutMs, pollMs, runtime });
}

/** @internal for tests */
export function dynamodbDriver(options: DynamodbStoreOptions = {}): DocumentDriver {
  return new DynamodbDriver(options, options.runtime ?? nodeRuntime());
}

class DynamodbDriver implements DocumentDriver {
  readonly description: string;
  readonly traits = {
    consistency: 'linearizable',
    note: 'in one region, or on a global table with strong consistency between regions; a restored table takes tokens back',
    // A request takes about 10 ms, one that the SDK repeats some hundred; renewals come every third of the TTL.
    minTtlMs: 1000,
    ownsClock: false,
    // It forgets days later, which no caller could count on.
    forgets: false,
  } as const;
  readonly #table: string;
  readonly #prefix: string;
  readonly #runtime: Runtime;
  readonly #options: DynamodbStoreOptions;
  #connected: Promise<Connected> | undefined;

  constructor(options: DynamodbStoreOptions, runtime: Runtime) {
    const { client, table = 'conclave', prefix = 'conclave' } = options;
    if (client !== undefined && typeof client?.send !== 'function') {
      throw new ConclaveError('invalid-argument', 'client must have send(command), as DynamoDBClient has.');
    }
    if (typeof prefix !== 'string' || !/^[\w.-]{1,100}$/.test(prefix)) {
      const message = `prefix must be 1 to 100 letters, digits, ".", "_" or "-", not ${JSON.stringify(prefix)}.`;
      throw new ConclaveError('invalid-argument', message);
    }
    this.#table = checkTableName(table);
    this.#prefix = prefix;
    this.#runtime = runtime;
    this.#options = options;
    this.description = `DynamoDB table ${table}`;
  }

  async open(bounds: CallBounds): Promise<void> {
    const what = `Looking at ${this.description}`;
    const TableName = this.#table;
    const { Table } = await this.#send(what, false, bounds, ({ sdk, client }, options) =>
      client.send(new sdk.DescribeTableCommand({ TableName }), options),
    );
    checkTable(this.#table, Table);
  }

  async read(key: DocumentKey, bounds: CallBounds): Promise<StoredDocument | undefined> {
    const input = { TableName: this.#table, Key: this.#keyOf(key), ConsistentRead: true };
    const { Item } = await this.#send(
      `Reading in ${this.description}`,
      false,
      bounds,
      ({ sdk, client }, options) => client.send(new sdk.GetItemCommand(input), options),
    );
    return this.#stored(Item);
  }

  async readMany(keys: readonly DocumentKey[], bounds: CallBounds): Promise<readonly FoundDocument[]> {
    const found = new Map<string, FoundDocument>();
    let left = [...new Set(keys.map((key) => this.#idOf(key)))].map((id): Item => ({ id: { S: id } }));
    for (let pauseMs = 20; left.length > 0; pauseMs *= 2) {
      const input = { RequestItems: { [this.#table]: { Keys: left, ConsistentRead: true } } };
      const what = `Reading in ${this.description}`;
      const answer = await this.#send(what, false, bounds, ({ sdk, client }, options) =>
        client.send(new sdk.BatchGetItemCommand(input), options),
      );
      for (const item of answer.Responses?.[this.#table] ?? [])
        found.set(
          item.id?.S ?? '',
          foundOrForeign(() => this.#stored(item)),
        );
      // Amazon leaves out what was throttled, or was too much for one answer.
      const before = left.length;
      left = answer.UnprocessedKeys?.[this.#table]?.Keys ?? [];
      if (left.length > 0 && left.length === before)
        await pause(this.#runtime.timers, pauseMs, bounds.signal);
      if (bounds.signal.aborted) throw ConclaveError.aborted(what, bounds.signal);
    }
    return keys.map((key) => found.get(this.#idOf(key)));
  }

  async write(
    key: DocumentKey,
    text: string,
    { replaces, keepMs }: DocumentWrite,
    bounds: CallBounds,
  ): Promise<string | undefined> {
    const version = Buffer.from(this.#runtime.random.bytes(12)).toString('hex');
    const expires = keepMs && Math.ceil((this.#runtime.clock.wallMs() + keepMs + clockErrorMs) / 1000);
    const Item: Item = {
      ...this.#keyOf(key),
      ...{ version: { S: version }, text: { S: text } },
      ...(expires && { expires: { N: String(expires) } }),
    };
    const condition = replaces === undefined ? absent : isVersion(replaces);
    const input = { ...condition, TableName: this.#table, Item };
    const what = `Writing in ${this.description}`;
    try {
      await this.#send(what, true, bounds, ({ sdk, client }, options) =>
        client.send(new sdk.PutItemCommand(input), options),
      );
      return version;
    } catch (error) {
      const refused = refusal(error);
      if (refused === undefined) throw error;
      if (refused.attempts === 1) return undefined;
      // The SDK sent it again because it heard no answer: what stands in the way may be the first sending.
      const standing = refused.item ? this.#stored(refused.item) : await this.read(key, bounds);
      if (standing?.version === version) return version;
      const message = `${what} was sent again and refused; whether the first sending was carried out is not known.`;
      throw new ConclaveError('unavailable', message, { outcome: 'unknown', retryable: true, cause: error });
    }
  }

  async remove(key: DocumentKey, version: string, bounds: CallBounds): Promise<boolean> {
    const input = { ...isVersion(version), TableName: this.#table, Key: this.#keyOf(key) };
    try {
      await this.#send(`Removing in ${this.description}`, true, bounds, ({ sdk, client }, options) =>
        client.send(new sdk.DeleteItemCommand(input), options),
      );
      return true;
    } catch (error) {
      // Also where an earlier sending of the SDK removed it: nothing of that version stands there.
      if (refusal(error) !== undefined) return false;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const connected = await this.#connected?.catch(() => undefined);
    connected?.own?.close();
  }

  async #send<T>(
    what: string,
    changes: boolean,
    { signal }: CallBounds,
    call: (connected: Connected, options: { readonly abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    this.#connected ??= this.#connect();
    const connected = await this.#connected;
    try {
      return await call(connected, { abortSignal: signal });
    } catch (error) {
      connected.own?.failed(error);
      const { name, message } = describeFailure(error);
      if (name === 'ConditionalCheckFailedException') throw error;
      if (name === 'ResourceNotFoundException') {
        const text = `${this.description} is not there. ${howToMake(this.#table)}`;
        throw new ConclaveError('failed-precondition', text, { cause: error });
      }
      if (name === 'ValidationException' && /size/i.test(message)) {
        throw new ConclaveError('too-large', `${what}: an item takes 400 KB (${message})`, { cause: error });
      }
      throw awsError(error, { what, changes, signal, permissions });
    }
  }

  async #connect(): Promise<Connected> {
    const { client, region, endpoint } = this.#options;
    try {
      const sdk = await loadDynamodb();
      const config: DynamoDBClientConfig = { ...(region && { region }), ...(endpoint && { endpoint }) };
      if (client !== undefined) return { sdk, client };
      const own = new OwnAwsClient((more) => new sdk.DynamoDBClient({ ...config, ...more }));
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

  /** @throws 'data-incompatible' for an item that something else put there. */
  #stored(item: Item | undefined): StoredDocument | undefined {
    if (item === undefined) return undefined;
    const { id, version, text } = item;
    if (version?.S !== undefined && text?.S !== undefined) return { version: version.S, text: text.S };
    const message = `The item ${JSON.stringify(id?.S)} of ${this.description} was not written by Conclave, and is left as it is: use another table or prefix.`;
    throw new ConclaveError('data-incompatible', message);
  }

  #idOf({ kind, name }: DocumentKey): string {
    return `${this.#prefix}/${kind}/${name}`;
  }

  #keyOf(key: DocumentKey): { readonly id: { readonly S: string } } {
    return { id: { S: this.#idOf(key) } };
  }
}

const showStanding = { ReturnValuesOnConditionCheckFailure: 'ALL_OLD' } as const;
const absent = { ...showStanding, ConditionExpression: 'attribute_not_exists(id)' };

function isVersion(version: string) {
  return {
    ...showStanding,
    ConditionExpression: '#version = :version',
    ExpressionAttributeNames: { '#version': 'version' },
    ExpressionAttributeValues: { ':version': { S: version } },
  };
}

/** The condition did not hold; `item`: what stands there, from servers that show it. */
function refusal(error: unknown): { readonly attempts: number; readonly item: Item | undefined } | undefined {
  const { name, attempts } = describeFailure(error);
  if (name !== 'ConditionalCheckFailedException') return undefined;
  return { attempts, item: (error as { Item?: Item }).Item };
}
