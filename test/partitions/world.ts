/** Many processes with partitions in one test: each with a store that can hang and timers that can stand still. */
import assert from 'node:assert/strict';
import { sessionWith, storeWith } from '../../src/conformance/wrapping.ts';
import type { ElectionEvent, ElectionState, Leadership, LeaseStore } from '../../src/election/index.ts';
import { Partitions, type PartitionsEvent, type PartitionsOptions } from '../../src/partitions/index.ts';
import { type ManualRuntime, manualRuntime } from '../../src/runtime/testing.ts';
import type { Runtime } from '../../src/runtime/types.ts';
import { type MemoryStore, memoryStore } from '../../src/stores/memory.ts';
import { untilAborted } from '../until-aborted.ts';

/** Everything in it stands still while paused, but clocks: as a process that was stopped. */
export class Gate {
  #open: Promise<void> = Promise.resolve();
  #release: (() => void) | undefined;

  get isClosed(): boolean {
    return this.#release !== undefined;
  }

  close(): void {
    if (this.isClosed) return;
    this.#open = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  open(): void {
    this.#release?.();
    this.#release = undefined;
  }

  async pass<T>(value: T): Promise<T> {
    while (this.isClosed) await this.#open;
    return value;
  }

  runtime(runtime: Runtime): Runtime {
    return {
      ...runtime,
      timers: {
        after: (delayMs, callback) => {
          let open = true;
          const due = () => void this.pass(undefined).then(() => open && callback());
          const timer = runtime.timers.after(delayMs, () => (this.isClosed ? due() : callback()));
          return {
            cancel: () => {
              open = false;
              timer.cancel();
            },
          };
        },
        nextTurn: (callback) => runtime.timers.nextTurn(callback),
      },
    };
  }

  store(store: LeaseStore): LeaseStore {
    const call = async <T>(what: () => Promise<T>): Promise<T> => {
      await this.pass(undefined);
      const value = await what();
      return await this.pass(value);
    };
    const gate = this;
    const through = async function* <T>(states: AsyncIterable<T>) {
      for await (const state of states) yield await gate.pass(state);
    };
    return storeWith(store, {
      read: (name, options) => call(() => store.read(name, options)),
      watch: (name, options) => through(store.watch(name, options)),
      ...(store.watchAll && {
        watchAll: (prefix, options) => through(store.watchAll?.(prefix, options) ?? nothing()),
      }),
      openSession: (options) =>
        call(async () => {
          const session = await store.openSession(options);
          return sessionWith(session, {
            renew: (more) => call(() => session.renew(more)),
            acquire: (name, more) => call(() => session.acquire(name, more)),
            release: (name, token, more) => call(() => session.release(name, token, more)),
            withdraw: (name, more) => call(() => session.withdraw(name, more)),
            writeRecord: (name, token, record, more) =>
              call(() => session.writeRecord(name, token, record, more)),
            waitForTurn: async (name, outcome, more) =>
              gate.pass(await session.waitForTurn(name, outcome, more)),
          });
        }),
    });
  }
}

/** As a store that only knows who leads. */
export function hidingWaiters(store: LeaseStore): LeaseStore {
  const hidden = (state: ElectionState): ElectionState => ({ ...state, waiting: [] });
  return storeWith(store, {
    capabilities: { ...store.capabilities, orderedWaiters: false },
    read: async (name, options) => hidden(await store.read(name, options)),
    watch: async function* (name, options) {
      for await (const state of store.watch(name, options)) yield hidden(state);
    },
    ...(store.watchAll && {
      watchAll: async function* (prefix, options) {
        for await (const states of store.watchAll?.(prefix, options) ?? nothing())
          yield new Map([...states].map(([name, state]) => [name, hidden(state)]));
      },
    }),
    openSession: async (options) => {
      const session = await store.openSession(options);
      return sessionWith(session, {
        acquire: async (name, more) => {
          const outcome = await session.acquire(name, more);
          return outcome.status === 'waiting' ? { ...outcome, state: hidden(outcome.state) } : outcome;
        },
      });
    },
  });
}

