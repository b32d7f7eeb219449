/**
 * A history of many keys taken apart into one of a register for each key: what every operation says of that key, and
 * does to it. An operation over several keys takes part in the history of each.
 */
import {
  type Answer,
  type Call,
  flatSteps,
  markPrefix,
  type Operation,
  type RangeShape,
  type Step,
  type StepAnswer,
  type TransactionStep,
} from './history.ts';
import {
  absent,
  firstValue,
  type Possibility,
  type RegisterOperation,
  type State,
  unseen,
} from './linearizability.ts';
import { inRange } from './model-values.ts';

export interface Register {
  readonly key: string;
  readonly operations: readonly RegisterOperation[];
  /** For each of `operations`, the one that it comes from. */
  readonly sources: readonly Operation[];
  readonly mayExpire: ReadonlySet<State>;
}

type Ok = Answer & StepAnswer & { readonly revision: number };

/** Registers of all keys that the history names. Reads that ask for no recency take no part, nor what had no effect. */
export function registersOf(history: readonly Operation[]): Register[] {
  const seen = new Sightings();
  const keys = new Set<string>();
  for (const operation of history) {
    const { call, answer } = operation;
    seen.callOf(call);
    if (answer !== undefined) seen.answer(answer);
    for (const key of keysOf(call)) if (!key.startsWith(markPrefix)) keys.add(key);
  }
  return [...keys].sort().map((key) => registerOf(key, history, seen, keys));
}

/** Which values anybody saw, and where their revisions are known, those. */
class Sightings {
  readonly #states = new Map<string, State>();
  readonly #mods = new Map<string, number>();
  readonly #leased: string[] = [];

  callOf(call: Call): void {
    if (call.type === 'put') this.#noteLease(call);
    if (call.type !== 'txn') return;
    for (const { expects, mod } of guardsOf(call)) if (expects !== undefined) this.#sight(expects, mod);
    for (const step of flatSteps(call)) if (step.type === 'put') this.#noteLease(step);
  }

  answer(answer: Answer | StepAnswer): void {
    if (answer.type === 'range') for (const { value, mod } of answer.pairs) this.#sight(value, mod);
    else if (answer.type === 'put' && answer.previous !== undefined)
      this.#sight(answer.previous.value, answer.previous.mod);
    else if (answer.type === 'delete') for (const { value, mod } of answer.previous) this.#sight(value, mod);
    else if (answer.type === 'txn') for (const response of answer.responses) this.answer(response);
  }

  stateOf(value: string | undefined): State {
    return value === undefined ? absent : (this.#states.get(value) ?? unseen);
  }

  modOf(value: string): number {
    return this.#mods.get(value) ?? Number.POSITIVE_INFINITY;
  }

  leased(): ReadonlySet<State> {
    return new Set(this.#leased.map((value) => this.stateOf(value)));
  }

  #noteLease(step: Step & { type: 'put' }): void {
    if (step.lease !== 0n) this.#leased.push(step.value);
  }

  /** An empty one was not shown. */
  #sight(value: string, mod: number): void {
    if (value === '') return;
    if (!this.#states.has(value)) this.#states.set(value, firstValue + this.#states.size);
    if (mod > 0) this.#mods.set(value, mod);
  }
}

function keysOf(call: Call): readonly string[] {
  if (call.type === 'range') return call.end === '' ? [call.key] : [];
  if (call.type === 'put') return [call.key];
  if (call.type === 'txn') return [...guardsOf(call), ...flatSteps(call)].map(({ key }) => key);
  return [];
}

/** With those of the transactions within it. */
function guardsOf({ guards, success, failure }: TransactionStep): TransactionStep['guards'] {
  const within = [...success, ...failure].flatMap((step) => (step.type === 'txn' ? guardsOf(step) : []));
  return [...guards, ...within];
}

function registerOf(
  key: string,
  history: readonly Operation[],
  seen: Sightings,
  keys: ReadonlySet<string>,
): Register {
  const operations: RegisterOperation[] = [];
  const sources: Operation[] = [];
  const reader = new Reader(key, seen, keys);
  for (const operation of history) {
    if (operation.outcome === 'not-applied') continue;
    const ok = operation.outcome === 'ok';
    const possibilities = ok
      ? reader.certain(operation.call, operation.answer as Ok)
      : reader.possible(operation.call).filter(({ becomes }) => becomes !== undefined);
    if (possibilities.length === 0) continue;
    operations.push({
      invokedUs: operation.invokedUs,
      completedUs: ok ? operation.completedUs : Number.POSITIVE_INFINITY,
      possibilities,
      hint: ok
        ? hintOf(possibilities[0] as Possibility, operation.answer as Ok)
        : reader.hint(operation.call),
    });
    sources.push(operation);
  }
  return { key, operations, sources, mayExpire: seen.leased() };
}

/** A read at a revision comes after the write that made it. */
function hintOf(possibility: Possibility, answer: Ok): number {
  return possibility.becomes === undefined ? answer.revision + 0.5 : answer.revision;
}

/** What calls and answers say of one key. */
class Reader {
  readonly #key: string;
  readonly #seen: Sightings;
  readonly #keys: ReadonlySet<string>;

