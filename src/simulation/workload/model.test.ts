import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type Command,
  type CommandOutcome,
  encodeBatch,
  Keyspace,
  type Operation,
  type TxnResult,
} from '../../keyspace/index.ts';
import type { Pair, StepAnswer } from './history.ts';
import { ModelKeyspace } from './model.ts';
import { bytesOf, pairOf, textOf } from './model-values.ts';

const text = fc.constantFrom('a', 'b', 'c', 'd');
const lease = fc.constantFrom(0n, 0n, 1n, 2n);
const end = fc.constantFrom('', '', 'c', '\0');
const put = fc
  .record({ key: text, value: text, lease, prevKv: fc.boolean() })
  .map(({ key, value, ...rest }): Operation & { type: 'put' } => ({
    type: 'put',
    request: { key: bytesOf(key), value: bytesOf(value), ...rest, ignoreValue: false, ignoreLease: false },
  }));
const erase = fc.tuple(text, end).map(([key, rangeEnd]): Operation & { type: 'deleteRange' } => ({
  type: 'deleteRange',
  request: { key: bytesOf(key), rangeEnd: bytesOf(rangeEnd), prevKv: true },
}));
const compare = fc.record({
  key: text.map(bytesOf),
  rangeEnd: end.map(bytesOf),
  result: fc.constantFrom('equal' as const, 'not-equal' as const, 'less' as const, 'greater' as const),
  target: fc.oneof(
    fc.record({
      kind: fc.constantFrom('version' as const, 'create' as const, 'mod' as const),
      revision: fc.nat(5),
    }),
    fc.record({ kind: fc.constant('value' as const), value: text.map(bytesOf) }),
    fc.record({ kind: fc.constant('lease' as const), lease }),
  ),
});
const order = fc.oneof(
  fc.constant({ sortOrder: 'none' as const, sortTarget: 'key' as const }),
  fc.record({
    sortOrder: fc.constantFrom('ascend' as const, 'descend' as const),
    sortTarget: fc.constantFrom('key', 'version', 'create', 'mod', 'value'),
  }),
);
const look = fc
  .record({
    ...{ key: text, rangeEnd: end, order, limit: fc.nat(2), revision: fc.nat(9) },
    ...{ keysOnly: fc.boolean(), countOnly: fc.boolean() },
  })
  .map(({ key, rangeEnd, order: { sortOrder, sortTarget }, ...rest }): Operation & { type: 'range' } => ({
    type: 'range',
    request: {
      ...{ key: bytesOf(key), rangeEnd: bytesOf(rangeEnd), sortOrder, sortTarget, ...rest },
      ...{ minModRevision: 0, maxModRevision: 0, minCreateRevision: 0, maxCreateRevision: 0 },
    },
  }));
const steps = fc.array(fc.oneof(put, erase, look), { maxLength: 2 });
const compares = fc.array(compare, { maxLength: 2 });
const innerTxn = fc.record({ compare: compares, success: steps, failure: steps });
const within = innerTxn.map((request): Operation => ({ type: 'txn', request }));
const outerSteps = fc.array(fc.oneof({ weight: 4, arbitrary: fc.oneof(put, erase, look) }, within), {
  maxLength: 3,
});
const txn = fc.record({ compare: compares, success: outerSteps, failure: outerSteps });
const command: fc.Arbitrary<Command> = fc.oneof(
  put,
  erase,
  txn.map((request) => ({ type: 'txn' as const, request })),
  fc.array(txn, { maxLength: 2 }).map((requests) => ({ type: 'txnSequence' as const, requests })),
  fc.record({ type: fc.constant('compact' as const), revision: fc.nat(12) }),
  fc.record({
    type: fc.constant('leaseGrant' as const),
    lease: fc.constantFrom(1n, 2n),
    ttlMs: fc.integer({ min: 1, max: 30 }),
  }),
  fc.record({ type: fc.constant('leaseRevoke' as const), lease: fc.constantFrom(1n, 2n) }),
  fc.record({ type: fc.constant('leaseRenew' as const), leases: fc.constant([1n, 2n]) }),
  fc.record({ type: fc.constant('attach' as const), lease: fc.constantFrom(1n, 2n) }),
  fc.record({
    type: fc.constant('detach' as const),
    lease: fc.constantFrom(1n, 2n),
    attachment: fc.nat(2),
    graceMs: fc.nat(9),
  }),
);