async function* nothing(): AsyncGenerator<never> {}

export interface Job {
  readonly partition: string;
  readonly leadership: Leadership;
}

export class Process {
  readonly holder: string;
  readonly gate = new Gate();
  readonly partitions: Partitions;
  readonly events: (PartitionsEvent | ElectionEvent)[] = [];
  readonly jobs = new Set<Job>();
  /** How long a job goes on after it was told to stop. */
  drainsInMs = 0;
  crashed = false;

  constructor(world: World, holder: string, options: Partial<PartitionsOptions>) {
    this.holder = holder;
    const runtime = this.gate.runtime(world.runtime);
    this.partitions = new Partitions(this.gate.store(world.shownStore), 'work', {
      ...(options.keys === undefined && { count: 24 }),
      ttlMs: 1000,
      holder,
      runtime,
      onEvent: (event) => this.events.push(event),
      onAssigned: async (leadership, partition) => {
        const job = { partition, leadership };
        this.jobs.add(job);
        void leadership.ended.then((cause) => {
          if (cause === 'resigned' && this.jobs.has(job))
            world.faults.push(`${holder} resigned ${partition} too early`);
        });
        await untilAborted(leadership);
        if (this.drainsInMs > 0)
          await new Promise<void>((done) => void runtime.timers.after(this.drainsInMs, done));
        this.jobs.delete(job);
      },
      ...options,
    });
  }

  /** Gone for good, without a word. */
  crash(): void {
    this.crashed = true;
    this.gate.close();
  }

  get led(): readonly string[] {
    return [...this.jobs].map(({ partition }) => partition);
  }
}

export class World {
  readonly runtime: ManualRuntime;
  readonly store: MemoryStore;
  readonly processes: Process[] = [];
  /** What must not happen. */
  readonly faults: string[] = [];
  /** Without `watchAll`, for stores that have none. */
  shownStore: LeaseStore;

  constructor(seed = 1, options: { readonly watchAll?: boolean; readonly showsWaiters?: boolean } = {}) {
    this.runtime = manualRuntime({ seed });
    this.store = memoryStore({ runtime: this.runtime });
    this.shownStore = this.store;
    if (options.watchAll === false) {
      const { watchAll: _, ...rest } = storeWith(this.store, {});
      this.shownStore = rest;
    }
    if (options.showsWaiters === false) this.shownStore = hidingWaiters(this.shownStore);
  }

  start(holder: string, options: Partial<PartitionsOptions> = {}): Process {
    const process = new Process(this, holder, options);
    this.processes.push(process);
    return process;
  }

  get alive(): readonly Process[] {
    return this.processes.filter(({ crashed }) => !crashed);
  }

  /** Moves time on in small steps, and looks after each. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 25) {
      await this.runtime.advance(25);
      this.check();
    }
  }

  /** At most one leads each partition: a job that may run under a lease that lives. Crashed ones count too. */
  check(): void {
    assert.deepEqual(this.faults, []);
    const leaders = new Map<string, string>();
    for (const { holder, jobs } of this.processes) {
      for (const { partition, leadership } of jobs) {
        if (leadership.remainingMs() <= 0) continue;
        const other = leaders.get(partition);
        assert.equal(other, undefined, `${holder} and ${other} both lead ${partition}`);
        leaders.set(partition, holder);
      }
    }
  }

  /** Which process leads each partition now, by those that live. */
  leaders(): Map<string, string> {
    const found = new Map<string, string>();
    for (const { holder, jobs } of this.alive)
      for (const { partition, leadership } of jobs)
        if (!leadership.signal.aborted && leadership.remainingMs() > 0) found.set(partition, holder);
    return found;
  }

  async end(): Promise<void> {
    for (const { gate, crashed } of this.processes) if (!crashed) gate.open();
    let ended = false;
    const closing = Promise.all(this.alive.map(({ partitions }) => partitions[Symbol.asyncDispose]()));
    void closing.then(() => {
      ended = true;
    });
    for (let round = 0; round < 400 && !ended; round++) await this.pass(100);
    assert(ended, 'closing did not end');
  }
}
