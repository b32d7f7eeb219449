/** For tests: processes that stop at a step of theirs, and a world that time passes in. */
import { sessionWith, storeWith } from '../../src/conformance/wrapping.ts';
import type { LeaseStore } from '../../src/election/index.ts';
import type { OnceContext } from '../../src/fencing/once/index.ts';
import { type ManualRuntime, manualRuntime } from '../../src/runtime/testing.ts';
import { memoryStore } from '../../src/stores/memory.ts';

/** Lets time pass until the promise has settled; gives what it came to, as a value. */
export async function passUntil<T>(
  runtime: ManualRuntime,
  promise: Promise<T>,
  stepMs = 100,
): Promise<{ readonly value: T } | { readonly error: unknown }> {
  let settled: { readonly value: T } | { readonly error: unknown } | undefined;
  promise.then(
    (value) => (settled = { value }),
    (error: unknown) => (settled = { error }),
  );
  for (let step = 0; step < 5000; step++) {
    await runtime.advance(settled === undefined && step > 0 ? stepMs : 0);
    if (settled !== undefined) return settled;
  }
  throw new Error('It does not come to an end.');
}

/** The value, once time has passed; fails with what the promise failed with. */
export async function resultOf<T>(runtime: ManualRuntime, promise: Promise<T>): Promise<T> {
  const ended = await passUntil(runtime, promise);
  if ('error' in ended) throw ended.error;
  return ended.value;
}

export async function errorOf(runtime: ManualRuntime, promise: Promise<unknown>): Promise<unknown> {
  const ended = await passUntil(runtime, promise);
  if ('error' in ended) return ended.error;
  throw new Error(`It succeeded with ${JSON.stringify(ended.value)}.`);
}

export interface StoppingStore {
  /** As this process sees the store. */
  readonly store: LeaseStore;
  /** What it asked for, in order: 'read', 'acquire', … and what the test has put in between. */
  readonly steps: readonly string[];
  readonly stopped: boolean;
  /** A step of the process that is none of the store's. Stops there like at the others. */
  step(name: string): Promise<void>;
  /** All that it waited for goes on from where it was. */
  resume(): void;
}

/**
 * The process stops at its `at`-th step, counted from 0: before the store hears of it, or after the store has carried
 * it out and before the answer. From there on nothing of it happens, its renewals included, until `resume`.
 */
export function stopping(store: LeaseStore, at: number, when: 'before' | 'after'): StoppingStore {
  const steps: string[] = [];
  let stopped = false;
  const { promise: resumed, resolve: resume } = Promise.withResolvers<void>();
  const running = async () => {
    if (stopped) await resumed;
  };
  const taking = async <T>(name: string, call: () => Promise<T>): Promise<T> => {
    await running();
    const mine = steps.push(name) - 1 === at;
    if (mine && when === 'before') stopped = true;
    await running();
    const value = await call();
    if (mine && when === 'after') stopped = true;
    await running();
    return value;
  };
  /** Not counted: when they happen is up to the clock. */
  const unless = async <T>(call: () => Promise<T>): Promise<T> => {
    await running();
    return await call();
  };
  const wrapped = storeWith(store, {
    read: (name, options) => taking('read', () => store.read(name, options)),
    watch: async function* (name, options) {
      for await (const state of store.watch(name, options)) {
        await running();
        yield state;
      }
    },
    openSession: async (options) => {
      const session = await taking('openSession', () => store.openSession(options));
      return sessionWith(session, {
        renew: (more) => unless(() => session.renew(more)),
        acquire: (name, more) => taking('acquire', () => session.acquire(name, more)),
        withdraw: (name, more) => unless(() => session.withdraw(name, more)),
        writeRecord: (name, token, record, more) =>
          taking('writeRecord', () => session.writeRecord(name, token, record, more)),
        release: (name, token, more) => taking('release', () => session.release(name, token, more)),
        [Symbol.asyncDispose]: () => unless(async () => session[Symbol.asyncDispose]()),
      });
    },
  });
  return {
    store: wrapped,
    steps,
    get stopped() {
      return stopped;
    },
    step: (name) => taking(name, async () => {}),
    resume() {
      stopped = false;
      resume();
    },
  };
}

export function world() {
  const runtime = manualRuntime();
  const store = memoryStore({ runtime });
  return { runtime, store, options: { runtime, ttlMs: 1000 } };
}

/** A function that waits until it is told to go on. */
export function held<T>(value: T) {
  const gate = Promise.withResolvers<void>();
  const contexts: OnceContext[] = [];
  const fn = async (context: OnceContext) => {
    contexts.push(context);
    await gate.promise;
    return value;
  };
  return { fn, contexts, open: () => gate.resolve() };
}
