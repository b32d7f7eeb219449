/** What clients asked for and what they were told, with true times: the outside view of a life, for the checkers. */
import type { RangeRequest } from '../../keyspace/index.ts';

/** A key with its value, as one text each (a char for a byte), so that comparing is cheap. */
export interface Pair {
  readonly key: string;
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  /** 0n: none. */
  readonly lease: bigint;
}

/** How a range is looked at, where that is not all of it as it is now. */
export interface RangeShape {
  /** 0: now. */
  readonly revision: number;
  /** 0: all. */
  readonly limit: number;
  readonly sortOrder: RangeRequest['sortOrder'];
  /** 'key' where there is no order. */
  readonly sortTarget: RangeRequest['sortTarget'];
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
}

/** One key, or with `end` all keys up to it. */
export interface RangeStep {
  readonly type: 'range';
  readonly key: string;
  readonly end: string;
  readonly shape?: RangeShape | undefined;
}

export interface TransactionStep {
  readonly type: 'txn';
  readonly guards: readonly Guard[];
  readonly success: readonly Step[];
  readonly failure: readonly Step[];
}

export type Step =
  | RangeStep
  /** Within another, and on keys that are not touched there. */
  | TransactionStep
  | {
      readonly type: 'put';
      readonly key: string;
      readonly value: string;
      readonly lease: bigint;
      readonly prevKv: boolean;
    }
  | { readonly type: 'delete'; readonly key: string; readonly end: string; readonly prevKv: boolean };

/** Holds where the key's value is `expects`; undefined: where there is no such key. */
export interface Guard {
  readonly key: string;
  readonly expects: string | undefined;
  /** The value was written at this revision, and that is what the compare names; 0: it names the value. */
  readonly mod: number;
}

export type Call =
  | (RangeStep & { readonly serializable: boolean })
  | Exclude<Step, { type: 'range' }>
  | { readonly type: 'grant'; readonly lease: bigint; readonly ttlMs: number }
  | { readonly type: 'revoke' | 'renew' | 'timeToLive'; readonly lease: bigint }
  | { readonly type: 'compact'; readonly revision: number };

export type StepAnswer =
  /** `count`: of the whole range. `more`: the limit left some out. */
  | {
      readonly type: 'range';
      readonly pairs: readonly Pair[];
      readonly count: number;
      readonly more: boolean;
    }
  | { readonly type: 'put'; readonly previous: Pair | undefined }
  | { readonly type: 'delete'; readonly deleted: number; readonly previous: readonly Pair[] }
  | { readonly type: 'txn'; readonly succeeded: boolean; readonly responses: readonly StepAnswer[] };

/** `revision` and `by`, the id of the member that answered: of the response's header; 0 and none where the client gives none. */
export type Answer = Told & { readonly by?: number };

type Told =
  | (StepAnswer & { readonly revision: number })
  | { readonly type: 'grant' | 'renew'; readonly ttlMs: number; readonly revision: 0 }
  | {
      readonly type: 'timeToLive';
      /** undefined: there is no such lease. */
      readonly remainingMs: number | undefined;
      readonly grantedTtlMs: number;
      readonly keys: readonly string[];
      readonly revision: 0;
    }
  | { readonly type: 'revoke' | 'compact'; readonly revision: 0 };

/** `unknown`: it may have been applied, or may yet be: its answer was lost, or its client's process died. */
export type Outcome = 'pending' | 'ok' | 'not-applied' | 'unknown';

export interface Operation {
  /** From 0, in the order of invocation. */
  readonly id: number;
  /** The client's process, like `client-3.1`: client 3 in its first life. */
  readonly client: string;
  readonly call: Call;
  /** What makes this mutation known in the log; undefined for reads and renewals. */
  readonly tag: string | undefined;
  readonly invokedUs: number;
  /** Infinity while it is pending, and for one that its client's death left open. */
  readonly completedUs: number;
  readonly outcome: Outcome;
  readonly answer: Answer | undefined;
  /** Of the failure. */
  readonly code: string | undefined;
}

/** One `client.watch` from its opening on; a new one when it is opened again. */
export interface WatchView {
  readonly id: number;
  readonly client: string;
  readonly key: string;
  readonly end: string;
  /** 0: from now on. */
  readonly startRevision: number;
  readonly prevKv: boolean;
  readonly openedUs: number;
}

export interface SeenEvent {
  /** Its revision is `pair.mod`. Of a deletion only key and mod count. */
  readonly pair: Pair;
  readonly deleted: boolean;
  readonly previous: Pair | undefined;
}

/** `closed`: by its reader, or with its process. `compacted`: the next revision wanted was gone. */
export type WatchEnd = 'closed' | 'compacted' | 'failed';

