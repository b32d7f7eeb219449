// Both sides of calls between threads, in one thread: batches are handed over by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CloseCause } from '../../runtime/types.ts';
import { withReady } from '../ready-answers.ts';
import { failure } from '../status.ts';
import { type CallContext, silentLogger } from '../types.ts';
import { BatchReader, BatchWriter } from './batch.ts';
import { Caller, CoreCalls, type FrontEndConnection } from './core-calls.ts';
import { windowBytes } from './records.ts';
import { type CoreMethod, ServedCalls } from './served-calls.ts';

const same = (message: unknown): Uint8Array => message as Uint8Array;

class OpenConnection implements FrontEndConnection {
  readonly id = 5;
  readonly remote = '10.0.0.1:4321';
  readonly commonName = 'app';
  readonly ended = new Promise<CloseCause>(() => {});
  endedBy: CloseCause | undefined;
  told = false;
}

/** A front end and a core that serves `method` to it. */
function linked(method: Pick<CoreMethod, 'shape'> & { handler: unknown }) {
  const later = (flush: () => void): void => queueMicrotask(flush);
  const send = (take: (reader: BatchReader) => void) => (batch: ArrayBuffer) => take(new BatchReader(batch));
  const nowMs = () => 0;
  const toCore = new BatchWriter({ send: send((reader) => served.take(reader)), later, nowMs });
  const toFrontEnd = new BatchWriter({ send: send((reader) => core.take(reader)), later, nowMs });
  const core = new CoreCalls(toCore);
  const methods = [{ path: '/a/B', decode: same, encode: same, ...method } as CoreMethod];
  const served = new ServedCalls({ methods, writer: toFrontEnd, logger: silentLogger, nowMs });
  const connection = new OpenConnection();
  const caller = (): Caller => new Caller(connection, 250, 'token', true);
  return { core, served, connection, caller };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
};

test('a handler sees who calls, from where, with what, and for how long', async () => {
  let seen: CallContext | undefined;
  const it = linked({
    shape: 'unary',
    async handler(request: Uint8Array, context: CallContext) {
      seen = context;
      return Uint8Array.from(request).reverse();
    },
  });
  assert.deepEqual([...(await it.core.unary(0, Uint8Array.of(1, 2, 3), it.caller()))], [3, 2, 1]);
  assert(seen !== undefined);
  assert.deepEqual([seen.token, seen.requiresLeader, seen.deadlineMs], ['token', true, 250]);
  assert.deepEqual([seen.connection.remote, seen.connection.commonName], ['10.0.0.1:4321', 'app']);
});

test('what a handler throws, and what cannot be decoded, are statuses', async () => {
  const it = linked({
    shape: 'unary',
    async handler() {
      throw failure('compacted');
    },
  });
  await assert.rejects(
    it.core.unary(0, Uint8Array.of(1), it.caller()),
    /required revision has been compacted/,
  );
});

for (const way of ['waiting for each', 'with all of them ready']) {
  test(`a handler is asked for no more answers than fit between the threads, until some are read: ${way}`, () =>
    asksForNoMore(way !== 'waiting for each'));
}

async function asksForNoMore(ready: boolean): Promise<void> {
  const answerBytes = 1000;
  let made = 0;
  const make = () => {
    made += 1;
    return new Uint8Array(answerBytes);
  };
  const iterate = async function* () {
    for (;;) yield make();
  };
  const it = linked({
    shape: 'server-stream',
    handler: () => (ready ? withReady(iterate(), make) : iterate()),
  });
  const answers = it.core.stream(0, new Uint8Array(), it.caller());
  await turns();
  const stalled = made;
  assert.ok(stalled > 1 && stalled <= windowBytes / answerBytes + 2, `${stalled} answers`);
  for (let read = 0; read < stalled; read++) assert.equal((await answers.next()).value?.length, answerBytes);
  await turns();
  assert.ok(made > stalled && made <= 3 * stalled);
  await answers.return(undefined);
}