  constructor(key: string, seen: Sightings, keys: ReadonlySet<string>) {
    this.#key = key;
    this.#seen = seen;
    this.#keys = keys;
  }

  certain(call: Call, answer: Ok): readonly Possibility[] {
    if (call.type === 'txn') {
      if (answer.type !== 'txn') return [];
      return this.#branch(call, answer.succeeded, answer.responses);
    }
    if (call.type === 'range' && call.serializable) return [];
    if (call.type !== 'range' && call.type !== 'put' && call.type !== 'delete') return [];
    const effect = this.#step(call, answer);
    return effect === undefined ? [] : [effect];
  }

  possible(call: Call): readonly Possibility[] {
    if (call.type === 'txn') return [...this.#branch(call, true), ...this.#branch(call, false)];
    if (call.type !== 'put' && call.type !== 'delete') return [];
    const effect = this.#step(call, undefined);
    return effect === undefined ? [] : [effect];
  }

  hint(call: Call): number {
    const steps = call.type === 'txn' ? flatSteps(call) : [call];
    for (const step of steps) if (step.type === 'put') return this.#seen.modOf(step.value);
    return Number.POSITIVE_INFINITY;
  }

  /** A branch of a transaction: with its answers, or as far as can be said without them. */
  #branch(
    call: TransactionStep,
    succeeded: boolean,
    responses: readonly StepAnswer[] = [],
  ): readonly Possibility[] {
    let { when, state } = this.#guards(call, succeeded);
    let becomes: State | undefined;
    let touched = when !== 'any';
    const steps = succeeded ? call.success : call.failure;
    const within = steps.flatMap((step, at) =>
      step.type === 'txn' ? this.#within(step, responses[at]) : [],
    );
    // No key is touched both there and here.
    if (within.length > 0) return within;
    steps.forEach((step, at) => {
      if (step.type === 'txn') return;
      const effect = this.#step(step, responses[at]);
      if (effect === undefined) return;
      touched = true;
      // What a step sees of an earlier one's write is not this register's affair.
      if (becomes === undefined && (effect.when === 'is' || when === 'any')) ({ when, state } = effect);
      becomes = effect.becomes ?? becomes;
    });
    return touched ? [{ when, state, becomes }] : [];
  }

  #within(step: TransactionStep, answer: StepAnswer | undefined): readonly Possibility[] {
    if (answer?.type === 'txn') return this.#branch(step, answer.succeeded, answer.responses);
    return [...this.#branch(step, true), ...this.#branch(step, false)];
  }

  #guards(call: TransactionStep, succeeded: boolean): Pick<Possibility, 'when' | 'state'> {
    const real = call.guards.filter(({ key }) => !key.startsWith(markPrefix));
    const own = real.find(({ key }) => key === this.#key);
    if (own === undefined) return { when: 'any', state: absent };
    const state = this.#seen.stateOf(own.expects);
    if (succeeded) return { when: 'is', state };
    // With several, another may be the one that did not hold.
    return real.length === 1 ? { when: 'is-not', state } : { when: 'any', state: absent };
  }

  /** undefined: it does not touch the key. */
  #step(step: Exclude<Step, TransactionStep>, answer: StepAnswer | undefined): Possibility | undefined {
    const key = this.#key;
    if (step.type === 'put') {
      if (step.key !== key) return undefined;
      const becomes = this.#seen.stateOf(step.value);
      const sawPrevious = step.prevKv && answer?.type === 'put';
      if (!sawPrevious) return { when: 'any', state: absent, becomes };
      return { when: 'is', state: this.#seen.stateOf(answer.previous?.value), becomes };
    }
    if (!inRange(key, step.key, step.end)) return undefined;
    if (step.type === 'range') {
      if (answer?.type !== 'range' || hides(step.shape)) return undefined;
      const pair = answer.pairs.find((one) => one.key === key);
      return { when: 'is', state: this.#seen.stateOf(pair?.value), becomes: undefined };
    }
    if (answer?.type !== 'delete') return { when: 'any', state: absent, becomes: absent };
    if (step.prevKv) {
      const pair = answer.previous.find((one) => one.key === key);
      if (pair === undefined) return { when: 'is', state: absent, becomes: undefined };
      return { when: 'is', state: this.#seen.stateOf(pair.value), becomes: absent };
    }
    if (answer.deleted === 0) return { when: 'is', state: absent, becomes: undefined };
    const alone = [...this.#keys].filter((other) => inRange(other, step.key, step.end)).length === 1;
    return { when: alone ? 'present' : 'any', state: absent, becomes: absent };
  }
}

/** A look of this shape does not show all of its keys as they are. */
function hides(shape: RangeShape | undefined): boolean {
  if (shape === undefined) return false;
  return shape.revision > 0 || shape.limit > 0 || shape.keysOnly || shape.countOnly;
}
