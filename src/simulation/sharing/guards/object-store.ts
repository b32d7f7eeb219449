import { createHash } from 'node:crypto';
import type { FencedLeadership } from '../../../fencing/index.ts';
import type { ObjectCommands } from '../../../fencing/s3/commands.ts';
import { FencedObject, type ObjectClient } from '../../../fencing/s3/fenced-object.ts';
import { untilAborted } from '../../../fencing/until-aborted.ts';
import type { Process } from '../../world/process.ts';
import type { Draw } from '../../world/random.ts';
import {
  type CallOptions,
  decodeEntries,
  encodeEntries,
  type Guarded,
  type GuardServer,
  resource,
  type ServerParts,
} from './guarded.ts';
import { NoAnswer, NotSimulated, Wire } from './wire.ts';

interface StoredObject {
  readonly etag: string;
  readonly body: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
}

interface Input {
  readonly Key: string;
  readonly IfMatch?: string;
  readonly IfNoneMatch?: string;
  readonly Body?: Uint8Array;
  readonly Metadata?: Readonly<Record<string, string>>;
}

class Command {
  readonly input: Input;

  constructor(input: Input) {
    this.input = input;
  }
}

class GetObjectCommand extends Command {}
class PutObjectCommand extends Command {}

/** What the commands carry is all that the store looks at. */
const commands = async (): Promise<ObjectCommands> =>
  ({ GetObjectCommand, PutObjectCommand }) as unknown as ObjectCommands;

const sdkAttempts = 3;
const mebibyte = 2 ** 20;

/** As S3: writes replace the object whole, in one step; the ETag is a digest of the body, so equal bodies share one. */
export class ObjectStore implements GuardServer {
  readonly #parts: ServerParts;
  readonly #wire: Wire;
  readonly #objects = new Map<string, StoredObject>();

  constructor(parts: ServerParts) {
    this.#parts = parts;
    const { world, random, faults, reports } = parts;
    this.#wire = new Wire({ world, random: random.fork('wire'), faults, reports });
  }

  connect(process: Process, random: Draw): Guarded {
    const send = (command: Command, { abortSignal }: { abortSignal?: AbortSignal }) =>
      untilAborted(this.#send(process, command), abortSignal);
    const client = { send } as unknown as ObjectClient;
    return new GuardedObject(client, process, random);
  }

  /** As the SDK: it sends again what had no answer, and says in its error how often it sent. */
  async #send(process: Process, command: Command): Promise<unknown> {
    const what = `${command instanceof PutObjectCommand ? 'PUT' : 'GET'} ${command.input.Key}`;
    for (let attempts = 1; ; attempts++) {
      try {
        return await this.#wire.call(process, what, () => this.#handle(command));
      } catch (error) {
        const failure = describe(error);
        const again = failure.status === undefined || failure.status >= 500;
        if (again && attempts < sdkAttempts) continue;
        throw Object.assign(new Error(failure.message), {
          name: failure.name,
          $metadata: {
            attempts,
            ...(failure.status === undefined ? {} : { httpStatusCode: failure.status }),
          },
        });
      }
    }
  }

  #handle(command: Command): unknown {
    const { Key, IfMatch, IfNoneMatch, Body = new Uint8Array(0), Metadata = {} } = command.input;
    const present = this.#objects.get(Key);
    if (this.#wire.chance(0.01)) throw new StoreError('SlowDown', 503);
    if (command instanceof GetObjectCommand) {
      if (present === undefined) throw new StoreError('NoSuchKey', 404);
      const { body, etag, metadata } = present;
      return { Body: { transformToByteArray: async () => body }, ETag: etag, Metadata: metadata };
    }
    const conditional = IfMatch !== undefined || IfNoneMatch !== undefined;
    if (conditional && this.#wire.chance(0.02)) throw new StoreError('ConditionalRequestConflict', 409);
    if (IfMatch !== undefined && present === undefined) throw new StoreError('NoSuchKey', 404);
    if (IfMatch !== undefined && IfMatch !== present?.etag) throw new StoreError('PreconditionFailed', 412);
    if (IfNoneMatch === '*' && present !== undefined) throw new StoreError('PreconditionFailed', 412);
    if (Body.length > mebibyte) throw new NotSimulated('The simulated store takes small objects only.');
    const etag = `"${createHash('md5').update(Body).digest('hex')}"`;
    this.#objects.set(Key, { etag, body: Body, metadata: Metadata });
    this.#changed(Body);
    return { ETag: etag };
  }

  /** The guard's line comes before the data. */
  #changed(body: Uint8Array): void {
    const text = new TextDecoder().decode(body);
    this.#parts.reports.guardedChanged(resource, decodeEntries(text.slice(text.indexOf('\n') + 1)));
  }
}

class StoreError extends Error {
  readonly status: number;

  constructor(name: string, status: number) {
    super(name);
    this.name = name;
    this.status = status;
  }
}

function describe(error: unknown): { name: string; message: string; status: number | undefined } {
  if (error instanceof StoreError) return { name: error.name, message: error.message, status: error.status };
  if (!(error instanceof NoAnswer)) throw error;
  return {
    name: error.how === 'timeout' ? 'TimeoutError' : 'Error',
    message: error.message,
    status: undefined,
  };
}

class GuardedObject implements Guarded {
  readonly #object: FencedObject;
  readonly #random: Draw;

  constructor(client: ObjectClient, { runtime }: Process, random: Draw) {
    this.#object = new FencedObject(client, { bucket: 'bucket', key: resource, runtime }, commands);
    this.#random = random;
  }

  async append(writer: FencedLeadership, entry: string, { signal }: CallOptions): Promise<void> {
    if (this.#random.chance(0.5)) {
      await this.#object.update(writer, ({ data }) => withEntry(data, entry), { signal });
      return;
    }
    const { data, version } = await this.#object.read({ signal });
    await this.#object.write(writer, withEntry(data, entry), { expectedVersion: version, signal });
  }

  async claim(writer: FencedLeadership, { signal }: CallOptions): Promise<void> {
    await this.#object.claim(writer, { signal });
  }

  async read(): Promise<readonly string[]> {
    return entriesOf((await this.#object.read()).data);
  }
}

function entriesOf(data: Uint8Array): string[] {
  return decodeEntries(new TextDecoder().decode(data));
}

function withEntry(data: Uint8Array, entry: string): string {
  return encodeEntries([...entriesOf(data), entry]);
}
