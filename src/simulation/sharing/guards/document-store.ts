import type { FencedLeadership } from '../../../fencing/index.ts';
import type { DocumentCollection } from '../../../fencing/mongodb/collection.ts';
import { type FencedDocument, fenced, fencedDocument } from '../../../fencing/mongodb/index.ts';
import type { Process } from '../../world/process.ts';
import type { Draw } from '../../world/random.ts';
import { eventKinds } from '../../world/scheduler.ts';
import { matches, type StoredDocument, updated } from './document-match.ts';
import { DocumentSession, serverError, type Transaction } from './document-session.ts';
import {
  type CallOptions,
  type Guarded,
  type GuardServer,
  readDirectly,
  resource,
  type ServerParts,
} from './guarded.ts';
import { NoAnswer, Wire } from './wire.ts';

/** The server gives up what is open for longer: `transactionLifetimeLimitSeconds`. */
const lifetimeUs = 2_500_000;

interface Options {
  readonly upsert?: boolean;
  readonly session?: DocumentSession;
}

/** One command, with the number by which a server knows that it comes again. */
interface CommandOptions<T> {
  readonly process: Process;
  readonly what: string;
  readonly transaction: Transaction | undefined;
  readonly run: () => T;
}

/**
 * As a replica set of MongoDB whose primary does one command after the other: documents change whole, in one step; a
 * write that the driver sends again is answered as the first time; a transaction reads a snapshot, and one of two that
 * write the same document fails at once.
 */
