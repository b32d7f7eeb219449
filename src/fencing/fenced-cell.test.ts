import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import type { Runtime } from '../runtime/types.ts';
import { type Cell, type CellState, type Fence, FencedCell } from './fenced-cell.ts';

interface State extends CellState<readonly string[]> {
  readonly etag: number;
}

/** What becomes of one request: 'late' ones are carried out after the answer was given up. */
type Fate = 'well' | 'lost-request' | 'lost-answer' | 'late' | 'very-late' | 'slow';

/** A store with a compare-and-swap on a network that does what the fates say. */
class TestCell implements Cell<readonly string[], State> {
  readonly name = 'Cell';
  readonly history: Fence[] = [];
  readonly late: Promise<unknown>[] = [];
  state: State = { exists: false, fence: undefined, content: [], etag: 0 };
  readonly #fates: Fate[];

  constructor(fates: readonly Fate[]) {
    this.#fates = [...fates];
  }

  async load(): Promise<State> {
    await this.#meet('read');
    return this.state;
  }

  async swap(current: State, content: readonly string[], fence: Fence): Promise<boolean> {
    const apply = () => {
      if (this.state.etag !== current.etag) return false;
      this.state = { exists: true, fence, content, etag: current.etag + 1 };
      this.history.push(fence);
      return true;
    };
    return (await this.#meet('write', apply)) ?? false;
  }

  async #meet(kind: 'read' | 'write', apply = () => true): Promise<boolean | undefined> {
    const fate = this.#fates.shift() ?? 'well';
    await turn();
    if (fate === 'slow') await later(8);
    if (fate === 'well' || fate === 'slow') return apply();
    if (fate === 'lost-answer') apply();
    if (fate === 'late') this.late.push(later(3).then(apply));
    if (fate === 'very-late') this.late.push(later(20).then(apply));
    throw new ConclaveError('unavailable', `No answer (${fate}).`, {
      outcome: kind === 'write' ? 'unknown' : 'not-applied',
      retryable: true,
    });
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
async function later(turns: number): Promise<void> {
  for (let count = 0; count < turns; count += 1) await turn();
}

/** Waits take no time, and still let others run. */
function hurried(): Runtime {
  const runtime = manualRuntime();
  const after = (_delayMs: number, callback: () => void) => {
    const pending = setImmediate(callback);
    return { cancel: () => clearImmediate(pending) };
  };
  const nextTurn = (callback: () => void) => void setImmediate(callback);
  return { ...runtime, timers: { after, nextTurn } };
}

const fate = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Fate>('well') },
  { weight: 1, arbitrary: fc.constantFrom<Fate>('lost-request', 'late', 'very-late') },
  { weight: 2, arbitrary: fc.constantFrom<Fate>('lost-answer', 'slow') },
);
const leader = (token: number) => ({ name: 'jobs', token, assertHeld: () => {} });

test('whatever is lost, late or slow: tokens never fall, and what was said to be written was written once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fate, { maxLength: 60, size: 'max' }),
      fc.array(fc.nat({ max: 1 }), { minLength: 3, maxLength: 8 }),
      async (fates, tokens) => {
        const cell = new TestCell(fates);
        // One for all: its random bytes must differ between writers.
        const runtime = hurried();
        const outcomes = await Promise.all(
          tokens.map(async (token, index) => {
            const fenced = new FencedCell(cell, { runtime });
            try {
              await fenced.update(leader(token), ({ content }) => [...content, String(index)], undefined);
              return 'written';
            } catch (error) {
              assert(ConclaveError.is(error), String(error));
              assert(['stale-token', 'unavailable'].includes(error.code), error.message);
              return error.outcome;
            }
          }),
        );
        await Promise.all(cell.late);
        const seen = cell.history.map(({ token }) => token);
        assert.deepEqual(
          seen,
          [...seen].sort((left, right) => left - right),
        );
        for (const [index, outcome] of outcomes.entries()) {
          const times = cell.state.content.filter((value) => value === String(index)).length;
          if (outcome === 'written') assert.equal(times, 1);
          else if (outcome === 'not-applied') assert.equal(times, 0);
          else assert(times <= 1);
        }
      },
    ),
    { numRuns: 1000 },
  );
});

test('a leadership that ends before a lost write is tried again leaves its outcome unknown', async () => {
  const cell = new TestCell(['well', 'very-late']);
  let looks = 0;
  const losing = {
    ...leader(1),
    assertHeld() {
      looks += 1;
      if (looks > 2) throw new ConclaveError('not-leading', 'It is over.');
    },
  };
  const write = new FencedCell(cell, { runtime: hurried() }).write(losing, () => ['late'], {});
  await assert.rejects(write, { code: 'not-leading', outcome: 'unknown' });
  await Promise.all(cell.late);
  assert.deepEqual(cell.state.content, ['late']);
});