export interface HistoryListener {
  invoked?(operation: Operation): void;
  /** With the outcome that it has now; `unknown` ends it as well. */
  completed?(operation: Operation): void;
  watchOpened?(watch: WatchView): void;
  /** No events: the watch stands, and everything up to `revision` is behind it. */
  watchBatch?(watch: WatchView, events: readonly SeenEvent[], revision: number): void;
  /** `compactRevision`: as the watch was told where it is compacted; else 0. */
  watchEnded?(watch: WatchView, how: WatchEnd, compactRevision: number): void;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export class History {
  readonly operations: Operation[] = [];
  /** Keys whose order was looked for in the end: how many were decided, and how many searches were given up. */
  decidedKeys = 0;
  undecidedKeys = 0;
  /** Compactions that took effect, by whomever. */
  compactions = 0;
  watchesCompacted = 0;
  /** Log entries in which several mutations went together. */
  sharedEntries = 0;
  /** Watches that have not got all that is committed; told by the checker of watches. */
  watchesBehind = (): number => 0;
  readonly #listeners: HistoryListener[] = [];
  readonly #nowUs: () => number;
  #watches = 0;

  constructor(nowUs: () => number) {
    this.#nowUs = nowUs;
  }

  get watchCount(): number {
    return this.#watches;
  }

  /** What a listener threw first; a client's own work is never disturbed by it. */
  failure: unknown;

  /** Listeners are told in the order in which they came. */
  listen(listener: HistoryListener): void {
    this.#listeners.push(listener);
  }

  invoke(client: string, call: Call): Operation {
    const operation: Operation = {
      id: this.operations.length,
      client,
      call,
      tag: tagOfCall(call),
      invokedUs: this.#nowUs(),
      completedUs: Number.POSITIVE_INFINITY,
      outcome: 'pending',
      answer: undefined,
      code: undefined,
    };
    this.operations.push(operation);
    this.#tell((listener) => listener.invoked?.(operation));
    return operation;
  }

  succeeded(operation: Operation, answer: Answer): void {
    this.#complete(operation, { outcome: 'ok', answer, completedUs: this.#nowUs() });
  }

  failed(operation: Operation, outcome: 'not-applied' | 'unknown', code: string): void {
    this.#complete(operation, { outcome, code, completedUs: this.#nowUs() });
  }

  /** Nobody will ever hear of it: its client died. */
  orphaned(operation: Operation): void {
    this.#complete(operation, { outcome: 'unknown', code: 'died' });
  }

  openWatch(client: string, watch: Pick<WatchView, 'key' | 'end' | 'startRevision' | 'prevKv'>): WatchView {
    const view: WatchView = { id: this.#watches++, client, openedUs: this.#nowUs(), ...watch };
    this.#tell((listener) => listener.watchOpened?.(view));
    return view;
  }

  watchBatch(watch: WatchView, events: readonly SeenEvent[], revision: number): void {
    this.#tell((listener) => listener.watchBatch?.(watch, events, revision));
  }

  endWatch(watch: WatchView, how: WatchEnd, compactRevision = 0): void {
    if (how === 'compacted') this.watchesCompacted += 1;
    this.#tell((listener) => listener.watchEnded?.(watch, how, compactRevision));
  }

  #complete(operation: Operation, changes: Partial<Operation>): void {
    if (operation.outcome !== 'pending') throw new Error(`Operation ${operation.id} completed twice.`);
    Object.assign(operation as Mutable<Operation>, changes);
    this.#tell((listener) => listener.completed?.(operation));
  }

  #tell(each: (listener: HistoryListener) => void): void {
    try {
      for (const listener of this.#listeners) each(listener);
    } catch (error) {
      this.failure ??= error;
    }
  }
}

/** All keys of the workload begin so; nobody else writes there. */
export const keyPrefix = 'w/';
/** Compares on such keys, which never exist, only tell one transaction from all others. */
export const markPrefix = 'w/mark/';
/** The ids of the workload's leases are from here on, each used once. */
export const firstLease = 0x5100_0000_0000n;
export const leaseLimit = 0x5200_0000_0000n;

/**
 * Each mutation of the workload is known by something that no other has: the value that it writes, the end of the
 * range that it deletes, its lease, its mark.
 */
export function tagOfCall(call: Call): string | undefined {
  switch (call.type) {
    case 'put':
      return call.value;
    case 'delete':
      return call.end;
    case 'txn':
      return firstValue(call) ?? call.guards.find((guard) => guard.key.startsWith(markPrefix))?.key;
    case 'grant':
    case 'revoke':
      return `${call.type} ${call.lease}`;
    case 'compact':
      return `compact ${call.revision}`;
    default:
      return undefined;
  }
}

function firstValue({ success, failure }: TransactionStep): string | undefined {
  for (const step of [...success, ...failure]) {
    const value = step.type === 'put' ? step.value : step.type === 'txn' ? firstValue(step) : undefined;
    if (value !== undefined) return value;
  }
  return undefined;
}

/** All steps of a transaction, those of the ones within it instead of these. */
export function flatSteps({ success, failure }: TransactionStep): readonly Exclude<Step, TransactionStep>[] {
  return [...success, ...failure].flatMap((step) => (step.type === 'txn' ? flatSteps(step) : [step]));
}

/** For messages about it. */
export function describeOperation(operation: Operation): string {
  const { id, client, call, invokedUs, completedUs, outcome, code } = operation;
  const at = (us: number): string => `${(us / 1000).toFixed(3)} ms`;
  const until = completedUs === Number.POSITIVE_INFINITY ? '' : ` until ${at(completedUs)}`;
  const how = code === undefined ? outcome : `${outcome}, ${code}`;
  return `operation ${id} of ${client}, ${describeCall(call)}, from ${at(invokedUs)}${until} (${how})`;
}

export function describeCall(call: Call): string {
  return JSON.stringify(call, (_name, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));
}
