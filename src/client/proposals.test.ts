import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import type { ProposeRequest, ProposeResponse } from '../wire/index.ts';
import { Endpoints } from './endpoints.ts';
import { Proposals } from './proposals.ts';
import type { Transport, UnaryOptions } from './transport.ts';

interface Sent {
  readonly proposal: ProposeRequest;
  answer(): void;
  fail(error: ConclaveError): void;
}

/** A server that answers a proposal when it is told to. */
function setUp() {
  const runtime = manualRuntime();
  const sent: Sent[] = [];
  const unary = (method: { readonly path: string }, request: unknown, { signal }: UnaryOptions) => {
    if (method.path.endsWith('RegisterClient')) return Promise.resolve({ incarnation: 7 });
    const { promise, resolve, reject } = Promise.withResolvers<ProposeResponse>();
    const proposal = request as ProposeRequest;
    const $case = proposal.request?.$case ?? 'txn';
    sent.push({
      proposal,
      answer: () => resolve({ response: { $case, value: {} } } as unknown as ProposeResponse),
      fail: reject,
    });
    signal?.addEventListener('abort', () => reject(ConclaveError.aborted('Proposing', signal)));
    return promise;
  };
  const transport = { endpoint: 'a', onBreak: () => () => {}, close: () => {}, unary };
  const endpoints = new Endpoints({
    ...{ endpoints: ['a'], transport: () => transport as unknown as Transport, runtime, timeoutMs: 1000 },
    silence: { silenceMs: 60_000, probeTimeoutMs: 60_000 },
  });
  const proposals = new Proposals({ endpoints, runtime, name: 'test', timeoutMs: 1000 });
  const put = (key: string, signal?: AbortSignal) => {
    const value = { key: new TextEncoder().encode(key), value: new Uint8Array(0) };
    const putting = proposals.propose('put', value as never, 'Putting a key', { ...(signal && { signal }) });
    putting.catch(() => {});
    return putting;
  };
  const told = () =>
    sent.map(({ proposal: { sequence, acknowledgedBelow, request } }) => [
      ...[request?.$case, sequence, acknowledgedBelow],
    ]);
  const giveUp = async () => {
    const leave = new AbortController();
    put('given up', leave.signal);
    await runtime.advance(1);
    leave.abort();
  };
  const giveUpOutOfTurn = async () => {
    put('waits for long');
    await runtime.advance(1);
    await giveUp();
  };
  return { runtime, sent, put, told, giveUp, giveUpOutOfTurn };
}

test('what is given up is annulled by the next proposal, where nothing earlier waits for its answer', async () => {
  const { runtime, put, told, giveUp } = setUp();
  await giveUp();
  put('next');
  await runtime.advance(1);
  assert.deepEqual(told(), [
    ['put', 1, 1],
    ['put', 2, 2],
  ]);
});

test('where something earlier does, what is given up gets nothing to do under its own number first', async () => {
  const { runtime, sent, put, told, giveUpOutOfTurn } = setUp();
  await giveUpOutOfTurn();
  const next = put('next');
  await runtime.advance(1);
  assert.deepEqual(told(), [
    ['put', 1, 1],
    ['put', 2, 1],
    ['txn', 2, 1],
  ]);
  sent[2]?.answer();
  await runtime.advance(1);
  assert.deepEqual(told().at(-1), ['put', 3, 1]);
  sent[3]?.answer();
  await next;
  put('after');
  await runtime.advance(1);
  assert.deepEqual(told().slice(4), [['put', 4, 1]], 'once is enough');
});

test('it is tried again until it is answered, and a number that is used up is an answer', async () => {
  const { runtime, sent, put, told, giveUpOutOfTurn } = setUp();
  await giveUpOutOfTurn();
  put('next');
  await runtime.advance(1);
  const lost = new ConclaveError('unavailable', 'The connection broke.', {
    retryable: true,
    outcome: 'unknown',
  });
  sent[2]?.fail(lost);
  await runtime.advance(100);
  assert.deepEqual(told().slice(2), [
    ['txn', 2, 1],
    ['txn', 2, 1],
  ]);
  sent[3]?.fail(
    new ConclaveError('failed-precondition', 'That number is forgotten.', { outcome: 'unknown' }),
  );
  await runtime.advance(1);
  assert.deepEqual(told().at(-1), ['put', 3, 1]);
});

test('what was never sent, or was answered, is annulled by nobody', async () => {
  const { runtime, sent, put, told } = setUp();
  put('waits for long');
  await runtime.advance(1);
  const gone = new AbortController();
  gone.abort();
  put('never sent', gone.signal);
  const refused = put('refused');
  await runtime.advance(1);
  sent[1]?.fail(new ConclaveError('permission-denied', 'No.'));
  await assert.rejects(refused, { code: 'permission-denied' });
  put('next');
  await runtime.advance(1);
  assert.deepEqual(
    told().map(([kind]) => kind),
    ['put', 'put', 'put'],
  );
});
