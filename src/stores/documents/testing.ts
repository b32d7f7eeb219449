/** Documents in memory, for tests of the engine: like a service, with faults. */
import { ConclaveError } from '../../errors/index.ts';
import type { Runtime } from '../../runtime/types.ts';
import type {
  CallBounds,
  DocumentChange,
  DocumentDriver,
  DocumentKey,
  DocumentTraits,
  DocumentWrite,
  StoredDocument,
} from './driver.ts';

interface Row {
  readonly kind: DocumentKey['kind'];
  readonly name: string;
  text: string;
  version: string;
  expiresAtMs: number;
}

export interface MemoryServiceOptions {
  readonly runtime: Runtime;
  readonly ownsClock: boolean;
  readonly tells: boolean;
  readonly many: boolean;
  /** Tells who came to lead, too. */
  readonly tellsLed?: boolean | undefined;
  /** Anybody may tell. */
  readonly open?: boolean | undefined;
}

export class MemoryService {
  readonly rows = new Map<string, Row>();
  readonly options: MemoryServiceOptions;
  readonly #listeners = new Set<(change: DocumentChange) => void>();
  /** The service's own clock runs beside ours by so much. */
  clockOffsetMs = 0;
  requests = 0;
  #version = 0;
  /**
   * What is to become of the next writes. `lost`: carried out, unanswered. `late`: not yet, and unanswered. `twice`:
   * carried out and answered, and to come again. undefined: nothing.
   */
  readonly writes: ('lost' | 'late' | 'twice' | undefined)[] = [];
  readonly late: (() => void)[] = [];
  down = false;

  constructor(options: MemoryServiceOptions) {
    this.options = options;
  }

  nowMs(): number {
    return this.options.runtime.clock.monotonicMs() + this.clockOffsetMs;
  }

  read(key: DocumentKey): StoredDocument | undefined {
    const row = this.rows.get(rowKey(key));
    if (row === undefined) return undefined;
    const { text, version, expiresAtMs } = row;
    if (!this.options.ownsClock || expiresAtMs === Number.POSITIVE_INFINITY) return { text, version };
    return { text, version, leftMs: expiresAtMs - this.nowMs() };
  }

  write(key: DocumentKey, text: string, { replaces, ttlMs, leads }: DocumentWrite): string | undefined {
    const id = rowKey(key);
    if (this.rows.get(id)?.version !== replaces) return undefined;
    this.#version += 1;
    const expiresAtMs = ttlMs === undefined ? Number.POSITIVE_INFINITY : this.nowMs() + ttlMs;
    const row = { kind: key.kind, name: key.name, text, version: `v${this.#version}`, expiresAtMs };
    this.rows.set(id, row);
    this.tell(this.options.tellsLed ? { ...key, led: leads } : key);
    return row.version;
  }

  remove(key: DocumentKey, version: string): boolean {
    const id = rowKey(key);
    if (this.rows.get(id)?.version !== version) return false;
    this.rows.delete(id);
    this.tell(key);
    return true;
  }

  /** As an outsider would. */
  wipe(key: DocumentKey): void {
    this.rows.delete(rowKey(key));
    this.tell(key);
  }

  tell(change: DocumentChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  listen(listener: (change: DocumentChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  driver(): DocumentDriver {
    return new MemoryDriver(this);
  }
}

class MemoryDriver implements DocumentDriver {
  readonly description = 'documents in memory';
  readonly traits: DocumentTraits;
  readonly readMany?: NonNullable<DocumentDriver['readMany']>;
  readonly renewMany?: NonNullable<DocumentDriver['renewMany']>;
  readonly changes?: NonNullable<DocumentDriver['changes']>;
  readonly list?: NonNullable<DocumentDriver['list']>;
  readonly #service: MemoryService;

  constructor(service: MemoryService) {
    this.#service = service;
    const { ownsClock, tells, many, open } = service.options;
    this.traits = {
      consistency: 'linearizable',
      note: 'in one process',
      minTtlMs: 100,
      ownsClock,
      forgets: ownsClock,
      changesAreOpen: open,
    };
    if (tells) this.changes = (signal) => this.#changes(signal);
    if (!many) return;
    this.renewMany = async (renewals) => {
      await this.#request();
      return renewals.map(({ key, text, ...write }) => service.write(key, text, write));
    };
    this.readMany = async (keys) => {
      await this.#request();
      return keys.map((key) => service.read(key));
    };
    this.list = async (prefix) => {
      await this.#request();
      const rows = [...service.rows.values()];
      return rows.flatMap(({ kind, name }) => (kind === 'election' && name.startsWith(prefix) ? [name] : []));
    };
  }

  async read(key: DocumentKey): Promise<StoredDocument | undefined> {
    await this.#request();
    return this.#service.read(key);
  }

  async write(key: DocumentKey, text: string, write: DocumentWrite, bounds: CallBounds) {
    return await this.#write(() => this.#service.write(key, text, write), bounds);
  }

  async remove(key: DocumentKey, version: string, bounds: CallBounds): Promise<boolean> {
    return await this.#write(() => this.#service.remove(key, version), bounds);
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  async #write<T>(write: () => T, { signal }: CallBounds): Promise<T> {
    await this.#request();
    const fate = this.#service.writes.shift();
    if (fate === 'late' || fate === 'twice') this.#service.late.push(write);
    if (fate === undefined || fate === 'twice') return write();
    if (fate === 'lost') write();
    void signal;
    throw new ConclaveError('timeout', 'The answer was lost.', { retryable: true, outcome: 'unknown' });
  }

  async #request(): Promise<void> {
    this.#service.requests += 1;
    await Promise.resolve();
    if (this.#service.down) throw new ConclaveError('unavailable', 'It is down.', { retryable: true });
  }

  async *#changes(signal: AbortSignal): AsyncGenerator<DocumentChange, void, undefined> {
    const queue: DocumentChange[] = ['all'];
    let wake = () => {};
    const end = this.#service.listen((change) => {
      queue.push(change);
      wake();
    });
    try {
      while (!signal.aborted) {
        const change = queue.shift();
        if (change !== undefined) {
          yield change;
          continue;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    } finally {
      end();
    }
  }
}

function rowKey({ kind, name }: DocumentKey): string {
  return `${kind}/${name}`;
}
