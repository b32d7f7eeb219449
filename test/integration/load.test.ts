// A cluster under full load whose members are killed and stopped at random, seen from outside alone: what clients were
// told has to be linearizable. CONCLAVE_LOAD_SEED and CONCLAVE_LOAD_SECONDS choose another run.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Operation } from '../../src/simulation/workload/history.ts';
import { TestCluster } from './cluster.ts';
import { disturb, Load, violations } from './load.ts';

const seed = Number(process.env.CONCLAVE_LOAD_SEED ?? Math.floor(Math.random() * 2 ** 31));
const seconds = Number(process.env.CONCLAVE_LOAD_SECONDS ?? 20);

/**
 * One answer that shows a value of which somebody had seen before it was asked that it was replaced; or, in a short run,
 * one that nobody wrote. A put that was not acknowledged may be late, so that nobody has seen it is not enough.
 */
function stale(history: readonly Operation[]): Operation[] {
  const wrong = [...history];
  const seen = new Map<string, { value: string; completedUs: number }>();
  const replaced = new Map<string, { value: string; completedUs: number }>();
  for (let at = 0; at < wrong.length; at++) {
    const operation = wrong[at] as Operation;
    const { call, answer, outcome, invokedUs, completedUs } = operation;
    if (outcome !== 'ok' || call.type !== 'range' || call.end !== '' || answer?.type !== 'range') continue;
    const [pair] = answer.pairs;
    if (pair === undefined) continue;
    const [old, first] = [replaced.get(call.key), seen.get(call.key)];
    if (old !== undefined && old.completedUs < invokedUs) {
      wrong[at] = { ...operation, answer: { ...answer, pairs: [{ ...pair, value: old.value }] } };
      return wrong;
    }
    if (first === undefined) seen.set(call.key, { value: pair.value, completedUs });
    else if (old === undefined && first.value !== pair.value && first.completedUs < invokedUs)
      replaced.set(call.key, { value: first.value, completedUs });
  }
  const at = wrong.findLastIndex(({ call, answer }) => answer?.type === 'range' && call.type === 'range');
  const operation = wrong[at] as Operation;
  assert.ok(operation?.answer?.type === 'range' && operation.call.type === 'range');
  const key = operation.call.end === '' ? operation.call.key : 'w/k0';
  const pair = { key, value: 'nobody', create: 1, mod: 1, version: 1, lease: 0n };
  wrong[at] = { ...operation, answer: { ...operation.answer, pairs: [pair] } };
  return wrong;
}

/** An acknowledged put of a value that somebody saw never took place. */
function lost(history: readonly Operation[]): Operation[] {
  const seen = new Set(
    history.flatMap(({ answer }) => (answer?.type === 'range' ? answer.pairs.map(({ value }) => value) : [])),
  );
  const put = history.find(
    ({ call, outcome }) => outcome === 'ok' && call.type === 'put' && seen.has(call.value),
  );
  assert.ok(put !== undefined);
  return history.filter((operation) => operation !== put);
}

test('what clients are told is linearizable while members are killed and stopped under full load', async (t) => {
  t.diagnostic(`CONCLAVE_LOAD_SEED=${seed} CONCLAVE_LOAD_SECONDS=${seconds}`);
  await using cluster = await TestCluster.start(3);
  await using load = new Load(cluster, seed, 16);
  const faults = await disturb(cluster, seed, seconds);
  await load.stop();
  const { operations } = load.history;
  const count = (outcome: string) => operations.filter((operation) => operation.outcome === outcome).length;
  const told = { ok: count('ok'), refused: count('not-applied'), unknown: count('unknown') };
  t.diagnostic(`${JSON.stringify(told)} under ${faults.map(({ fault }) => fault).join(', ')}`);
  assert.deepEqual(violations(operations), [], `seed ${seed}`);
  assert.ok(told.ok > 100, `${told.ok} operations were answered`);
  assert.equal(count('pending'), 0);
  // The checks can fail: the same history, made wrong in one place.
  assert.ok(violations(stale(operations)).length > 0, 'a stale read was not found');
  assert.ok(violations(lost(operations)).length > 0, 'a lost write was not found');
  const late = operations.findLast(({ answer }) => answer?.type === 'range');
  const back = operations.map((one) =>
    one === late && one.answer?.type === 'range' ? { ...one, answer: { ...one.answer, revision: 1 } } : one,
  );
  assert.ok(violations(back).length > 0, 'a revision that went back was not found');
});
