/** The memory store's own keys, for transactions under a leadership: a keyspace like etcd's, without its history. */
import {
  checkTransaction,
  keyBytes,
  type StoreCompare,
  type StoreEntry,
  type StoreKey,
  type StoreOperation,
  type StoreOperationResult,
  type StoreTransaction,
  type StoreTransactionResult,
} from '../election/store.ts';

export class MemoryKeyspace {
  /** By the hexadecimal of the key, which sorts as the bytes do. */
  readonly #entries = new Map<string, StoreEntry>();
  readonly #nextRevision: () => number;
  #revision = 0;

  constructor(nextRevision: () => number) {
    this.#nextRevision = nextRevision;
  }

  /** @throws 'invalid-argument', before any effect. */
  transact(transaction: StoreTransaction): StoreTransactionResult {
    checkTransaction(transaction);
    const { compare = [], success = [], failure = [] } = transaction;
    const succeeded = compare.every((one) => this.#holds(one));
    const operations = succeeded ? success : failure;
    if (operations.some(({ type }) => type !== 'get')) this.#revision = this.#nextRevision();
    const results = operations.map((operation) => this.#apply(operation));
    return { succeeded, revision: this.#revision, results };
  }

  #holds(compare: StoreCompare): boolean {
    const entry = this.#entries.get(hex(compare.key));
    if (compare.target === 'exists') return (entry !== undefined) === compare.value;
    if (compare.target === 'value') {
      return entry !== undefined && orders(hex(entry.value), hex(compare.value), compare.result);
    }
    return orders(entry?.[compare.target] ?? 0, compare.value, compare.result);
  }

  #apply(operation: StoreOperation): StoreOperationResult {
    if (operation.type === 'put') {
      this.#put(operation.key, operation.value);
      return { type: 'put' };
    }
    const found = 'key' in operation ? this.#at(operation.key) : this.#under(operation.prefix);
    if (operation.type === 'delete') {
      for (const { key } of found) this.#entries.delete(hex(key));
      return { type: 'delete', deleted: found.length };
    }
    const limit = 'limit' in operation ? (operation.limit ?? found.length) : found.length;
    const entries = found
      .slice(0, limit)
      .map((entry) => ({ ...entry, key: entry.key.slice(), value: entry.value.slice() }));
    return { type: 'get', entries, more: found.length > limit };
  }

  #put(key: StoreKey, value: string | Uint8Array): void {
    const before = this.#entries.get(hex(key));
    this.#entries.set(hex(key), {
      key: keyBytes(key).slice(),
      value: keyBytes(value).slice(),
      version: (before?.version ?? 0) + 1,
      createRevision: before?.createRevision ?? this.#revision,
      modRevision: this.#revision,
    });
  }

  #at(key: StoreKey): StoreEntry[] {
    const entry = this.#entries.get(hex(key));
    return entry === undefined ? [] : [entry];
  }

  #under(prefix: StoreKey): StoreEntry[] {
    const start = hex(prefix);
    return [...this.#entries]
      .filter(([key]) => key.startsWith(start))
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([, entry]) => entry);
  }
}

function orders<T extends number | string>(left: T, right: T, result: '=' | '!=' | '<' | '>' = '='): boolean {
  switch (result) {
    case '=':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '>':
      return left > right;
  }
}

function hex(value: string | Uint8Array): string {
  return Array.from(keyBytes(value), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
