// Members whose clients are held by threads of their own, as real processes: what clients of every kind see is the same.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tls from 'node:tls';
import { pathToFileURL } from 'node:url';
import { connectClient } from '../../src/client/index.ts';
import { services, WatchCreateRequest, WatchRequest, WatchResponse } from '../../src/wire/index.ts';
import { Authority, certificatesMissing, pem } from '../certificates.ts';
import { freePorts } from '../ports.ts';
import { Conclave } from './cli.ts';
import { type ClusterMember, TestCluster } from './cluster.ts';

const patience = { timeout: 240_000 };
const flags = ['--front-ends=2'];

/** 0 where there is none yet. */
async function metric(url: string, series: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('three members with front ends in threads', patience, () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await TestCluster.start(3, flags);
    for (const each of cluster.members) await cluster.until(each, ({ leader }) => leader !== 0);
  });
  after(() => cluster?.[Symbol.asyncDispose]());
  const member = (at: number) => cluster.members[at] as ClusterMember;

  test('the log says how many there are', async () => {
    const said = /"frontEnds":2.*"msg":"listening"/;
    // Threads answer before the thread that logs has come to it.
    for (const each of cluster.members) while (!said.test(each.output)) await sleep(20);
  });

  test('every member reads, writes, watches and grants leases', async () => {
    await using watching = connectClient({ endpoints: member(0).clientUrl });
    const seen: string[] = [];
    const watched = (async () => {
      for await (const { events } of watching.watch({
        key: Buffer.from('each/'),
        rangeEnd: Buffer.from('each0'),
        startRevision: 1,
      })) {
        for (const { kv } of events) seen.push(Buffer.from(kv?.value ?? '').toString());
        if (seen.length >= 30) return;
      }
    })();
    for (let at = 0; at < 30; at++) {
      await using client = connectClient({ endpoints: member(at % 3).clientUrl });
      await client.put(`each/${at}`, String(at), { timeoutMs: 20_000 });
    }
    await watched;
    assert.deepEqual(
      seen,
      Array.from({ length: 30 }, (_, at) => String(at)),
    );
  });

  test('the JSON gateway, health and metrics are on the same port, and metrics are of all threads', async () => {
    const url = member(0).clientUrl;
    const put =
      'grpc_server_handled_total{grpc_type="unary",grpc_service="etcdserverpb.KV",grpc_method="Put",grpc_code="OK"}';
    const before = await metric(url, put);
    // Each on a connection of its own, so that both threads have some.
    for (let at = 0; at < 16; at++) {
      const body = JSON.stringify({ key: base64('json'), value: base64(String(at)) });
      const answer = await fetch(`${url}/v3/kv/put`, {
        method: 'POST',
        body,
        headers: { connection: 'close' },
      });
      assert.equal(answer.status, 200, await answer.text());
    }
    let counted = 0;
    // A thread that does not answer within a second is left out.
    while (counted < 16) counted = (await metric(url, put)) - before;
    assert.equal(counted, 16);
    assert.deepEqual(await (await fetch(`${url}/health`)).json(), { health: 'true', reason: '' });
    for (const number of [1, 2]) {
      assert.equal(await metric(url, `conclave_front_end_restarts_total{front_end="${number}"}`), 0);
    }
  });

  test('a watcher that reads nothing holds up nobody, and gets everything later', async () => {
    const session = http2.connect(member(0).clientUrl);
    session.on('error', () => {});
    const headers = {
      ':method': 'POST',
      ':path': services.Watch.watch.path,
      'content-type': 'application/grpc',
    };
    const stream = session.request({ ...headers, te: 'trailers' });
    const value = WatchCreateRequest.create({ key: Buffer.from('slow') });
    stream.write(
      framed(
        WatchRequest.encode(
          WatchRequest.create({ requestUnion: { $case: 'createRequest', value } }),
        ).finish(),
      ),
    );
    const messages = messagesOf(stream);
    assert.equal((await messages.next()).value?.created, true);
    const puts = 200;
    for (let at = 0; at < puts; at++)
      await cluster.client.put('slow', 'x'.repeat(100_000), { timeoutMs: 60_000 });
    let events = 0;
    while (events < puts) events += (await messages.next()).value?.events.length ?? Number.NaN;
    assert.equal(events, puts);
    session.destroy();
  });

  test('a leader that is told to stop ends its streams, answers what is under way, and exits well', async () => {
    const leader = await cluster.leader();
    const session = http2.connect(leader.clientUrl);
    session.on('error', () => {});
    const goAway = new Promise((resolve) => session.once('goaway', resolve));
    const headers = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
    const watch = session.request({ ...headers, ':path': services.Watch.watch.path });
    const ended = new Promise<http2.IncomingHttpHeaders>((resolve) => watch.once('trailers', resolve));
    const value = WatchCreateRequest.create({ key: Buffer.from('stopped') });
    watch.write(
      framed(
        WatchRequest.encode(
          WatchRequest.create({ requestUnion: { $case: 'createRequest', value } }),
        ).finish(),
      ),
    );
    await messagesOf(watch).next();
    const exit = cluster.end(leader, 'SIGTERM');
    watch.resume();
    assert.equal(decodeURIComponent(`${(await ended)['grpc-message']}`), 'etcdserver: server stopped');
    await goAway;
    assert.equal(await exit, 0, leader.output);
    session.destroy();
    await cluster.leader(leader);
    await cluster.client.put('after', 'it', { timeoutMs: 20_000 });
    cluster.run(leader);
    await cluster.until(leader, ({ leader: known }) => known !== 0);
  });
});

