/** A session of this store, as its owner keeps it: opened, renewed and ended, and bound to a connection if asked for. */
import type { SessionConnection, StoreCallOptions } from '../../election/store.ts';
import { ConclaveError } from '../../errors/index.ts';
import type { DriverCalls, Within } from './calling.ts';
import { decodeSession, encodeDocument, place, type SessionDocument } from './documents.ts';
import type { Bond, DocumentKey } from './driver.ts';
import type { RenewalBatches } from './renewals.ts';

/** A session that nobody ends is kept so much longer than it lives, where the service can forget. */
const keptTtls = 10;
const keptAtLeastMs = 3_600_000;

/** A session's document as its owner keeps it. One call at a time. */
export class OwnedSession {
  readonly id: string;
  readonly ttlMs: number;
  readonly holder: string;
  /** Of one that is bound. It is not bound again once it broke: the session ends. */
  readonly connection?: SessionConnection;
  readonly #calls: DriverCalls;
  readonly #renewals: RenewalBatches;
  readonly #bond: Bond | undefined;
  #document: SessionDocument;
  #version: string | undefined;
  /** Renewals in the newest content of it that was seen to stand. */
  #confirmed = -1;
  /** From when the last renewal that is known to have arrived was sent: until then others let it live. */
  #aliveUntilMs = 0;
  #gone = false;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(
    calls: DriverCalls,
    renewals: RenewalBatches,
    id: string,
    document: SessionDocument,
    bond?: Bond,
  ) {
    this.#bond = bond;
    this.#calls = calls;
    this.#renewals = renewals;
    this.id = id;
    this.ttlMs = document.ttlMs;
    this.holder = document.holder;
    this.#document = document;
    if (bond !== undefined && document.bond !== undefined)
      this.connection = connectionOf(bond, document.bond.graceMs, () => this.#unbound());
  }

  /** By our own clock, which began before the service's: when it says so, others may think so too. */
  get over(): boolean {
    return this.#gone || this.#calls.nowMs() >= this.#aliveUntilMs;
  }

  get aliveUntilMs(): number {
    return this.#aliveUntilMs;
  }

  async create(within: Within): Promise<void> {
    const sentMs = this.#calls.nowMs();
    this.#version = await this.#write(undefined, within);
    if (this.#version === undefined) {
      throw new ConclaveError('already-exists', `Session ${this.id} exists already: open another.`, {
        retryable: true,
      });
    }
    this.#confirmed = 0;
    this.#aliveUntilMs = sentMs + this.ttlMs;
    if (this.#bond?.broken.aborted) this.#unbound();
  }

  /** @throws 'lease-lost' */
  renew(options: StoreCallOptions = {}): Promise<void> {
    const within = this.#calls.within('Renewing a session', options);
    return this.#inTurn(async () => {
      for (;;) {
        if (this.over) throw this.lost();
        // It may have waited for its turn longer than anybody waits for it.
        if (within.signal?.aborted) throw ConclaveError.aborted('Renewing a session', within.signal);
        const sentMs = this.#calls.nowMs();
        this.#document = { ...this.#document, renewals: this.#document.renewals + 1 };
        const version = await this.#write(this.#version, within);
        if (version !== undefined) {
          this.#version = version;
          this.#confirmed = this.#document.renewals;
          // Whatever ended the connection: nothing that it answered came after its end.
          if (this.#bond !== undefined) await this.#calls.share(this.#bond.confirm(), within);
          if (this.#bond?.broken.aborted) throw this.#broken();
          this.#aliveUntilMs = sentMs + this.ttlMs;
          return;
        }
        await this.#readAgain(within);
      }
    });
  }

  /** Ends it for everybody. Resolves also where it was over. */
  end(options: StoreCallOptions = {}): Promise<void> {
    return this.#end(options).finally(() => this.#bond?.end());
  }

  #end(options: StoreCallOptions): Promise<void> {
    const within = this.#calls.within('Closing a session', options);
    return this.#inTurn(async () => {
      this.#aliveUntilMs = 0;
      while (!this.#gone) {
        if (
          this.#version !== undefined &&
          (await this.#calls.remove(keyOf(this.id), this.#version, within))
        ) {
          this.#gone = true;
          return;
        }
        await this.#readAgain(within).catch((error: unknown) => {
          if (!ConclaveError.is(error, 'lease-lost')) throw error;
        });
      }
    });
  }

  /** Others may take it for over after its grace, if they take the break for ours. */
  #unbound(): void {
    const graceMs = this.#document.bond?.graceMs ?? 0;
    this.#aliveUntilMs = Math.min(this.#aliveUntilMs, this.#calls.nowMs() + graceMs);
  }

  #broken(): ConclaveError {
    const message = `The connection that session ${this.id} of ${this.holder} is bound to broke.`;
    return new ConclaveError('unavailable', message, { retryable: true, outcome: 'unknown' });
  }

  lost(): ConclaveError {
    return new ConclaveError(
      'lease-lost',
      `The session ${this.id} of ${this.holder} has run out or was closed: open another.`,
    );
  }

  /**
   * An earlier write, whose answer was lost, may stand there: only the owner writes, so it is ours. What is older than
   * what stood there already is the request that opened the session, repeated on its way after others had ended it.
   */
  async #readAgain(within: Within): Promise<void> {
    const stored = await this.#calls.read(keyOf(this.id), within);
    const where = place(this.#calls.driver.description, keyOf(this.id));
    const renewals = stored && decodeSession(stored.text, where).renewals;
    const isOlder =
      renewals !== undefined && renewals <= this.#confirmed && stored?.version !== this.#version;
    if (stored === undefined || renewals === undefined || isOlder) {
      this.#gone = true;
      throw this.lost();
    }
    this.#confirmed = renewals;
    this.#version = stored.version;
  }

  #write(replaces: string | undefined, within: Within): Promise<string | undefined> {
    const { ttlMs, renewals } = this.#document;
    const keepMs = Math.max(ttlMs * keptTtls, keptAtLeastMs);
    const text = encodeDocument(this.#document, `${this.id}-${renewals}`);
    const key = keyOf(this.id);
    if (replaces === undefined) return this.#calls.write(key, text, { replaces, ttlMs, keepMs }, within);
    return this.#renewals.renew({ key, text, replaces, ttlMs, keepMs }, within);
  }

  #inTurn<T>(call: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(call, call);
    this.#queue = result.catch(() => {});
    return result;
  }
}

function connectionOf({ broken }: Bond, graceMs: number, onBreak: () => void): SessionConnection {
  broken.addEventListener('abort', onBreak, { once: true });
  return {
    graceMs,
    subscribe: (listener) => {
      const tell = () => listener('broken');
      listener(broken.aborted ? 'broken' : 'attached');
      broken.addEventListener('abort', tell, { once: true });
      return () => broken.removeEventListener('abort', tell);
    },
  };
}

export function keyOf(id: string): DocumentKey {
  return { kind: 'session', name: id };
}