export class DocumentStore implements GuardServer {
  readonly #parts: ServerParts;
  readonly #wire: Wire;
  /** The driver's `retryWrites`. */
  readonly #retries: boolean;
  readonly #inTransactions: boolean;
  /** Committed, by collection and _id. */
  readonly #documents = new Map<string, StoredDocument>();
  readonly #open = new Set<Transaction>();
  readonly #answers = new Map<number, () => unknown>();
  #commands = 0;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    const { world, random, faults, reports } = parts;
    this.#wire = new Wire({ world, random: random.fork('wire'), faults, reports });
    this.#wire.onDown = () => this.#open.clear();
    this.#retries = random.chance(0.7);
    this.#inTransactions = random.chance(0.4);
  }

  connect(process: Process, random: Draw): Guarded {
    const fences = this.#collection(process, 'fences');
    const ledgers = this.#collection(process, 'ledgers');
    const startSession = () =>
      new DocumentSession({
        pause: (ms) => new Promise((resolve) => process.runtime.timers.after(ms, resolve)),
        begin: () => this.#begin(),
        commit: (transaction) => this.#end(process, transaction, 'commit'),
        abort: (transaction) => this.#end(process, transaction, 'abort'),
      });
    if (!this.#inTransactions) {
      const document = fencedDocument(ledgers, { id: resource, runtime: process.runtime });
      return new GuardedDocument(document, random);
    }
    return new GuardedTransactions({ client: { startSession }, fences, ledgers, process, random });
  }

  #collection(process: Process, name: string) {
    const call = <T>(
      what: string,
      { session }: Options,
      run: (transaction: Transaction | undefined) => T,
    ) => {
      const transaction = session?.transaction;
      return this.#send({
        ...{ process, transaction },
        what: `${what} in ${name}`,
        run: () => run(transaction),
      });
    };
    const key = (id: unknown) => `${name}/${String(id)}`;
    return {
      namespace: `test.${name}`,
      findOne: (filter: StoredDocument, options: Options = {}) =>
        call('findOne', options, (transaction) => {
          const found = this.#read(key(filter._id), transaction);
          return found !== undefined && matches(found, filter) ? structuredClone(found) : null;
        }),
      insertOne: (document: StoredDocument, options: Options = {}) =>
        call('insertOne', options, (transaction) => {
          if (this.#latest(key(document._id), transaction) !== undefined)
            throw serverError('E11000 duplicate key', 11_000, { keyPattern: { _id: 1 } });
          this.#write(key(document._id), structuredClone(document), transaction);
        }),
      replaceOne: (filter: StoredDocument, replacement: StoredDocument, options: Options = {}) =>
        call('replaceOne', options, (transaction) => {
          const at = key(filter._id);
          const found = this.#read(at, transaction);
          if (found === undefined || !matches(found, filter)) return { matchedCount: 0 };
          this.#write(at, { ...structuredClone(replacement), _id: filter._id }, transaction);
          return { matchedCount: 1 };
        }),
      updateOne: (filter: StoredDocument, update: StoredDocument, options: Options = {}) =>
        call('updateOne', options, (transaction) => {
          const at = key(filter._id);
          const found = this.#read(at, transaction);
          const matched = found !== undefined && matches(found, filter);
          if (!matched && options.upsert !== true) return { matchedCount: 0, upsertedCount: 0 };
          if (!matched && this.#latest(at, transaction) !== undefined)
            throw serverError('E11000 duplicate key', 11_000, { keyPattern: { _id: 1 } });
          this.#write(at, updated(matched ? found : { _id: filter._id }, update), transaction);
          return { matchedCount: matched ? 1 : 0, upsertedCount: matched ? 0 : 1 };
        }),
    };
  }

  /** As the driver: outside of transactions it sends once more what had no answer. */
  async #send<T>({ process, what, transaction, run }: CommandOptions<T>): Promise<T> {
    const id = ++this.#commands;
    const once = (): T => {
      const before = this.#answers.get(id);
      if (before !== undefined) return before() as T;
      // It was late, and its transaction is over.
      if (transaction !== undefined && !this.#open.has(transaction))
        throw serverError('Transaction was aborted', 251, { errorLabels: ['TransientTransactionError'] });
      const answer = settledNow(run);
      this.#answers.set(id, answer);
      return answer();
    };
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#wire.call(process, what, once);
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        if (transaction === undefined && this.#retries && attempt === 1) continue;
        const labels = transaction === undefined ? [] : ['TransientTransactionError'];
        throw Object.assign(new Error(error.message), {
          name: error.how === 'timeout' ? 'MongoNetworkTimeoutError' : 'MongoNetworkError',
          errorLabels: [...labels, ...(this.#retries ? ['RetryableWriteError'] : [])],
        });
      }
    }
  }

  #begin(): Transaction {
    const transaction: Transaction = { snapshot: new Map(this.#documents), writes: new Map() };
    this.#open.add(transaction);
    const { scheduler } = this.#parts.world;
    scheduler.after(lifetimeUs, eventKinds.world, undefined, () => this.#open.delete(transaction));
    return transaction;
  }

  async #end(process: Process, transaction: Transaction, how: 'commit' | 'abort'): Promise<void> {
    await this.#wire
      .call(process, how, () => {
        if (transaction.committed) return;
        if (!this.#open.delete(transaction) && how === 'commit')
          throw serverError('Transaction was aborted', 251, { errorLabels: ['TransientTransactionError'] });
        if (how === 'abort') return;
        transaction.committed = true;
        for (const [at, document] of transaction.writes) this.#put(at, document);
      })
      .catch((error: unknown) => {
        if (!(error instanceof NoAnswer)) throw error;
        throw Object.assign(new Error(error.message), {
          name: 'MongoNetworkError',
          errorLabels: ['UnknownTransactionCommitResult', 'RetryableWriteError'],
        });
      });
  }

  #read(at: string, transaction: Transaction | undefined): StoredDocument | undefined {
    return transaction?.writes.get(at) ?? (transaction?.snapshot ?? this.#documents).get(at);
  }

  /** What a unique index knows. */
  #latest(at: string, transaction: Transaction | undefined): StoredDocument | undefined {
    return transaction?.writes.get(at) ?? this.#documents.get(at);
  }

  #write(at: string, document: StoredDocument, transaction: Transaction | undefined): void {
    const other = [...this.#open].some((one) => one !== transaction && one.writes.has(at));
    const changed = transaction !== undefined && transaction.snapshot.get(at) !== this.#documents.get(at);
    if (other || changed) {
      if (transaction !== undefined) this.#open.delete(transaction);
      const labels = transaction === undefined ? [] : ['TransientTransactionError'];
      throw serverError('WriteConflict', 112, { errorLabels: labels });
    }
    if (transaction === undefined) this.#put(at, document);
    else transaction.writes.set(at, document);
  }

  #put(at: string, document: StoredDocument): void {
    this.#documents.set(at, document);
    if (at === `ledgers/${resource}`) this.#parts.reports.guardedChanged(resource, entriesOf(document));
  }
}

/** What comes of it, now and whenever it is asked for again. */
function settledNow<T>(run: () => T): () => T {
  try {
    const value = run();
    return () => value;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

function entriesOf(document: object): string[] {
  return (document as { readonly entries?: string[] }).entries ?? [];
}

class GuardedDocument implements Guarded {
  readonly #document: FencedDocument;
  readonly #random: Draw;

  constructor(document: FencedDocument, random: Draw) {
    this.#document = document;
    this.#random = random;
  }

  async append(writer: FencedLeadership, entry: string, { signal }: CallOptions): Promise<void> {
    const how = this.#random.below(3);
    if (how === 0) await this.#document.apply(writer, { $push: { entries: entry } }, { signal });
    else if (how === 1) {
      const change = ({ document }: { readonly document: object }) => withEntry(document, entry);
      await this.#document.update(writer, change, { signal });
    } else {
      const { document, version } = await this.#document.read({ signal });
      await this.#document.write(writer, withEntry(document, entry), { expectedVersion: version, signal });
    }
  }

  async claim(writer: FencedLeadership, { signal }: CallOptions): Promise<void> {
    await this.#document.claim(writer, { signal });
  }

  async read(): Promise<readonly string[]> {
    return entriesOf((await this.#document.read()).document);
  }
}

function withEntry(document: object, entry: string): { entries: string[] } {
  return { entries: [...entriesOf(document), entry] };
}

interface TransactionParts {
  readonly client: { startSession(): DocumentSession };
  readonly fences: DocumentCollection;
  readonly ledgers: DocumentCollection;
  readonly process: Process;
  readonly random: Draw;
}

class GuardedTransactions implements Guarded {
  readonly #parts: TransactionParts;

  constructor(parts: TransactionParts) {
    this.#parts = parts;
  }

  async append(writer: FencedLeadership, entry: string, { signal }: CallOptions): Promise<void> {
    const { ledgers, process, random } = this.#parts;
    const lingerMs = random.chance(0.3) ? random.between(0, 1500) : 0;
    await this.#fenced(writer, signal, async (session) => {
      const found = await ledgers.findOne({ _id: resource }, { session });
      if (lingerMs > 0) await new Promise<void>((done) => process.runtime.timers.after(lingerMs, done));
      const replacement = withEntry(found ?? {}, entry);
      if (found === null) await ledgers.insertOne({ ...replacement, _id: resource }, { session });
      else await ledgers.replaceOne({ _id: resource }, replacement, { session });
    });
  }

  async claim(writer: FencedLeadership, { signal }: CallOptions): Promise<void> {
    await this.#fenced(writer, signal, async () => {});
  }

  async read(): Promise<readonly string[]> {
    return entriesOf((await readDirectly(this.#parts.ledgers.findOne({ _id: resource }))) ?? {});
  }

  async #fenced(
    writer: FencedLeadership,
    signal: AbortSignal,
    work: (session: object) => Promise<void>,
  ): Promise<void> {
    const { client, fences, process } = this.#parts;
    // The guard uses of a session what `DocumentSession` has.
    const mongo = client as unknown as Parameters<typeof fenced>[0];
    await fenced(mongo, writer, work, { fences, signal, runtime: process.runtime });
  }
}
