import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as tls from 'node:tls';
import { connectClient } from '../../src/client/index.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import { Authority, certificatesMissing, pem } from '../certificates.ts';
import { peer } from '../peers.ts';
import { freePorts } from '../ports.ts';
import { Conclave, run } from './cli.ts';

const etcdctl = peer('etcdctl');

interface MemberProcess {
  readonly process: Conclave;
  readonly url: string;
}

describe('three members with mutual TLS', { skip: certificatesMissing ?? false, timeout: 240_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'conclave-tls-'));
  let authority: Authority;
  let foreign: Authority;
  const members: MemberProcess[] = [];

  before(async () => {
    authority = new Authority();
    foreign = new Authority('Another authority');
    const ports = await freePorts(6);
    const names = ['m1', 'm2', 'm3'];
    const cluster = names.map((name, at) => `${name}=https://127.0.0.1:${ports[at + 3]}`).join(',');
    for (const [at, name] of names.entries()) {
      const { certificateFile, keyFile } = authority.sign(name);
      const clients = `https://127.0.0.1:${ports[at]}`;
      const process = new Conclave([
        ...['serve', '--name', name, '--data-dir', join(folder, name), '--initial-cluster', cluster],
        ...['--listen-client-urls', clients, '--listen-peer-urls', `https://127.0.0.1:${ports[at + 3]}`],
        ...['--cert-file', certificateFile, '--key-file', keyFile, '--client-cert-auth'],
        ...['--trusted-ca-file', authority.authorityFile],
        ...['--peer-cert-file', certificateFile, '--peer-key-file', keyFile, '--peer-client-cert-auth'],
        ...['--peer-trusted-ca-file', authority.authorityFile],
      ]);
      members.push({ process, url: clients });
    }
    await Promise.all(
      members.map((member) => member.process.match('stderr', /ready to serve client requests/)),
    );
  });

  after(async () => {
    await Promise.all(members.map((member) => member.process[Symbol.asyncDispose]()));
    for (const one of [authority, foreign]) one?.[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const endpoints = () => members.map((member) => member.url);
  const first = () => members[0] as MemberProcess;
  const files = (name = 'app') => authority.sign(name);

  test('our client reads and writes through every member, and so do commands', async () => {
    const app = files();
    for (const endpoint of endpoints()) {
      await using client = connectClient({ endpoints: endpoint, tls: pem(app, authority.authorityFile) });
      await client.put('key', endpoint, { timeoutMs: 20_000 });
      assert.equal(Buffer.from((await client.get('key'))?.value ?? '').toString(), endpoint);
    }
    const environment = {
      CONCLAVE_ENDPOINTS: endpoints().join(),
      CONCLAVE_CACERT: authority.authorityFile,
      CONCLAVE_CERT: app.certificateFile,
      CONCLAVE_KEY: app.keyFile,
    };
    const status = await run(['status'], { environment });
    assert.equal(status.code, 0, status.stderr);
    assert.equal(status.stdout.match(/https:/g)?.length, 3, status.stdout);
  });

  test('a key that is not that of the certificate is told of before anybody is asked', async () => {
    const { certificateFile } = files();
    const flags = ['--cert', certificateFile, '--key', foreign.sign('other').keyFile];
    const { code, stderr } = await run(['status', '--endpoints', endpoints().join(), ...flags]);
    assert.equal(code, 100, stderr);
    assert.match(stderr, /--cert and --key cannot be used together: .*key values mismatch/);
  });

  test('etcdctl does with its own flags', { skip: etcdctl.missing ?? false }, async () => {
    const { certificateFile, keyFile } = files();
    const flags = ['--cacert', authority.authorityFile, '--cert', certificateFile, '--key', keyFile];
    const words = [...flags, '--endpoints', endpoints().join(), 'put', 'by', 'etcdctl'];
    const env = { ...process.env, ETCDCTL_API: '3' };
    const output = await new Promise<string>((resolve, reject) => {
      execFile(etcdctl.path ?? '', words, { env, timeout: 60_000 }, (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      );
    });
    assert.equal(output, 'OK\n');
  });

  test('what is no gRPC is answered on the same port, over HTTP/1.1 and over HTTP/2', async () => {
    const { certificate, key, certificateAuthority } = pem(files(), authority.authorityFile);
    const identity = { cert: certificate, key, ca: certificateAuthority };
    const url = `${first().url}/version`;
    const overHttp1 = await new Promise((resolve, reject) => {
      const options = { ...identity, agent: false as const };
      https.get(url, options, (answer) => resolve(answer.resume().statusCode)).on('error', reject);
    });
    assert.equal(overHttp1, 200);
    const session = http2.connect(first().url, identity);
    const overHttp2 = await new Promise((resolve, reject) => {
      session.on('error', reject);
      session.request({ ':path': '/version' }).on('response', (headers) => resolve(headers[':status']));
    });
    session.destroy();
    assert.equal(overHttp2, 200);
  });

  test('a client without a certificate, or with one of another authority, is refused and told why', async () => {
    const ca = { certificateAuthority: pem(files(), authority.authorityFile).certificateAuthority };
    const stranger = pem(foreign.sign('stranger'), authority.authorityFile);
    for (const given of [ca, stranger]) {
      await using client = connectClient({ endpoints: first().url, tls: given, timeoutMs: 1500 });
      const get = () =>
        client.get('key').then(
          () => assert.fail('it was let in'),
          (error: unknown) => error,
        );
      let refused = await get();
      // On a busy machine not even one handshake may have come to its end by then.
      while (ConclaveError.is(refused, 'timeout')) refused = await get();
      assert.ok(ConclaveError.is(refused, 'unavailable'), String(refused));
      assert.match(refused.message, /--cert and --key/);
    }
    await first().process.match('stderr', /A connection was refused/);
    const unknown = await run(['status', '--endpoints', first().url, '--timeout', '2s']);
    assert.notEqual(unknown.code, 0);
    assert.match(unknown.stdout + unknown.stderr, /--cacert/);
  });

  test('new certificates are used without a new start', async () => {
    const fingerprint = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const { certificate, key, certificateAuthority } = pem(files('looker'), authority.authorityFile);
        const { hostname: host, port } = new URL(first().url);
        const to = { host, port: Number(port), cert: certificate, key, ca: certificateAuthority };
        const socket = tls.connect(to, () => {
          resolve(socket.getPeerCertificate().fingerprint256);
          socket.destroy();
        });
        socket.on('error', reject);
      });
    const old = await fingerprint();
    authority.sign('m1');
    await first().process.match('stderr', /New certificates are used from now on/);
    assert.notEqual(await fingerprint(), old);
    await using client = connectClient({
      endpoints: first().url,
      tls: pem(files(), authority.authorityFile),
    });
    await client.put('after', 'renewal', { timeoutMs: 20_000 });
  });

  test('a member of another authority cannot take part, and both logs say what to do', async () => {
    const [peerPort, clientPort] = (await freePorts(2)) as [number, number];
    const { certificateFile, keyFile } = foreign.sign('m4');
    const cluster = `m4=https://127.0.0.1:${peerPort},other=${peerUrlOf(first())}`;
    await using intruder = new Conclave([
      ...['serve', '--name', 'm4', '--data-dir', join(folder, 'm4'), '--initial-cluster', cluster],
      ...['--listen-client-urls', `http://127.0.0.1:${clientPort}`],
      ...['--listen-peer-urls', `https://127.0.0.1:${peerPort}`],
      ...['--peer-cert-file', certificateFile, '--peer-key-file', keyFile],
      ...['--peer-trusted-ca-file', foreign.authorityFile],
    ]);
    // On a slow machine a handshake may be given up before, and that is told first.
    await intruder.match(
      'stderr',
      /signed by an authority that is not trusted here.*--peer-trusted-ca-file.*The peer cannot be reached/,
    );
  });

  function peerUrlOf(member: MemberProcess): string {
    return /"peers":"([^"]+)"/.exec(member.process.stderr)?.[1] ?? '';
  }
});
