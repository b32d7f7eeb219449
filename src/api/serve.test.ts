import assert from 'node:assert/strict';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import { ConclaveError } from '../errors/index.ts';
import { nodeRuntime } from '../runtime/index.ts';
import {
  type AnyMethod,
  AttachRequest,
  AttachResponse,
  PutRequest,
  RangeRequest,
  services,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from '../wire/index.ts';
import { inBothForms } from './front-ends/testing/both-forms.ts';
import { serveApi } from './serve.ts';
import { TestingMember } from './testing.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** gRPC by hand over node's HTTP/2, so that the connection and each frame are in the hands of the test. */
async function open(frontEnds: number) {
  const member = new TestingMember(nodeRuntime());
  const listen = { host: '127.0.0.1', port: 0 };
  const server = await serveApi(member, { listen, closeGraceMs: 500, frontEnds });
  const socket = net.connect(server.address.port, server.address.host);
  const session = http2.connect(`http://127.0.0.1:${server.address.port}`, {
    createConnection: () => socket,
  });
  session.on('error', () => {});
  return {
    ...{ member, server, socket, session },
    async [Symbol.asyncDispose]() {
      session.destroy();
      await server.close();
    },
  };
}

function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

class Call {
  readonly stream: http2.ClientHttp2Stream;
  readonly ended: Promise<http2.IncomingHttpHeaders>;
  #received = Buffer.alloc(0);
  #wake: () => void = () => {};

  constructor(session: http2.ClientHttp2Session, path: string, headers: http2.OutgoingHttpHeaders = {}) {
    const fixed = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' };
    this.stream = session.request({ ...fixed, ...headers });
    let trailers: http2.IncomingHttpHeaders = {};
    this.stream.on('error', () => {});
    this.stream.on('response', (first) => {
      trailers = first;
    });
    this.stream.on('trailers', (last) => {
      trailers = { ...trailers, ...last };
      // As gRPC clients do: with the status the call is over, whatever half is still open.
      this.stream.close();
    });
    this.ended = new Promise((resolve) => this.stream.on('close', () => resolve(trailers)));
    this.stream.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    this.stream.on('close', () => this.#wake());
  }

  send(message: Uint8Array): void {
    this.stream.write(frame(message));
  }

  /** The next message; undefined when the stream closed without one. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const length = this.#received.length < 5 ? Infinity : this.#received.readUInt32BE(1);
      if (this.#received.length >= 5 + length) {
        const message = this.#received.subarray(5, 5 + length);
        this.#received = this.#received.subarray(5 + length);
        return message;
      }
      if (this.stream.closed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

async function unary(session: http2.ClientHttp2Session, path: string, message: Uint8Array) {
  const call = new Call(session, path);
  call.stream.end(frame(message));
  const response = await call.next();
  const trailers = await call.ended;
  return {
    status: Number(trailers['grpc-status']),
    text: decodeURIComponent(`${trailers['grpc-message'] ?? ''}`),
    trailers,
    response,
  };
}

async function attached(session: http2.ClientHttp2Session, member: TestingMember): Promise<Call> {
  await member.propose({ type: 'leaseGrant', lease: 7n, ttlMs: 60_000 });
  const call = new Call(session, services.Conclave.attach.path);
  call.send(AttachRequest.encode(AttachRequest.create({ ID: 7n, graceMs: 20 })).finish());
  const response = await call.next();
  assert.ok(response !== undefined);
  const { attachment } = AttachResponse.decode(response);
  assert.ok(attachment > 0);
  call.send(AttachRequest.encode(AttachRequest.create({ ID: 7n, confirmed: attachment })).finish());
  // Requests are taken in order, so an answer to this one tells that the confirmation was heard.
  call.send(AttachRequest.encode(AttachRequest.create({ ID: 8n, detach: true })).finish());
  await call.next();
  return call;
}

/** Resolves when a command of this type is proposed. */
async function proposed(member: TestingMember, type: string): Promise<void> {
  while (!member.proposed.some((command) => command.type === type)) await new Promise(setImmediate);
}

inBothForms('unary calls are answered over gRPC', async (frontEnds) => {
  await using it = await open(frontEnds);
  const put = PutRequest.encode(PutRequest.create({ key: bytes('k'), value: bytes('v') })).finish();
  assert.equal((await unary(it.session, services.KV.put.path, put)).status, 0);
  const range = RangeRequest.encode(RangeRequest.create({ key: bytes('k') })).finish();
  const { response } = await unary(it.session, services.KV.range.path, range);
  const { kvs } = services.KV.range.decodeResponse(response ?? new Uint8Array());
  assert.deepEqual(kvs[0]?.value, bytes('v'));
});

inBothForms('an error travels with etcd’s status and with what our client needs', async (frontEnds) => {
  await using it = await open(frontEnds);
  const failed = await unary(it.session, services.KV.put.path, new Uint8Array());
  assert.deepEqual([failed.status, failed.text], [3, 'etcdserver: key is not provided']);
  it.member.failure = new ConclaveError('timeout', 'late', { outcome: 'unknown', retryable: true });
  const put = PutRequest.encode(PutRequest.create({ key: bytes('k') })).finish();
  const { status, text, trailers } = await unary(it.session, services.KV.put.path, put);
  assert.deepEqual([status, text], [14, 'etcdserver: request timed out']);
  const own = [trailers['conclave-code'], trailers['conclave-outcome'], trailers['conclave-retryable']];
  assert.deepEqual(own, ['timeout', 'unknown', 'true']);
});

inBothForms('bytes that are no message are refused', async (frontEnds) => {
  await using it = await open(frontEnds);
  const { status, text } = await unary(it.session, services.KV.put.path, new Uint8Array([0x0a, 0xff]));
  assert.equal(status, 13);
  assert.match(text, /unmarshalling/);
});

inBothForms('every method of every service answers', async (frontEnds) => {
  await using it = await open(frontEnds);
  const offered = new Set<number>();
  for (const service of Object.values(services)) {
    for (const method of Object.values(service) as AnyMethod[]) {
      // The first would wait for streams of requests, the second behind the campaign of the same name.
      if (method.requestStream || method === services.Lock.lock) continue;
      const call = new Call(it.session, method.path);
      call.stream.end(frame(new Uint8Array()));
      if (method.responseStream) {
        await Promise.race([call.next(), call.ended]);
        call.stream.close(http2.constants.NGHTTP2_CANCEL);
        continue;
      }
      const status = Number((await call.ended)['grpc-status']);
      assert.ok(status >= 0 && status !== 13, `${method.path}: ${status}`);
      offered.add(status);
    }
  }
  assert.ok(offered.has(0));
});

inBothForms('a client that dies detaches the lease bound to its connection', async (frontEnds) => {
  for (const die of ['destroy', 'resetAndDestroy'] as const) {
    await using it = await open(frontEnds);
    await attached(it.session, it.member);
    it.socket[die]();
    await proposed(it.member, 'detach');
  }
});

inBothForms(
  'a client that drops the stream but keeps its connection detaches the lease',
  async (frontEnds) => {
    await using it = await open(frontEnds);
    const call = await attached(it.session, it.member);
    call.stream.close(http2.constants.NGHTTP2_CANCEL);
    await proposed(it.member, 'detach');
  },
);

inBothForms('a server that closes tells streams that it stopped and detaches nothing', async (frontEnds) => {
  await using it = await open(frontEnds);
  const call = await attached(it.session, it.member);
  await it.server.close();
  const trailers = await call.ended;
  assert.equal(trailers['grpc-status'], '14');
  assert.equal(decodeURIComponent(`${trailers['grpc-message']}`), 'etcdserver: server stopped');
  assert.ok(!it.member.proposed.some(({ type }) => type === 'detach'));
});

inBothForms('a deadline that ends a change does not say that it never happens', async (frontEnds) => {
  await using it = await open(frontEnds);
  it.member.propose = () => new Promise(() => {});
  const put = PutRequest.encode(PutRequest.create({ key: bytes('k'), value: bytes('v') })).finish();
  const call = new Call(it.session, services.KV.put.path, { 'grpc-timeout': '100m' });
  call.stream.end(frame(put));
  const trailers = await call.ended;
  assert.equal(trailers['grpc-status'], '4');
  assert.equal(trailers['conclave-outcome'], 'unknown');
});

inBothForms('a deadline ends a call, and detaches nothing', async (frontEnds) => {
  await using it = await open(frontEnds);
  await it.member.propose({ type: 'leaseGrant', lease: 7n, ttlMs: 60_000 });
  const call = new Call(it.session, services.Conclave.attach.path, { 'grpc-timeout': '100m' });
  call.send(AttachRequest.encode(AttachRequest.create({ ID: 7n, graceMs: 20 })).finish());
  assert.equal((await call.ended)['grpc-status'], '4');
  // A call on the same connection is answered after whatever the end of that stream set off.
  await unary(it.session, services.Cluster.memberList.path, new Uint8Array());
  assert.ok(!it.member.proposed.some(({ type }) => type === 'detach'));
});

inBothForms(
  'a watcher that reads nothing holds no more than the transport’s buffers, and later gets everything',
  async (frontEnds) => {
    await using it = await open(frontEnds);
    const call = new Call(it.session, services.Watch.watch.path);
    call.stream.pause();
    const requestUnion = {
      $case: 'createRequest' as const,
      value: WatchCreateRequest.create({ key: bytes('k') }),
    };
    call.send(WatchRequest.encode(WatchRequest.create({ requestUnion })).finish());
    await Promise.race([call.next(), proposedWatch(it.member)]);
    const value = new Uint8Array(100_000);
    const puts = 300;
    for (let at = 0; at < puts; at++) {
      const request = {
        key: bytes('k'),
        value,
        lease: 0n,
        prevKv: false,
        ignoreValue: false,
        ignoreLease: false,
      };
      await it.member.propose({ type: 'put', request });
      await new Promise(setImmediate);
    }
    call.stream.resume();
    let events = 0;
    while (events < puts) {
      const message = await call.next();
      assert.ok(message !== undefined);
      events += WatchResponse.decode(message).events.length;
    }
    assert.equal(events, puts);
  },
);

async function proposedWatch(member: TestingMember): Promise<void> {
  while (member.keyspace.watcherCount === 0) await new Promise(setImmediate);
}

inBothForms('listening twice on one address fails and leaves nothing open', async (frontEnds) => {
  await using it = await open(frontEnds);
  const { address } = it.server;
  await assert.rejects(
    serveApi(it.member, { listen: [{ host: '127.0.0.1', port: 0 }, address], frontEnds }),
    (error) => ConclaveError.is(error, 'address-in-use'),
  );
});
