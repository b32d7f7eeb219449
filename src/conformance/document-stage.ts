/** What a case for a driver works with: keys that nobody used, texts as the engine writes them, two clients. */
import assert from 'node:assert/strict';
import { ConclaveError } from '../errors/index.ts';
import type {
  CallBounds,
  DocumentDriver,
  DocumentKey,
  DocumentWrite,
  FoundDocument,
  StoredDocument,
} from '../stores/documents/driver.ts';
import type { ConformanceCase, Stage } from './stage.ts';

export type Client = 'one' | 'two';

const reading = { changes: false };
const writing = { changes: true };

/** A case for those that give their driver. It throws `NotOffered` where that lacks what it is about. */
export function documentCase(name: string, run: (stage: DocumentStage) => Promise<void>): ConformanceCase {
  return {
    name: `driver: ${name}`,
    skip: (_, { driver }) => (driver === undefined ? 'the target gives no driver' : undefined),
    async run(stage) {
      await using own = new DocumentStage(stage);
      await run(own);
    },
  };
}

/** The driver lacks an optional member: a case does not apply. */
export class NotOffered {
  readonly what: string;

  constructor(what: string) {
    this.what = what;
  }
}

export class DocumentStage implements AsyncDisposable {
  readonly stage: Stage;
  readonly #drivers = new Map<Client, Promise<DocumentDriver>>();
  #made = 0;
  #writes = 0;

  constructor(stage: Stage) {
    this.stage = stage;
  }

  driver(client: Client = 'one'): Promise<DocumentDriver> {
    const opened = this.#drivers.get(client) ?? this.#open();
    this.#drivers.set(client, opened);
    return opened;
  }

  /** @throws NotOffered */
  async member<K extends 'list' | 'readMany' | 'renewMany' | 'changes' | 'prepare'>(
    name: K,
    client?: Client,
  ): Promise<NonNullable<DocumentDriver[K]>> {
    const driver = await this.driver(client);
    const member = driver[name];
    if (member === undefined) throw new NotOffered(`the driver has no ${name}`);
    return member.bind(driver) as NonNullable<DocumentDriver[K]>;
  }

  bounds(): CallBounds {
    return { signal: this.stage.signal(), timeoutMs: this.stage.patienceMs };
  }

  key(kind: 'election' | 'session'): DocumentKey {
    this.#made += 1;
    if (kind === 'election') return { kind, name: `${this.stage.name}/${this.#made} é` };
    const [, unique = ''] = /-([0-9a-f]+)$/.exec(this.stage.name) ?? [];
    return { kind, name: `${unique}${this.#made.toString(16)}`.padEnd(32, 'f') };
  }

