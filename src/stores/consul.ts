/**
 * Consul's key-value store as a lease store: one key for each election and each session, replaced only while it has the
 * ModifyIndex that was read.
 *
 * Guarantees: a version is a ModifyIndex, which no other content of the key ever had; each write is a transaction that
 * answers with it; reads are confirmed by a majority (`consistent`); changes come by a blocking query on the prefix,
 * which begins anew where Consul's index falls.
 *
 * Must not: use Consul's sessions. Their TTL is at least 10 s and Consul may take twice that; a lock that they lose stays
 * closed for the lock-delay (15 s); by default they end with the node's health check (serfHealth), which a holder that
 * is well cannot prevent; and LockIndex begins anew when the key is deleted, so it is no token. So sessions are keys that
 * are renewed like everywhere else, and who waits judges by a clock of its own.
 */
import type { LeaseStore } from '../election/store.ts';
import { ConclaveError } from '../errors/index.ts';
import { checkNames } from '../errors/option-names.ts';
import { nodeRuntime, type Runtime } from '../runtime/index.ts';
import { pause } from '../runtime/pause.ts';
import { type ConsulAccess, ConsulApi, type Entry } from './consul/api.ts';
import type {
  CallBounds,
  DocumentChange,
  DocumentDriver,
  DocumentKey,
  DocumentWrite,
  StoredDocument,
} from './documents/driver.ts';
import { documentStore, documentStoreOptionNames } from './documents/index.ts';
import { escapeName, unescapeName } from './escaped-names.ts';

export interface ConsulStoreOptions extends ConsulAccess {
  /** Of all keys. Default 'conclave/'. */
  readonly prefix?: string | undefined;
  /** For a call with all its retries. Default 5000. */
  readonly timeoutMs?: number | undefined;
  /** How often who waits looks while Consul cannot tell of changes. Default 1000. */
  readonly pollMs?: number | undefined;
  /** Default: this machine. */
  readonly runtime?: Runtime | undefined;
}

/** A transaction's limit (txn_max_req_len) is 512 KiB of JSON, in which a value is base64. */
const mostBytes = 380_000;
/** Operations in one transaction. */
const readAtATime = 64;
/** A blocking query waits so long at most; Consul adds up to a sixteenth. */
const waitSeconds = 30;
const silenceMs = 45_000;
/** Changes in between come with one answer: it holds all keys under the prefix. */
const restMs = 100;
/** Sessions are forgotten by the clocks of the machines that write and sweep: none is this wrong. */
const clockErrorMs = 86_400_000;
const stale = /index is stale|failed index check|current modify index|doesn't exist/;

/** @throws ConclaveError 'invalid-argument' for a malformed URL, prefix or option. */
export function consulStore(options: ConsulStoreOptions = {}): LeaseStore {
  checkNames('The options of consulStore', options, [
    ...documentStoreOptionNames,
    ...['url', 'token', 'datacenter', 'namespace', 'partition', 'fetch', 'prefix'],
  ]);
  const { timeoutMs = 5000, pollMs = 1000, runtime = nodeRuntime() } = options;
  return documentStore(consulDriver({ ...options, runtime }), { timeoutMs, pollMs, runtime });
}

/** For the tests of what is below the store. */
export function consulDriver(options: ConsulStoreOptions): DocumentDriver {
  return new ConsulDriver(options);
}

class ConsulDriver implements DocumentDriver {
  readonly description: string;
  readonly traits = {
    consistency: 'linearizable',
    note: 'in one datacenter, while a majority of its servers keep what their disks confirmed; a restored snapshot takes tokens back',
    // A renewal is a write to a majority's disks, and Consul's servers take 1 s and more for a new leader by default.
    minTtlMs: 1000,
    ownsClock: false,
    // Keys have no expiry; sessions left over are swept.
    forgets: false,
  } as const;
  readonly #api: ConsulApi;
  readonly #prefix: string;
  readonly #runtime: Runtime;
  readonly #closed = new AbortController();
  #sweeping: Promise<void> | undefined;

