import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as tls from 'node:tls';
import { Authority, certificatesMissing, pem } from '../../test/certificates.ts';
import type { ConclaveError } from '../errors/index.ts';
import { NodeNetwork } from './network.ts';
import { TlsIdentity, type TlsOptions } from './tls.ts';
import type { Connection } from './types.ts';

describe('revoked certificates', { skip: certificatesMissing ?? false }, () => {
  let authority: Authority;
  before(() => {
    authority = new Authority();
  });
  after(() => authority[Symbol.dispose]());

  const identity = (name: string, more: Partial<TlsOptions> = {}) =>
    TlsIdentity.load({ ...authority.sign(name), authorityFile: authority.authorityFile, ...more });

  /** Listens with `tls` and echoes. */
  async function listen(identified: TlsIdentity) {
    const refused: string[] = [];
    const network = new NodeNetwork({
      tls: identified,
      onRefused: (remote, why) => refused.push(`${remote}: ${why}`),
    });
    const listener = await network.listen({ host: '127.0.0.1', port: 0, secure: true }, (connection) => {
      connection.onData = (chunk) => connection.write([chunk]);
      connection.onClose = () => {};
    });
    return { address: { ...listener.address, secure: true }, refused, listener };
  }

  function echoed(connection: Connection): Promise<string> {
    return new Promise((resolve) => {
      connection.onData = (chunk) => resolve(Buffer.from(chunk).toString());
      connection.onClose = () => resolve('closed');
      connection.write([Buffer.from('hello')]);
    });
  }

  async function greet(server: Awaited<ReturnType<typeof listen>>, guest: TlsIdentity): Promise<string> {
    const connection = await new NodeNetwork({ tls: guest }).connect(server.address, { timeoutMs: 10_000 });
    try {
      return await echoed(connection);
    } finally {
      connection.destroy();
    }
  }

  test('who shows one is refused and told so in the log; others of the same authority are let in', async () => {
    using good = await identity('good');
    using bad = await identity('bad');
    using one = await identity('one', { revocationFile: authority.revoke(['bad']) });
    const server = await listen(one);
    assert.equal(await greet(server, good), 'hello');
    assert.equal(await greet(server, bad), 'closed');
    assert.match(
      server.refused.join(),
      /^127\.0\.0\.1:[1-9]\d*: .*was revoked by its authority.*CERT_REVOKED/,
    );
    await server.listener.close();
  });

  test('a member that listens with one is not talked to', async () => {
    using bad = await identity('bad');
    using careful = await identity('careful', { revocationFile: authority.revoke(['bad']) });
    const server = await listen(bad);
    await assert.rejects(greet(server, careful), /was revoked by its authority/);
    await server.listener.close();
  });

  test('a list in DER, and several in one file, are read', async () => {
    using other = new Authority('Another authority');
    using bad = await identity('bad');
    const revocationFile = join(authority.folder, 'list');
    const list = authority.revoke(['bad']);
    for (const write of [
      () => execFileSync('openssl', ['crl', '-in', list, '-outform', 'DER', '-out', revocationFile]),
      () => writeFileSync(revocationFile, readFileSync(other.revoke([])) + readFileSync(list, 'utf8')),
    ]) {
      write();
      using one = await identity('one', { revocationFile });
      const server = await listen(one);
      assert.equal(await greet(server, bad), 'closed');
      await server.listener.close();
    }
  });

  test('a list that is out of date, or of another authority, lets nobody in', async () => {
    using other = new Authority('Another authority');
    using good = await identity('good');
    for (const revocationFile of [authority.revoke([], { expired: true }), other.revoke([])]) {
      using one = await identity('one', { revocationFile });
      const server = await listen(one);
      assert.equal(await greet(server, good), 'closed');
      assert.match(server.refused.join(), /missing, out of date or not signed.*--client-crl-file/);
      await server.listener.close();
    }
  });

  test('a new list counts without a new start, also for who resumes a session; a broken one changes nothing', async () => {
    const reloads: (ConclaveError | undefined)[] = [];
    let wake = (): void => {};
    const revocationFile = join(authority.folder, 'renewed');
    copyFileSync(authority.revoke([]), revocationFile);
    const onReload = (error: ConclaveError | undefined): void => {
      reloads.push(error);
      wake();
    };
    const until = async (condition: () => boolean): Promise<void> => {
      while (!condition()) await new Promise<void>((resolve) => (wake = resolve));
    };
    using bad = await identity('bad');
    using one = await identity('one', { revocationFile, reloadEveryMs: 20, onReload });
    const server = await listen(one);
    const files = pem(authority.sign('resuming'), authority.authorityFile);
    const session = await sessionOf(server.address.port, files);
    assert.equal(await resumes(server.address.port, files, session), 'resumed');
    writeFileSync(revocationFile, 'half a list');
    await until(() => reloads.length > 0);
    assert.match(reloads[0]?.message ?? '', /revocation list .*renewed is none in PEM or DER/);
    assert.equal(await greet(server, bad), 'hello');
    copyFileSync(authority.revoke(['bad', 'resuming']), revocationFile);
    await until(() => reloads.at(-1) === undefined);
    assert.equal(await greet(server, bad), 'closed');
    assert.equal(await resumes(server.address.port, files, session), 'closed');
    await server.listener.close();
  });
});

type Files = ReturnType<typeof pem>;

const dial = (port: number, { certificate, key, certificateAuthority }: Files, session?: Buffer) =>
  tls.connect({
    ...{ host: '127.0.0.1', port, cert: certificate, key, ca: certificateAuthority },
    ...(session && { session }),
  });

function sessionOf(port: number, files: Files): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = dial(port, files);
    socket.on('error', reject);
    // What is echoed makes sure that the ticket, which comes after the handshake, was read.
    socket.write('hello');
    socket.on('session', (session) => {
      resolve(session);
      socket.destroy();
    });
  });
}

function resumes(port: number, files: Files, session: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = dial(port, files, session);
    socket.on('error', () => resolve('closed'));
    socket.on('close', () => resolve('closed'));
    socket.write('hello');
    socket.on('data', () => {
      resolve(socket.isSessionReused() ? 'resumed' : 'anew');
      socket.destroy();
    });
  });
}
