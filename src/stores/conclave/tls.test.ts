import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { serveOneMember } from '../../../test/servers/one-member.ts';
import { ConclaveError } from '../../errors/index.ts';
import { conclaveStore } from '../conclave.ts';

test('where https:// meets a member without TLS, the error says what both sides need', async () => {
  await using one = await serveOneMember();
  // Time enough for a first attempt, also where this machine stalls meanwhile.
  await using store = conclaveStore({ endpoints: `https://127.0.0.1:${one.port}`, timeoutMs: 3000 });
  await assert.rejects(store.read('name'), (error: unknown) => {
    assert(ConclaveError.is(error, 'unavailable'), String(error));
    assert.match(error.message, /By https:\/\/ the member must have a certificate/);
    return true;
  });
  await using plain = conclaveStore({ endpoints: 'http://127.0.0.1:1', timeoutMs: 300 });
  await assert.rejects(plain.read('name'), (error: Error) => !/https/.test(error.message));
});

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const skip = hasOpenssl() ? false : 'there is no openssl to make a certificate with';

test('a member behind a TLS proxy is reached by https:// and the authority of its certificate', {
  skip,
}, async () => {
  await using one = await serveOneMember();
  const [key, certificate] = [join(one.folder, 'key.pem'), join(one.folder, 'certificate.pem')];
  const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', key, '-out', certificate];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', ...name, ...files];
  execFileSync('openssl', request, { stdio: 'ignore' });
  const certificateAuthority = await readFile(certificate);
  const tls = { cert: certificateAuthority, key: await readFile(key), ALPNProtocols: ['h2'] };
  const proxy = createTlsServer(tls, (socket) => {
    const behind = connect(one.port, '127.0.0.1');
    for (const end of [socket, behind]) end.on('error', () => {});
    socket.pipe(behind).pipe(socket);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = proxy.address() as AddressInfo;
    const endpoints = `https://127.0.0.1:${port}`;
    await using store = conclaveStore({ endpoints, tls: { certificateAuthority } });
    assert.equal((await store.read('name')).leader, undefined);
  } finally {
    proxy.close();
  }
});