  constructor({ prefix = 'conclave/', runtime = nodeRuntime(), ...access }: ConsulStoreOptions) {
    // Nothing that a URL or Consul's own router folds away.
    if (typeof prefix !== 'string' || !/^(?!\.)[\w.-]+(\/(?!\.)[\w.-]+)*\/?$/.test(prefix)) {
      throw new ConclaveError(
        'invalid-argument',
        `prefix must be like 'teams/reports/', of letters, digits, '.', '_' and '-', not ${JSON.stringify(prefix)}.`,
      );
    }
    this.#prefix = prefix.endsWith('/') ? prefix : `${prefix}/`;
    this.#runtime = runtime;
    this.#api = new ConsulApi(access, this.#prefix);
    this.description = this.#api.description;
  }

  async open(bounds: CallBounds): Promise<void> {
    // Who may not read is told now, not when somebody waits.
    await this.#api.get(`${this.#prefix}counter~`, bounds);
    // In nobody's way; where it fails another process does it.
    this.#sweeping ??= this.#sweep().catch(() => {});
  }

  async read(key: DocumentKey, bounds: CallBounds): Promise<StoredDocument | undefined> {
    return stored(await this.#api.get(this.#keyFor(key), bounds));
  }

  async readMany(
    keys: readonly DocumentKey[],
    bounds: CallBounds,
  ): Promise<readonly (StoredDocument | undefined)[]> {
    const wanted = keys.map((key) => this.#keyFor(key));
    const found = new Map<string, Entry>();
    for (let at = 0; at < wanted.length; at += readAtATime) {
      // A tree, since to get a key that is missing fails all; no key is the beginning of another.
      const operations = wanted.slice(at, at + readAtATime).map((Key) => ({ KV: { Verb: 'get-tree', Key } }));
      const { entries } = await this.#api.transact(operations, false, bounds);
      for (const entry of entries ?? []) found.set(entry.Key, entry);
    }
    return wanted.map((key) => stored(found.get(key)));
  }

  async write(
    key: DocumentKey,
    text: string,
    { replaces, keepMs }: DocumentWrite,
    bounds: CallBounds,
  ): Promise<string | undefined> {
    const Value = Buffer.from(text, 'utf8');
    if (Value.length > mostBytes) {
      throw new ConclaveError(
        'too-large',
        `The ${key.kind} ${JSON.stringify(key.name)} in ${this.description} would have more than ${mostBytes} bytes, and Consul takes 512 KiB in one transaction: keep records and metadata small, and the waiters of one election few.`,
      );
    }
    const operation = {
      Verb: 'cas',
      Key: this.#keyFor(key),
      Value: Value.toString('base64'),
      // 0: there must be none.
      Index: replaces === undefined ? 0 : Number(replaces),
      Flags: this.#flags(key.kind === 'session' ? keepMs : undefined),
    };
    const { entries } = await this.#api.transact([{ KV: operation }], true, bounds, stale);
    if (entries?.[0] !== undefined) return String(entries[0].ModifyIndex);
    // Something between may have sent the request twice: then it is this very write that stands there.
    const there = await this.#api.get(operation.Key, bounds);
    const isOurs = there?.Flags === operation.Flags && there.Value === operation.Value;
    return isOurs ? String(there.ModifyIndex) : undefined;
  }

  async remove(key: DocumentKey, version: string, bounds: CallBounds): Promise<boolean> {
    const where = { Key: this.#keyFor(key), Index: Number(version) };
    // Consul's own conditional deletion says yes also where nothing was left to delete.
    const operations = [{ KV: { Verb: 'check-index', ...where } }, { KV: { Verb: 'delete-cas', ...where } }];
    return (await this.#api.transact(operations, true, bounds, stale)).entries !== undefined;
  }

  async list(prefix: string, bounds: CallBounds): Promise<readonly string[]> {
    const keys = await this.#api.keys(`${this.#prefix}election/`, bounds);
    return keys.flatMap((key) => {
      const found = this.#keyOf(key);
      return found?.kind === 'election' && found.name.startsWith(prefix) ? [found.name] : [];
    });
  }

  async *changes(signal: AbortSignal): AsyncGenerator<DocumentChange, void, undefined> {
    let before = new Map<string, number>();
    for (let index = 0; !signal.aborted; ) {
      const answer = await this.#blocking(index, signal);
      const now = new Map(answer.entries.map(({ Key, ModifyIndex }) => [Key, ModifyIndex]));
      // An index that falls belongs to another history: a snapshot was restored, or the servers were made anew.
      const isNew = index === 0 || answer.index < index;
      if (isNew) yield 'all';
      else {
        const changed = new Set([...now, ...before].map(([key]) => key));
        for (const key of changed) {
          const found = now.get(key) === before.get(key) ? undefined : this.#keyOf(key);
          if (found !== undefined) yield found;
        }
      }
      before = now;
      // 0 would not block.
      index = Math.max(1, answer.index);
      await pause(this.#runtime.timers, restMs * (0.5 + this.#runtime.random.unit()), signal, {
        background: true,
      });
    }
  }

  /** A connection that says nothing for longer than Consul waits is given up. */
  async #blocking(index: number, signal: AbortSignal) {
    const silent = new AbortController();
    const timer = this.#runtime.timers.after(silenceMs, () => silent.abort(), { background: true });
    try {
      const bounds = { signal: AbortSignal.any([signal, silent.signal]), timeoutMs: silenceMs };
      return await this.#api.list(this.#prefix, bounds, { index, waitSeconds });
    } finally {
      timer.cancel();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#sweeping;
  }

  /** Ends with a sign that no name has, so that no key is the beginning of another. */
  #keyFor({ kind, name }: DocumentKey): string {
    return kind === 'counter' ? `${this.#prefix}counter~` : `${this.#prefix}${kind}/${escapeName(name)}~`;
  }

  #keyOf(key: string): DocumentKey | undefined {
    if (key === `${this.#prefix}counter~`) return { kind: 'counter', name: '' };
    const [, kind, segment = ''] =
      /^(election|session)\/([^/]+)~$/.exec(key.slice(this.#prefix.length)) ?? [];
    const name = unescapeName(segment);
    if (kind === undefined || name === undefined) return undefined;
    return { kind: kind === 'election' ? 'election' : 'session', name };
  }

  /**
   * Until when it is kept, in seconds, and by chance in the lower 20 bits: Consul leaves the index as it is where a
   * write changes nothing. 0 seconds: it stays.
   */
  #flags(keepMs: number | undefined): number {
    const { clock, random } = this.#runtime;
    const untilMs = keepMs === undefined ? 0 : clock.wallMs() + keepMs + clockErrorMs;
    return Math.ceil(untilMs / 1000) * 2 ** 20 + Math.floor(random.unit() * 2 ** 20);
  }

  async #sweep(): Promise<void> {
    const bounds = { signal: this.#closed.signal, timeoutMs: 30_000 };
    const { entries } = await this.#api.list(`${this.#prefix}session/`, bounds);
    for (const { Key, Flags, ModifyIndex } of entries) {
      const key = this.#keyOf(Key);
      const untilMs = Math.floor(Flags / 2 ** 20) * 1000;
      if (key?.kind !== 'session' || untilMs === 0 || this.#runtime.clock.wallMs() < untilMs) continue;
      await this.remove(key, String(ModifyIndex), bounds);
    }
  }
}

function stored(entry: Entry | undefined): StoredDocument | undefined {
  if (entry === undefined) return undefined;
  return {
    text: Buffer.from(entry.Value ?? '', 'base64').toString('utf8'),
    version: String(entry.ModifyIndex),
  };
}