  /** As the engine's: JSON, and another one each time. */
  text({ kind }: DocumentKey, content = 'holder'): string {
    this.#made += 1;
    const envelope = { conclave: 1, write: `${this.stage.name}-${this.#made}` };
    if (kind === 'session')
      return JSON.stringify({ ...envelope, holder: content, ttlMs: 60_000, renewals: this.#made });
    const leader = { session: '0'.repeat(32), holder: content, token: this.#made, metadata: content };
    return JSON.stringify({ ...envelope, version: this.#made, leader, waiting: [] });
  }

  async read(
    key: DocumentKey,
    client?: Client,
    { asTold }: Pick<CallBounds, 'asTold'> = {},
  ): Promise<StoredDocument | undefined> {
    const driver = await this.driver(client);
    const found = await this.#answered('read', () => driver.read(key, { ...this.bounds(), asTold }), reading);
    return this.document('read', found);
  }

  async stands(key: DocumentKey, { text, version }: StoredDocument, client?: Client): Promise<void> {
    const found = await this.read(key, client);
    assert.deepEqual(
      { text: found?.text, version: found?.version },
      { text, version },
      'another document stands there than the one that was written last',
    );
  }

  /** As the driver answers: undefined is that nothing was written. */
  async write(
    key: DocumentKey,
    text: string,
    replaces: string | undefined,
    client?: Client,
    more: Partial<DocumentWrite> = {},
  ): Promise<string | undefined> {
    const driver = await this.driver(client);
    const write = { ...ttlOf(key), ...more, replaces };
    // By turns, since the engine sends all that it writes by `prepare` where there is one.
    this.#writes += 1;
    const prepare = this.#writes % 2 === 0 ? undefined : driver.prepare?.bind(driver);
    const send = async () =>
      prepare === undefined
        ? await driver.write(key, text, write, this.bounds())
        : await prepare(key, text, write)(this.bounds());
    const version = await this.#answered('write', send, writing);
    if (version !== undefined) this.version('write', version);
    return version;
  }

  /** Made ready now, to be sent once. @throws NotOffered */
  async prepared(
    key: DocumentKey,
    replaces: string | undefined,
    text = this.text(key),
  ): Promise<() => Promise<string | undefined>> {
    const prepare = await this.member('prepare');
    const write = { ...ttlOf(key), replaces };
    let ready: ReturnType<typeof prepare> | undefined = prepare(key, text, write);
    return async () => {
      const sending = async () => {
        const send = ready ?? prepare(key, text, write);
        ready = undefined;
        return await send(this.bounds());
      };
      const version = await this.#answered('what prepare gave', sending, writing);
      return version === undefined ? undefined : this.version('prepare', version);
    };
  }

  async written(
    key: DocumentKey,
    text: string,
    replaces?: string,
    client?: Client,
    more?: Partial<DocumentWrite>,
  ): Promise<string> {
    const version = await this.write(key, text, replaces, client, more);
    const what = replaces === undefined ? 'no document is there' : 'the version that stands was named';
    assert(version !== undefined, `write gave undefined, though ${what}: ${JSON.stringify(key.name)}`);
    return version;
  }

  async notWritten(
    key: DocumentKey,
    replaces: string | undefined,
    what: string,
    client?: Client,
  ): Promise<void> {
    const version = await this.write(key, this.text(key), replaces, client);
    assert.equal(version, undefined, `${what}: write must give undefined, and nothing be changed`);
  }

  async removed(key: DocumentKey, version: string, client?: Client): Promise<boolean> {
    const driver = await this.driver(client);
    const removed = await this.#answered('remove', () => driver.remove(key, version, this.bounds()), writing);
    assert(typeof removed === 'boolean', `remove must give true or false, not ${String(removed)}`);
    return removed;
  }

  /** Of a list, or of those read or renewed at once. */
  async many<T>(
    what: 'list' | 'readMany' | 'renewMany',
    call: () => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    const found = await this.#answered(what, call, what === 'renewMany' ? writing : reading);
    assert(Array.isArray(found), `${what} must give an array`);
    return found;
  }

  document(what: string, found: FoundDocument): StoredDocument | undefined {
    if (found === undefined) return undefined;
    if (ConclaveError.is(found)) throw found;
    assert(typeof found === 'object' && found !== null, `${what} must give a document or undefined`);
    assert(typeof found.text === 'string', `${what} must give the text as a text`);
    this.version(what, found.version);
    return found;
  }

  version(what: string, version: unknown): string {
    const given = `${String(version)} (${typeof version})`;
    assert(
      typeof version === 'string' && version !== '',
      `${what} must give the version as a text, not ${given}`,
    );
    return version;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const opening of this.#drivers.values()) {
      const driver = await opening.catch(() => undefined);
      await driver?.[Symbol.asyncDispose]();
    }
  }

  async #open(): Promise<DocumentDriver> {
    const driver = await this.stage.target.driver?.();
    assert(driver !== undefined);
    await this.#answered('open', async () => driver.open?.(this.bounds()), reading);
    return driver;
  }

  /**
   * A busy machine breaks connections: what failed without effect is tried again, as `documentStore` does. Where it is
   * not known whether a write was carried out the case can say nothing, and is begun anew by who runs it.
   */
  async #answered<T>(what: string, call: () => Promise<T>, { changes }: { changes: boolean }): Promise<T> {
    const untilMs = this.stage.nowMs() + this.stage.patienceMs;
    for (;;) {
      try {
        return await this.stage.within(call(), what);
      } catch (error) {
        const again = ConclaveError.is(error) && error.retryable && !(changes && error.outcome === 'unknown');
        if (!again || this.stage.nowMs() > untilMs) throw error;
        await this.stage.pass(20);
      }
    }
  }
}

function ttlOf({ kind }: DocumentKey): Partial<DocumentWrite> {
  return kind === 'session' ? { ttlMs: 60_000, keepMs: 600_000 } : {};
}