test('requests are read no faster than the handler takes them', async () => {
  const requestBytes = 1000;
  const taking = Promise.withResolvers<void>();
  let [made, taken] = [0, 0];
  const it = linked({
    shape: 'duplex',
    async *handler(requests: AsyncIterable<Uint8Array>) {
      await taking.promise;
      for await (const request of requests) taken += request.length / requestBytes;
      yield Uint8Array.of(1);
    },
  });
  const last = 500;
  const requests = (async function* () {
    while (made < last) {
      made += 1;
      yield new Uint8Array(requestBytes);
    }
  })();
  const answers = it.core.stream(0, requests, it.caller());
  await turns();
  assert.ok(made > 1 && made <= windowBytes / requestBytes + 2, `${made} requests`);
  taking.resolve();
  assert.deepEqual([...((await answers.next()).value ?? [])], [1]);
  assert.deepEqual([made, taken], [last, last]);
  assert.equal((await answers.next()).done, true);
});

test('a call that is cancelled tells its handler why, after how its connection ended; its end is waited for', async () => {
  const told: unknown[] = [];
  const working = Promise.withResolvers<void>();
  const it = linked({
    shape: 'unary',
    handler(_request: Uint8Array, { signal, connection }: CallContext) {
      signal.addEventListener('abort', () => told.push(connection.endedBy, signal.reason.message));
      return working.promise.then(() => Uint8Array.of(1));
    },
  });
  const caller = it.caller();
  let settled = false;
  const answer = it.core.unary(0, Uint8Array.of(1), caller).finally(() => {
    settled = true;
  });
  await turns();
  it.connection.endedBy = 'peer';
  it.core.cancel(caller.id, failure('deadlineExceeded'));
  await turns();
  assert.deepEqual(told, ['peer', 'context deadline exceeded']);
  assert.equal(settled, false);
  working.resolve();
  assert.deepEqual([...(await answer)], [1]);
  // Both at once: what comes too late is for nobody.
  it.core.cancel(caller.id, failure('cancelled'));
});

test('a reader that leaves ends the handler, and is done when that is', async () => {
  let ended = false;
  const it = linked({
    shape: 'server-stream',
    async *handler(_request: Uint8Array, { signal }: CallContext) {
      try {
        yield Uint8Array.of(1);
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
      } finally {
        await turns();
        ended = true;
      }
    },
  });
  const answers = it.core.stream(0, new Uint8Array(), it.caller());
  await answers.next();
  await answers.return(undefined);
  assert.equal(ended, true);
});

test('a request that does not decode ends a stream with why', async () => {
  const it = linked({
    shape: 'duplex',
    async *handler(requests: AsyncIterable<Uint8Array>) {
      for await (const request of requests) yield request;
    },
    decode: (message: Uint8Array) => {
      if (message[0] === 9) throw failure('tooManyOperations');
      return message;
    },
  } as never);
  const requests = (async function* () {
    yield Uint8Array.of(1);
    yield Uint8Array.of(9);
  })();
  const answers = it.core.stream(0, requests, it.caller());
  assert.deepEqual([...((await answers.next()).value ?? [])], [1]);
  await assert.rejects(answers.next(), /too many operations/);
});

test('where a front end is gone, its connections are ended by us and its handlers hear that the server stopped', async () => {
  const reasons: string[] = [];
  const it = linked({
    shape: 'server-stream',
    async *handler(_request: Uint8Array, { signal, connection }: CallContext) {
      yield Uint8Array.of(1);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      reasons.push(signal.reason.message, `${connection.endedBy}`, await connection.ended);
    },
  });
  const answers = it.core.stream(0, new Uint8Array(), it.caller());
  await answers.next();
  it.served.end();
  await turns();
  assert.deepEqual(reasons, ['etcdserver: server stopped', 'local', 'local']);
});
