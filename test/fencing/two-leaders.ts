// The one test that every guard must pass: two leaders by force. The first is paused on its way into the resource,
// at every point in turn, past its lease; the second is elected and writes; the first wakes up and goes on.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Candidate, type Leadership } from '../../src/election/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import type { FencedLeadership } from '../../src/fencing/index.ts';
import { type ManualRuntime, manualRuntime } from '../../src/runtime/testing.ts';
import { memoryStore } from '../../src/stores/memory.ts';

/** One resource, fresh and empty, behind the guard under test. */
export interface GuardedResource extends AsyncDisposable {
  /**
   * Appends `value` as this leader, by the guard's own public API. `step` is to be awaited right before everything
   * that reaches the outside world (each query, request or system call) and once after the last: there the leader can
   * be paused. Fails as the guard does.
   */
  append(leadership: FencedLeadership, value: string, step: () => Promise<void>): Promise<void>;
  /** All values as any reader sees them, in the order in which they took effect. */
  values(): Promise<readonly string[]>;
}

export interface TwoLeadersOptions {
  /** How long the second leader may be held up by what the first holds (a row lock) before the first goes on. */
  readonly blockedMs?: number;
  /** Refusals besides 'stale-token' by which the resource itself shuts the first leader out. */
  readonly refusals?: readonly string[];
}

/** `open` is called once for each point at which the first leader is paused. */
export function testTwoLeaders(
  guard: string,
  open: () => Promise<GuardedResource>,
  options: TwoLeadersOptions = {},
): void {
  test(`${guard}: a leader paused past its lease at any point changes nothing once another has written`, async (context) => {
    let refused = 0;
    for (let point = 1; ; point += 1) {
      const outcome = await pausedAt(point, open, options);
      if (outcome === 'not-reached') {
        assert(point > 2, 'the guard must offer points to pause at');
        break;
      }
      if (outcome === 'refused') refused += 1;
    }
    assert(refused > 0, 'at least once the guard itself must have refused the stale leader');
    context.diagnostic(`${guard}: refused at ${refused} points`);
  });
}

async function pausedAt(
  point: number,
  open: () => Promise<GuardedResource>,
  { blockedMs = 300, refusals = [] }: TwoLeadersOptions,
): Promise<'refused' | 'was-first' | 'not-reached'> {
  await using resource = await open();
  const runtime = manualRuntime();
  await using store = memoryStore({ runtime });
  const first = await lead(store, runtime, 'first');
  await resource.append(believing(first), 'first: before', async () => {});

  const reached = Promise.withResolvers<void>();
  const resumed = Promise.withResolvers<void>();
  let steps = 0;
  const late = settled(
    resource.append(believing(first), 'first: late', async () => {
      steps += 1;
      if (steps !== point) return;
      reached.resolve();
      await resumed.promise;
    }),
  );
  await Promise.race([reached.promise, late]);
  if (steps < point) {
    assert.equal((await late).error, undefined, 'undisturbed it must get through');
    return 'not-reached';
  }

  const second = await succeed(store, runtime, first);
  const now = settled(resource.append(second, 'second', async () => {}));
  await Promise.race([now, new Promise((resolve) => setTimeout(resolve, blockedMs))]);
  resumed.resolve();
  const [stale, fresh] = [await late, await now];
  assert.equal(fresh.error, undefined, `paused at point ${point}: the newer leader must get through`);
  const wasFirst = ['first: before', 'first: late', 'second'];
  const values = await resource.values();
  if (stale.error === undefined) assert.deepEqual(values, wasFirst, `paused at point ${point}`);
  else {
    assertRefusal(stale.error, refusals, point);
    // A write that took effect before the newer one, and whose answer came too late, is allowed; nothing after it.
    if (values.length !== 2) assert.deepEqual(values, wasFirst, `paused at point ${point}`);
    else assert.deepEqual(values, ['first: before', 'second'], `paused at point ${point}`);
  }

  const again = await settled(resource.append(believing(first), 'first: again', async () => {}));
  assertRefusal(again.error, [], point);
  await resource.append(second, 'second: again', async () => {});
  assert.deepEqual(await resource.values(), [...values, 'second: again']);
  return stale.error === undefined ? 'was-first' : 'refused';
}

function assertRefusal(error: unknown, refusals: readonly string[], point: number): void {
  assert(ConclaveError.is(error), `paused at point ${point}: it failed with ${String(error)}`);
  assert(
    ['stale-token', ...refusals].includes(error.code),
    `paused at point ${point}: ${error.code}: ${error.message}`,
  );
}

async function lead(
  store: ReturnType<typeof memoryStore>,
  runtime: ManualRuntime,
  holder: string,
): Promise<Leadership> {
  return await new Candidate(store, 'jobs', { holder, ttlMs: 1000, runtime }).campaign();
}

/** Time passes over the first leader's lease: its process is paused, so it renews nothing. */
async function succeed(
  store: ReturnType<typeof memoryStore>,
  runtime: ManualRuntime,
  first: Leadership,
): Promise<Leadership> {
  await runtime.clock.stall(10_000);
  const second = await lead(store, runtime, 'second');
  assert(second.token > first.token);
  assert.throws(() => first.assertHeld(), { code: 'not-leading' });
  return second;
}

/** Its process was paused after it had looked at its clock: it still believes that it leads. */
function believing({ name, token }: Leadership): FencedLeadership {
  return { name, token, assertHeld: () => {} };
}

function settled(promise: Promise<unknown>): Promise<{ readonly error?: unknown }> {
  return promise.then(
    () => ({}),
    (error: unknown) => ({ error }),
  );
}