/** A branch with all that its looks show, those of transactions in it too. */
function ofBranch({ succeeded, responses }: TxnResult): string {
  const parts = responses.map((response) => {
    if (response.type === 'txn') return ofBranch(response.result);
    if (response.type === 'deleteRange') return `${response.result.deleted}`;
    return response.type === 'put' ? 'put' : ofLook(response.result.kvs.map(pairOf), response.result);
  });
  return `${succeeded}(${parts.join(' ')})`;
}

function ofModelBranch(answer: StepAnswer): string {
  if (answer.type === 'delete') return `${answer.deleted}`;
  if (answer.type === 'range') return ofLook(answer.pairs, answer);
  if (answer.type === 'put') return 'put';
  return `${answer.succeeded}(${answer.responses.map(ofModelBranch).join(' ')})`;
}

function ofLook(pairs: readonly Pair[], { count, more }: { count: number; more: boolean }): string {
  return `${pairs.map(({ key, value, mod }) => `${key}=${value}@${mod}`).join()} of ${count}${more ? '+' : ''}`;
}

/** What both say of an outcome, in one form. */
function summary(outcome: CommandOutcome): string {
  if (outcome.type === 'failed') return outcome.failure;
  if (outcome.type === 'txn') return ofBranch(outcome.result);
  if (outcome.type === 'txnSequence') return outcome.results.map(({ result }) => ofBranch(result)).join();
  if (outcome.type === 'leaseRenew') return outcome.ttlsMs.join();
  if (outcome.type === 'deleteRange') return `${outcome.result.deleted}`;
  return 'done';
}

function modelSummary(answer: ReturnType<ModelKeyspace['apply']>): string {
  if (answer.type === 'failed') return answer.failure;
  if (answer.type === 'txn') return ofModelBranch(answer);
  if (answer.type === 'sequence') return answer.answers.map(ofModelBranch).join();
  if (answer.type === 'renew') return answer.ttlsMs.join();
  return answer.type === 'delete' ? `${answer.deleted}` : 'done';
}

test('The model and the keyspace agree on answers, revisions and contents, leases that end included', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(command, fc.nat(12)), { maxLength: 40 }), (commands) => {
      const keyspace = new Keyspace();
      const model = new ModelKeyspace();
      let timeMs = 0;
      commands.forEach(([one, laterMs], at) => {
        timeMs += laterMs;
        const batch = encodeBatch({ timeMs, commands: [{ command: one, identity: undefined }] });
        const [result] = keyspace.apply(at + 1, batch);
        model.begin(timeMs);
        const answer = model.apply(one);
        assert.equal(modelSummary(answer), summary(result?.outcome ?? { type: 'tick' }));
        assert.equal(model.revision, keyspace.revision);
        assert.equal(model.compactRevision, keyspace.compactRevision);
      });
      const all = keyspace.range({
        ...{
          key: bytesOf('a'),
          rangeEnd: bytesOf('\0'),
          limit: 0,
          revision: 0,
          keysOnly: false,
          countOnly: false,
        },
        ...{ sortOrder: 'none', sortTarget: 'key', minModRevision: 0, maxModRevision: 0 },
        ...{ minCreateRevision: 0, maxCreateRevision: 0 },
      });
      assert.ok(!('failed' in all));
      const pairs = all.kvs.map((kv) => ({
        ...{ key: textOf(kv.key), value: textOf(kv.value), create: kv.createRevision, mod: kv.modRevision },
        ...{ version: kv.version, lease: kv.lease },
      }));
      assert.deepEqual(model.rangeAt('a', '\0', model.revision), pairs);
    }),
    { numRuns: 500 },
  );
});
