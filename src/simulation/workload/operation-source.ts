import type { Draw } from '../world/random.ts';
import {
  type Answer,
  type Call,
  firstLease,
  flatSteps,
  type Guard,
  keyPrefix,
  markPrefix,
  type Pair,
  type RangeShape,
  type RangeStep,
  type Step,
  type StepAnswer,
} from './history.ts';
import { type OperationKind, operationKinds, type WorkloadRates } from './rates.ts';

/** What all clients of a life must not do twice. */
export class SharedNumbers {
  readonly compacted = new Set<number>();
  #leases = 0n;

  nextLease(): bigint {
    this.#leases += 1n;
    return firstLease + this.#leases;
  }
}

const hotPrefix = `${keyPrefix}k`;
const hotEnd = `${keyPrefix}l`;

/** Draws what one client does next, from what it has seen: compares name what it believes to be there. */
export class OperationSource {
  readonly #name: string;
  readonly #rates: WorkloadRates;
  readonly #draw: Draw;
  readonly #shared: SharedNumbers;
  readonly #keys: readonly string[];
  readonly #total: number;
  readonly #seen = new Map<string, Pair | undefined>();
  #leases: bigint[] = [];
  /** Asked to be revoked, or said to be gone. */
  readonly #ended: bigint[] = [];
  #revision = 0;
  #uniques = 0;

  /** `name`: of this life of the client, part of all that it writes. */
  constructor(name: string, rates: WorkloadRates, draw: Draw, shared: SharedNumbers) {
    this.#name = name;
    this.#rates = rates;
    this.#draw = draw;
    this.#shared = shared;
    this.#keys = Array.from({ length: rates.hotKeys }, (_, at) => `${hotPrefix}${at}`);
    let total = 0;
    for (const kind of operationKinds) total += rates.weights[kind];
    this.#total = total;
  }

  next(): Call {
    const call = this.#make(this.#kind());
    return call ?? this.#put(this.#draw.pick(this.#keys));
  }

  /** What the client learnt; it decides what it compares with later. */
  learn(call: Call, answer: Answer): void {
    if (answer.revision > this.#revision) this.#revision = answer.revision;
    if (answer.type === 'grant' && call.type === 'grant') this.#leases.push(call.lease);
    else if (answer.type === 'renew' && answer.ttlMs === 0 && call.type === 'renew') this.#forget(call.lease);
    else if (answer.type === 'timeToLive' && answer.remainingMs === undefined && call.type === 'timeToLive')
      this.#forget(call.lease);
    else if (answer.type === 'range' && call.type === 'range') this.#learnRange(call, answer.pairs);
    else if (answer.type === 'put' && call.type === 'put') this.#wrote(call, answer.revision);
    else if (answer.type === 'txn' && call.type === 'txn') {
      this.#learnSteps(answer.succeeded ? call.success : call.failure, answer.responses, answer.revision);
    }
  }

  #learnSteps(steps: readonly Step[], responses: readonly StepAnswer[], revision: number): void {
    steps.forEach((step, at) => {
      const response = responses[at];
      if (step.type === 'put') this.#wrote(step, revision);
      else if (step.type === 'range' && response?.type === 'range') this.#learnRange(step, response.pairs);
      else if (step.type === 'txn' && response?.type === 'txn')
        this.#learnSteps(response.succeeded ? step.success : step.failure, response.responses, revision);
    });
  }

  /** A lease that is gone is not used again. */
  failed(call: Call, code: string): void {
    if (code !== 'lease-lost') return;
    const steps = call.type === 'txn' ? flatSteps(call) : [call];
    for (const step of steps) if ('lease' in step) this.#forget(step.lease);
  }

