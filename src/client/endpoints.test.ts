import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { type AttemptOptions, Endpoints, outOfTime } from './endpoints.ts';
import type { Transport } from './transport.ts';

test('when time is up the last failure gives the code, as far as it tells more than that time passed', () => {
  const after = (code: ConstructorParameters<typeof ConclaveError>[0], ambiguous = false) =>
    outOfTime('Putting a key', 250, ambiguous, new ConclaveError(code, 'So it was.', { retryable: true }));
  assert.equal(after('no-leader').code, 'no-leader');
  assert.equal(after('timeout').code, 'timeout');
  assert.equal(after('no-leader', true).code, 'timeout', 'an earlier attempt may have been applied');
  assert.equal(after('no-leader', true).outcome, 'unknown');
  assert.equal(after('closed').code, 'unavailable', 'the member was stopping, not this client');
  assert.match(
    after('closed').message,
    /did not succeed within 250 ms. The last attempt failed: So it was\./,
  );
});

/** Nobody is there; the last attempt has too little time left even to learn that. */
async function attemptsThatEndInATimeout(options: AttemptOptions) {
  const runtime = manualRuntime();
  const transport = { endpoint: 'a', onBreak: () => () => {}, close: () => {} } as unknown as Transport;
  const silence = { silenceMs: 1000, probeTimeoutMs: 1000 };
  const endpoints = new Endpoints({
    endpoints: ['a'],
    transport: () => transport,
    runtime,
    silence,
    timeoutMs: 100,
  });
  const failed = endpoints
    .run('Reading keys', options, async (_link, { timeoutMs }) => {
      const outcome = timeoutMs > 50 ? 'not-applied' : 'unknown';
      throw new ConclaveError(timeoutMs > 50 ? 'unavailable' : 'timeout', 'No.', {
        retryable: true,
        outcome,
      });
    })
    .catch((error: unknown) => error);
  await runtime.advance(200);
  return { error: (await failed) as ConclaveError, trouble: endpoints.trouble?.code };
}

test('a last attempt that had no time to learn anything does not hide what an earlier one learnt', async () => {
  const { error, trouble } = await attemptsThatEndInATimeout({ changesNothing: true });
  const { code, outcome } = error;
  assert.deepEqual({ code, outcome }, { code: 'unavailable', outcome: 'not-applied' });
  assert.equal(trouble, 'unavailable', 'so who waits for a registration is told as well');
});

test('of a mutation such an attempt leaves unknown what became of it', async () => {
  const { code, outcome } = (await attemptsThatEndInATimeout({})).error;
  assert.deepEqual({ code, outcome }, { code: 'timeout', outcome: 'unknown' });
});

test('of a mutation that may have been applied, a refusal for who asks says nothing', async () => {
  const runtime = manualRuntime();
  const transport = { endpoint: 'a', onBreak: () => () => {}, close: () => {} } as unknown as Transport;
  const options = { transport: () => transport, runtime, silence: { silenceMs: 1000, probeTimeoutMs: 1000 } };
  const refused = async (first: ConclaveError, then: ConclaveError): Promise<ConclaveError> => {
    const endpoints = new Endpoints({ endpoints: ['a'], timeoutMs: 100, ...options });
    const errors = [first, then];
    const failed = endpoints.run('Putting a key', {}, () => Promise.reject(errors.shift()));
    const caught = failed.catch((error: unknown) => error as ConclaveError);
    await runtime.advance(50);
    return await caught;
  };
  const lost = (outcome: 'unknown' | 'not-applied') =>
    new ConclaveError('unavailable', 'It broke.', { retryable: true, outcome });
  const denied = new ConclaveError('permission-denied', 'No.');
  assert.equal((await refused(lost('unknown'), denied)).outcome, 'unknown');
  assert.equal((await refused(lost('not-applied'), denied)).outcome, 'not-applied');
  const isThere = new ConclaveError('already-exists', 'It is there.');
  assert.equal((await refused(lost('unknown'), isThere)).outcome, 'not-applied');
});

test('an endpoint that takes what may be repeated and does not answer leaves the others their share of the time', async () => {
  const runtime = manualRuntime();
  const endpoints = new Endpoints({
    endpoints: ['a', 'b', 'c'],
    transport: (endpoint) => ({ endpoint, onBreak: () => () => {}, close: () => {} }) as unknown as Transport,
    runtime,
    silence: { silenceMs: 1000, probeTimeoutMs: 1000 },
    timeoutMs: 6000,
  });
  const asked: number[] = [];
  const run = (options: AttemptOptions): Promise<unknown> => {
    asked.length = 0;
    return endpoints
      .run('Putting a key', options, async (_link, { timeoutMs }) => {
        asked.push(timeoutMs);
        if (asked.length === 3) return 'done';
        await new Promise<void>((resolve) => runtime.timers.after(timeoutMs, resolve));
        throw new ConclaveError('timeout', 'No answer.', { retryable: true, outcome: 'unknown' });
      })
      .catch((error: unknown) => (error as ConclaveError).code);
  };
  const outcomeOf = async (options: AttemptOptions): Promise<unknown> => {
    const outcome = run(options);
    for (let passed = 0; passed < 70; passed++) await runtime.advance(100);
    return await outcome;
  };
  assert.equal(await outcomeOf({ mayRepeat: true }), 'done');
  assert.deepEqual(asked, [2000, 2000, 2000]);
  assert.equal(await outcomeOf({ changesNothing: true, timeoutMs: 4000 }), 'done');
  assert.deepEqual(asked, [1500, 1500, 1000]);
  assert.equal(await outcomeOf({}), 'timeout', 'what may not be repeated has one attempt');
  assert.deepEqual(asked, [6000]);
});
