import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Endpoints } from '../../client/endpoints.ts';
import { Inbox, type Transport, type TransportStream } from '../../client/index.ts';
import { ConclaveError } from '../../errors/index.ts';
import { manualRuntime } from '../../runtime/testing.ts';
import type { LeaseKeepAliveResponse } from '../../wire/index.ts';
import { LeaseKeepAlives } from './keep-alives.ts';

/** One stream as a member would have it: what it was asked, and what it answers. */
interface Stream {
  readonly endpoint: string;
  readonly asked: bigint[];
  closed: boolean;
  answer(lease: bigint, ttlSeconds: number): void;
  end(cause?: ConclaveError): void;
}

function stage(endpoints: readonly string[] = ['one', 'two']) {
  const runtime = manualRuntime();
  const streams: Stream[] = [];
  const connect = (endpoint: string): Transport => ({
    endpoint,
    unary: () => Promise.reject(new ConclaveError('unsupported', 'only streams')),
    stream<Req, Res>(): TransportStream<Req, Res> {
      const inbox = new Inbox<Res>();
      let settle: (cause: ConclaveError | undefined) => void = () => {};
      const closed = new Promise<ConclaveError | undefined>((resolve) => {
        settle = resolve;
      });
      const end = (cause?: ConclaveError): void => {
        stream.closed = true;
        inbox.end(cause);
        settle(cause);
      };
      const stream: Stream = {
        endpoint,
        asked: [],
        closed: false,
        answer: (ID, TTL) =>
          inbox.push({ header: undefined, ID, TTL } satisfies LeaseKeepAliveResponse as Res),
        end,
      };
      streams.push(stream);
      const send = (message: Req): void => void stream.asked.push((message as { ID: bigint }).ID);
      return { send, responses: inbox, end: () => {}, close: () => end(), closed };
    },
    onBreak: () => () => {},
    close: () => {},
  });
  const silence = { silenceMs: 1_000_000, probeTimeoutMs: 1_000_000 };
  const parts = { endpoints, transport: connect, runtime, silence, timeoutMs: 1000 };
  const keepAlives = new LeaseKeepAlives({ ...parts, endpoints: new Endpoints(parts) });
  return { runtime, streams, keepAlives };
}

test('one stream carries the renewals of all leases, and answers find theirs in any order', async () => {
  const { runtime, streams, keepAlives } = stage();
  const renewals = [keepAlives.renew(1n), keepAlives.renew(2n), keepAlives.renew(1n)];
  await runtime.advance(0);
  const [stream] = streams as [Stream];
  assert.deepEqual([streams.length, stream.asked], [1, [1n, 2n, 1n]]);
  stream.answer(2n, 20);
  stream.answer(1n, 10);
  stream.answer(1n, 0);
  assert.deepEqual(await Promise.all(renewals), [10_000, 20_000, 0]);
});

test('an answer that comes after its caller gave up is not taken for the answer to a later renewal', async () => {
  const { runtime, streams, keepAlives } = stage(['one']);
  const controller = new AbortController();
  const given = keepAlives.renew(1n, { signal: controller.signal });
  await runtime.advance(0);
  controller.abort();
  await assert.rejects(given, { code: 'aborted', outcome: 'unknown' });
  let settled = false;
  const later = keepAlives.renew(1n).finally(() => {
    settled = true;
  });
  await runtime.advance(0);
  const [stream] = streams as [Stream];
  stream.answer(1n, 10);
  await runtime.advance(0);
  assert.equal(settled, false, 'that was the answer to the first');
  stream.answer(1n, 10);
  assert.equal(await later, 10_000);
});

test('what is not answered in half its time goes over another endpoint', async () => {
  const { runtime, streams, keepAlives } = stage();
  const renewal = keepAlives.renew(1n, { timeoutMs: 1000 });
  await runtime.advance(499);
  assert.equal(streams.length, 1);
  await runtime.advance(100);
  const [silent, next] = streams as [Stream, Stream];
  assert.equal(silent.closed, true);
  assert.notEqual(next.endpoint, silent.endpoint);
  assert.deepEqual(next.asked, [1n]);
  silent.answer(1n, 10);
  next.answer(1n, 20);
  assert.equal(await renewal, 20_000);
});

test('a broken stream is opened again for what has no answer, and for nothing else', async () => {
  const { runtime, streams, keepAlives } = stage();
  const [first, second] = [keepAlives.renew(1n), keepAlives.renew(2n)];
  await runtime.advance(0);
  streams[0]?.answer(1n, 10);
  assert.equal(await first, 10_000);
  streams[0]?.end(new ConclaveError('no-leader', 'etcdserver: no leader', { retryable: true }));
  await runtime.advance(100);
  assert.deepEqual(streams[1]?.asked, [2n]);
  streams[1]?.answer(2n, 10);
  await second;
  streams[1]?.end();
  await runtime.advance(1000);
  assert.equal(streams.length, 2);
});

test('a renewal without any answer fails in its time, and with the client', async () => {
  const { runtime, keepAlives } = stage();
  const renewal = keepAlives.renew(1n, { timeoutMs: 300 });
  const refused = assert.rejects(renewal, { code: 'timeout', outcome: 'unknown', retryable: true });
  await runtime.advance(301);
  await refused;
  const cause = new ConclaveError('closed', 'closed');
  const last = assert.rejects(keepAlives.renew(2n), { code: 'closed' });
  keepAlives.close(cause);
  await last;
  await assert.rejects(keepAlives.renew(3n), { code: 'closed' });
});