  #learnRange({ key, end, shape }: RangeStep, pairs: readonly Pair[]): void {
    if (shape !== undefined) return;
    if (end === '') this.#seen.set(key, pairs[0]);
    else for (const pair of pairs) this.#seen.set(pair.key, pair);
  }

  #wrote(step: Step & { type: 'put' }, mod: number): void {
    const { key, value, lease } = step;
    this.#seen.set(key, { key, value, lease, mod, create: 0, version: 0 });
  }

  #forget(lease: bigint): void {
    this.#leases = this.#leases.filter((one) => one !== lease);
    this.#ended.push(lease);
  }

  #unique(): string {
    this.#uniques += 1;
    return `${this.#name}#${this.#uniques}`;
  }

  #kind(): OperationKind {
    let at = this.#draw.unit() * this.#total;
    for (const kind of operationKinds) {
      at -= this.#rates.weights[kind];
      if (at < 0) return kind;
    }
    return 'get';
  }

  /** undefined: there is nothing to do it with. */
  #make(kind: OperationKind): Call | undefined {
    const draw = this.#draw;
    const key = draw.pick(this.#keys);
    switch (kind) {
      case 'get':
        return { ...this.#look(key), serializable: draw.chance(this.#rates.serializable) };
      case 'range': {
        const serializable = draw.chance(this.#rates.serializable);
        return { ...this.#look(hotPrefix, hotEnd), serializable };
      }
      case 'put':
        return this.#put(key);
      case 'delete': {
        // No key is between: this is the key alone, and known in the log by its end.
        const end = `${key}\0${this.#unique()}`;
        return { type: 'delete', key, end, prevKv: draw.chance(this.#rates.previous) };
      }
      case 'deletePrefix': {
        const end = `${hotEnd}${this.#unique()}`;
        return { type: 'delete', key: hotPrefix, end, prevKv: draw.chance(this.#rates.previous) };
      }
      case 'compareAndSwap':
        return this.#compareAndSwap(key);
      case 'transaction':
        return this.#transaction();
      default:
        return this.#leaseOrCompact(kind);
    }
  }

  #leaseOrCompact(kind: 'grant' | 'renew' | 'revoke' | 'timeToLive' | 'compact'): Call | undefined {
    const draw = this.#draw;
    if (kind === 'compact') {
      const revision = this.#revision - draw.below(30);
      if (revision < 2 || this.#shared.compacted.has(revision)) return undefined;
      this.#shared.compacted.add(revision);
      return { type: 'compact', revision };
    }
    if (kind === 'timeToLive' && this.#ended.length > 0 && draw.chance(0.2)) {
      return { type: kind, lease: draw.pick(this.#ended) };
    }
    if (kind === 'grant' || this.#leases.length === 0) {
      const [least, most] = this.#rates.leaseTtlMs;
      return { type: 'grant', lease: this.#shared.nextLease(), ttlMs: draw.between(least, most) };
    }
    const lease = draw.pick(this.#leases);
    if (kind === 'revoke') this.#forget(lease);
    return { type: kind, lease };
  }

  #put(key: string): Call & Step {
    const leased = this.#leases.length > 0 && this.#draw.chance(this.#rates.leased);
    const lease = leased ? this.#draw.pick(this.#leases) : 0n;
    const prevKv = this.#draw.chance(this.#rates.previous);
    return { type: 'put', key, value: this.#unique(), lease, prevKv };
  }

  #guard(key: string): Guard {
    const pair = this.#seen.get(key);
    if (pair === undefined) return { key, expects: undefined, mod: 0 };
    return { key, expects: pair.value, mod: this.#draw.chance(0.5) ? pair.mod : 0 };
  }

  #compareAndSwap(key: string): Call {
    const look: Step = { type: 'range', key, end: '' };
    const failure = this.#draw.chance(0.7) ? [look] : [];
    return { type: 'txn', guards: [this.#guard(key)], success: [this.#put(key)], failure };
  }

  #transaction(): Call {
    const keys = this.#draw.shuffled(this.#keys).slice(0, this.#draw.between(2, 3));
    const guards = keys.slice(0, this.#draw.between(0, keys.length)).map((key) => this.#guard(key));
    const success = keys.map((key) => this.#step(key));
    const failure = keys.map((key): Step => (this.#draw.chance(0.2) ? this.#step(key) : this.#look(key)));
    const others = this.#keys.filter((other) => !keys.includes(other));
    if (others.length > 0 && this.#draw.chance(this.#rates.nested)) {
      (this.#draw.chance(0.7) ? success : failure).push(this.#within(others));
    }
    if (!flatSteps({ type: 'txn', guards, success, failure }).some((step) => step.type === 'put')) {
      guards.push({ key: `${markPrefix}${this.#unique()}`, expects: undefined, mod: 0 });
    }
    return { type: 'txn', guards, success, failure };
  }

  #step(key: string): Step {
    const at = this.#draw.unit();
    if (at < 0.45) return this.#put(key);
    return at < 0.6 ? { type: 'delete', key, end: '', prevKv: this.#draw.chance(0.5) } : this.#look(key);
  }

  /** A transaction on some of these keys, which the one around it does not touch. */
  #within(others: readonly string[]): Step {
    const keys = others.slice(0, this.#draw.between(1, 2));
    const guards = keys.slice(0, this.#draw.between(0, 1)).map((key) => this.#guard(key));
    const success = keys.map((key) => this.#step(key));
    return { type: 'txn', guards, success, failure: keys.map((key) => this.#look(key)) };
  }

  #look(key: string, end = ''): RangeStep {
    const shape = this.#draw.chance(this.#rates.shaped) ? this.#shape() : undefined;
    return { type: 'range', key, end, ...(shape !== undefined && { shape }) };
  }

  /** Often at an old revision; a look at one key can have a limit and an order, too. */
  #shape(): RangeShape {
    const draw = this.#draw;
    const past = this.#revision > 1 && draw.chance(0.6);
    const sortOrder = draw.pick(['none', 'ascend', 'descend'] as const);
    const sortTarget =
      sortOrder === 'none' ? 'key' : draw.pick(['key', 'version', 'create', 'mod', 'value'] as const);
    return {
      revision: past ? Math.max(1, this.#revision - draw.below(20)) : 0,
      limit: draw.chance(0.5) ? draw.between(1, 3) : 0,
      ...{ sortOrder, sortTarget },
      keysOnly: draw.chance(0.1),
      countOnly: draw.chance(0.1),
    };
  }
}
