/**
 * Whether a history of one register is linearizable: whether there is one order of its operations, each at some
 * instant between its invocation and its completion, in which every answer is right.
 *
 * The search of Wing and Gong, in Lowe's form (Testing for linearizability, 2017): always one of the operations that
 * no other had to precede comes next, and a set of operations taken with the state reached is never tried twice. A read
 * that is right now comes at once, and nothing else is tried there: in any order that is found, it could stand here.
 */

/** What the register holds: a number for each value. */
export type State = number;
export const absent: State = 0;
/** Some value that nobody ever saw: all such values are alike. */
export const unseen: State = 1;
export const firstValue: State = 2;

/** One thing that an operation may have done: possible in certain states, and leading to another. */
export interface Possibility {
  /** `any`; `is`: this state; `is-not`: any other; `present`: any value. */
  readonly when: 'any' | 'is' | 'is-not' | 'present';
  readonly state: State;
  /** undefined: it changes nothing. */
  readonly becomes: State | undefined;
}

export interface RegisterOperation {
  readonly invokedUs: number;
  /** Infinity: it may take effect at any time, or never. */
  readonly completedUs: number;
  readonly possibilities: readonly Possibility[];
  /** A guess at its place in the order, which only makes the search shorter. */
  readonly hint: number;
}

export interface SearchOptions {
  /** States that may turn into `absent` at any time: values that hang on a lease. */
  readonly mayExpire?: ReadonlySet<State>;
  /** Configurations looked at before the search gives up. Default 400,000. */
  readonly maxSteps?: number;
}

export interface SearchResult {
  readonly verdict: 'linearizable' | 'not-linearizable' | 'undecided';
  /** Not linearizable: the first operations by invocation that no order could get past, by place in the input. */
  readonly stuckAt: readonly number[];
  readonly steps: number;
}

interface Move {
  /** -1: the register expired by itself. */
  readonly operation: number;
  readonly becomes: State;
}

const open = Number.POSITIVE_INFINITY;

/** The state after it; undefined: it cannot have happened in this one. */
function outcome({ when, state, becomes }: Possibility, now: State): State | undefined {
  if (when === 'is' && now !== state) return undefined;
  if (when === 'is-not' && now === state) return undefined;
  if (when === 'present' && now === absent) return undefined;
  return becomes ?? now;
}

function feasible(operation: RegisterOperation, state: State): boolean {
  return operation.possibilities.some((possibility) => outcome(possibility, state) !== undefined);
}

export function searchOrder(
  operations: readonly RegisterOperation[],
  options: SearchOptions = {},
): SearchResult {
  const found = new Search(operations, options, false).run();
  // An order that was found is one. That there is none must not hang on two sets that share a number.
  return found.verdict === 'not-linearizable' ? new Search(operations, options, true).run() : found;
}

/** 32 bits that look drawn. */
function scattered(number: number): number {
  let word = Math.imul(number ^ (number >>> 16), 0x21f0aaad);
  word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
  return word ^ (word >>> 15);
}

class Search {
  readonly #operations: readonly RegisterOperation[];
  /** In order of invocation; `#next` and `#previous` link those not taken yet, `#count` being the list's end. */
  readonly #order: number[];
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #count: number;
  readonly #mayExpire: ReadonlySet<State> | undefined;
  readonly #maxSteps: number;
  readonly #dead = new Set<string | number>();
  readonly #taken: Uint8Array;
  /** By words, rather than by 53 bits that sum up what is taken and the state. */
  readonly #exact: boolean;
  /** Of the places taken. */
  #upper = 0;
  #lower = 0;
  /** By place: 0 for those that were completed; the same number for open ones that may do the same. */
  readonly #kinds: Int32Array;
  /** By kind: the last look for moves that met it. */
  readonly #metAt: number[] = [];
  #looks = 0;
  #mustComplete = 0;
  #state: State = absent;
  #steps = 0;
  #mostTaken = -1;
  #stuckAt: readonly number[] = [];