describe('a member with front ends in threads', patience, () => {
  const folder = mkdtempSync(join(tmpdir(), 'conclave-front-ends-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function words(name: string, scheme = 'http'): Promise<{ url: string; serve: string[] }> {
    const [client, peers] = await freePorts(2);
    const url = `${scheme}://127.0.0.1:${client}`;
    const peerUrl = `http://127.0.0.1:${peers}`;
    const cluster = ['--initial-cluster', `${name}=${peerUrl}`, '--listen-peer-urls', peerUrl];
    const serve = ['serve', '--name', name, '--data-dir', join(folder, name), ...flags, ...cluster];
    return { url, serve: [...serve, '--listen-client-urls', url] };
  }

  test('a port that another one has is refused, also where that one shares it among its threads', async () => {
    const one = await words('one');
    await using first = new Conclave(one.serve);
    await first.match('stderr', /ready to serve client requests/);
    const other = await words('other');
    const at = other.serve.indexOf(other.url);
    await using second = new Conclave(other.serve.with(at, one.url));
    assert.equal(await second.ended, 110);
    assert.match(second.stderr, /"address-in-use"/);
    const alone = await words('alone');
    const plain = alone.serve.filter((word) => word !== flags[0]).with(at - 1, one.url);
    await using third = new Conclave(plain);
    assert.equal(await third.ended, 110);
    assert.match(third.stderr, /"address-in-use"/);
  });

  test('a thread that fails is started again; the process and the other connections live on', async () => {
    // Throws in the first thread of ours that sees the file.
    const preload = join(folder, 'preload.mjs');
    const trigger = join(folder, 'fail');
    const watch = `import { unlinkSync } from 'node:fs';
      import { workerData } from 'node:worker_threads';
      const look = () => { try { unlinkSync(${JSON.stringify(trigger)}); } catch { return; } throw new Error('planted'); };
      if (workerData?.pages !== undefined) setInterval(look, 20).unref();`;
    writeFileSync(preload, watch);
    const { url, serve } = await words('failing');
    const environment = { NODE_OPTIONS: `--import=${pathToFileURL(preload)}` };
    await using conclave = new Conclave(serve, { environment });
    await conclave.match('stderr', /ready to serve client requests/);
    await using client = connectClient({ endpoints: url });
    await client.put('key', 'before');
    writeFileSync(trigger, '');
    await conclave.match('stderr', /A front end failed[^\n]*/);
    assert.match(conclave.stderr, /planted/);
    await client.put('key', 'after', { timeoutMs: 20_000 });
    assert.equal(Buffer.from((await client.get('key'))?.value ?? '').toString(), 'after');
    const restarts = async () =>
      (await metric(url, 'conclave_front_end_restarts_total{front_end="1"}')) +
      (await metric(url, 'conclave_front_end_restarts_total{front_end="2"}'));
    while ((await restarts().catch(() => 0)) !== 1) await new Promise(setImmediate);
    conclave.process.kill('SIGTERM');
    assert.equal(await conclave.ended, 0, conclave.stderr);
  });

  test('TLS is spoken by the threads: who is let in, users by common name, and new certificates in all of them', {
    skip: certificatesMissing ?? false,
  }, async () => {
    using authority = new Authority();
    using foreign = new Authority('Another authority');
    const { certificateFile, keyFile } = authority.sign('member');
    const { url, serve } = await words('secured', 'https');
    const secured = ['--cert-file', certificateFile, '--key-file', keyFile, '--client-cert-auth'];
    await using conclave = new Conclave([...serve, ...secured, '--trusted-ca-file', authority.authorityFile]);
    await conclave.match('stderr', /ready to serve client requests/);
    await using root = connectClient({
      endpoints: url,
      tls: pem(authority.sign('root'), authority.authorityFile),
    });
    await root.put('key', 'value', { timeoutMs: 20_000 });
    await using stranger = connectClient({
      endpoints: url,
      tls: pem(foreign.sign('root'), authority.authorityFile),
    });
    await assert.rejects(stranger.put('key', 'theirs', { timeoutMs: 1000 }));
    await conclave.match('stderr', /A connection was refused/);
    const { port } = new URL(url);
    const app = pem(authority.sign('app'), authority.authorityFile);
    const serial = () =>
      new Promise<string>((resolve, reject) => {
        const socket = tls.connect({ host: '127.0.0.1', port: Number(port), ...tlsOf(app) }, () => {
          resolve(socket.getPeerCertificate().serialNumber);
          socket.destroy();
        });
        socket.on('error', reject);
      });
    const old = await serial();
    const version = await new Promise<number | undefined>((resolve, reject) => {
      https
        .get(`${url}/version`, { ...tlsOf(app), agent: false }, ({ statusCode }) => resolve(statusCode))
        .on('error', reject);
    });
    assert.equal(version, 200);
    authority.sign('member');
    // Twenty connections in a row: both threads have some of them.
    for (let fresh = 0; fresh < 20; ) fresh = (await serial()) === old ? 0 : fresh + 1;
    assert.equal(Buffer.from((await root.get('key'))?.value ?? '').toString(), 'value');
  });
});

function tlsOf({ certificateAuthority, certificate, key }: ReturnType<typeof pem>): tls.ConnectionOptions {
  return { ca: certificateAuthority, cert: certificate, key, servername: 'localhost' };
}

function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Reads only when it is asked for the next one. */
async function* messagesOf(stream: http2.ClientHttp2Stream): AsyncGenerator<WatchResponse, undefined> {
  let received = Buffer.alloc(0);
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    received = Buffer.concat([received, chunk as Buffer]);
    while (received.length >= 5 && received.length >= 5 + received.readUInt32BE(1)) {
      const end = 5 + received.readUInt32BE(1);
      yield WatchResponse.decode(received.subarray(5, end));
      received = received.subarray(end);
    }
  }
  return undefined;
}