  constructor(operations: readonly RegisterOperation[], options: SearchOptions, exact: boolean) {
    this.#operations = operations;
    this.#exact = exact;
    this.#order = operations.map((_, at) => at);
    this.#order.sort((a, b) => this.#of(a).invokedUs - this.#of(b).invokedUs || a - b);
    this.#count = operations.length;
    this.#next = Int32Array.from({ length: this.#count + 1 }, (_, at) => (at + 1) % (this.#count + 1));
    this.#previous = Int32Array.from({ length: this.#count + 1 }, (_, at) =>
      at === 0 ? this.#count : at - 1,
    );
    this.#taken = new Uint8Array(this.#count);
    this.#kinds = this.#kindsOf();
    this.#mayExpire = options.mayExpire;
    this.#maxSteps = options.maxSteps ?? 400_000;
    for (const { completedUs } of operations) {
      if (completedUs !== open) this.#mustComplete++;
    }
  }

  run(): SearchResult {
    const toComplete = this.#mustComplete;
    const path: { move: Move; before: State; moves: Move[]; tried: number }[] = [];
    let moves = this.#moves();
    let tried = 0;
    while (this.#mustComplete > 0) {
      const move = moves[tried];
      if (move !== undefined) {
        path.push({ move, before: this.#state, moves, tried: tried + 1 });
        this.#take(move);
        if (++this.#steps > this.#maxSteps) return { verdict: 'undecided', stuckAt: [], steps: this.#steps };
        moves = this.#dead.size > 0 && this.#dead.has(this.#key()) ? [] : this.#moves();
        tried = 0;
        continue;
      }
      this.#remember(toComplete - this.#mustComplete);
      const back = path.pop();
      if (back === undefined) {
        return { verdict: 'not-linearizable', stuckAt: this.#stuckAt, steps: this.#steps };
      }
      this.#giveBack(back.move, back.before);
      ({ moves, tried } = back);
    }
    return { verdict: 'linearizable', stuckAt: [], steps: this.#steps };
  }

  #kindsOf(): Int32Array {
    const known = new Map<string, number>();
    return Int32Array.from(this.#order, (at) => {
      const { completedUs, possibilities } = this.#of(at);
      if (completedUs !== open) return 0;
      const text = possibilities.map(({ when, state, becomes }) => `${when} ${state} ${becomes}`).join();
      const kind = known.get(text) ?? known.size + 1;
      known.set(text, kind);
      return kind;
    });
  }

  #of(at: number): RegisterOperation {
    return this.#operations[at] as RegisterOperation;
  }

  #at(place: number): RegisterOperation {
    return this.#of(this.#order[place] as number);
  }

  /** What may come next here, best guess first. */
  #moves(): Move[] {
    const moves: Move[] = [];
    const hints: number[] = [];
    let firstCompletedUs = open;
    /** Which should come next, whether it can or not. */
    let wanted: RegisterOperation | undefined;
    const look = ++this.#looks;
    for (let place = this.#first(); place < this.#count; place = this.#next[place] as number) {
      const operation = this.#at(place);
      if (operation.invokedUs > firstCompletedUs) break;
      if (operation.completedUs < firstCompletedUs) firstCompletedUs = operation.completedUs;
      const kind = this.#kinds[place] as number;
      if (kind > 0) {
        // Open operations that do the same are interchangeable: the one that began first will do.
        if (this.#metAt[kind] === look) continue;
        this.#metAt[kind] = look;
      } else if (wanted === undefined || operation.hint < wanted.hint) wanted = operation;
      for (const possibility of operation.possibilities) {
        const becomes = outcome(possibility, this.#state);
        if (becomes === undefined || (kind > 0 && becomes === this.#state)) continue;
        if (kind === 0 && operation.possibilities.length === 1 && possibility.becomes === undefined)
          return [{ operation: place, becomes }];
        let at = moves.length;
        while (at > 0 && (hints[at - 1] as number) > operation.hint) at--;
        moves.splice(at, 0, { operation: place, becomes });
        hints.splice(at, 0, operation.hint);
      }
    }
    if (this.#mayExpire?.has(this.#state)) moves.push({ operation: -1, becomes: absent });
    return wanted === undefined || feasible(wanted, this.#state) ? moves : this.#helpfulFirst(moves, wanted);
  }

  /** What nobody was told of may have made it possible: a lease that ended, an operation without an answer. */
  #helpfulFirst(moves: readonly Move[], wanted: RegisterOperation): Move[] {
    const helpful: Move[] = [];
    const others: Move[] = [];
    for (const move of moves) {
      const untold = move.operation < 0 || (this.#kinds[move.operation] as number) > 0;
      if (untold && feasible(wanted, move.becomes)) helpful.unshift(move);
      else others.push(move);
    }
    return [...helpful, ...others];
  }

  #first(): number {
    return this.#next[this.#count] as number;
  }

  #take({ operation, becomes }: Move): void {
    this.#state = becomes;
    if (operation < 0) return;
    const next = this.#next[operation] as number;
    const previous = this.#previous[operation] as number;
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#taken[operation] = 1;
    this.#mix(operation);
    if (this.#at(operation).completedUs !== open) this.#mustComplete--;
  }

  #giveBack({ operation }: Move, before: State): void {
    this.#state = before;
    if (operation < 0) return;
    this.#next[this.#previous[operation] as number] = operation;
    this.#previous[this.#next[operation] as number] = operation;
    this.#taken[operation] = 0;
    this.#mix(operation);
    if (this.#at(operation).completedUs !== open) this.#mustComplete++;
  }

  #remember(completed: number): void {
    this.#dead.add(this.#key());
    if (completed <= this.#mostTaken) return;
    this.#mostTaken = completed;
    const stuck: number[] = [];
    for (let place = this.#first(); place < this.#count; place = this.#next[place] as number) {
      if (this.#at(place).completedUs !== open) stuck.push(this.#order[place] as number);
      if (stuck.length === 4) break;
    }
    this.#stuckAt = stuck;
  }

  #mix(place: number): void {
    this.#upper ^= scattered(2 * place + 1);
    this.#lower ^= scattered(2 * place + 2);
  }

  #key(): string | number {
    if (this.#exact) return this.#words();
    const upper = (this.#upper ^ scattered(this.#state + 0x40000000)) >>> 0;
    return upper * 0x200000 + ((this.#lower ^ this.#state) & 0x1fffff);
  }

  /** What is left, as the places up to the first of a run without gaps, and the state. */
  #words(): string {
    let key = `${this.#state}`;
    let place = this.#first();
    let lastTaken = this.#count - 1;
    while (lastTaken >= 0 && this.#taken[lastTaken] === 0) lastTaken--;
    while (place < lastTaken) {
      key += `,${place}`;
      place = this.#next[place] as number;
    }
    return `${key};${lastTaken}`;
  }
}
