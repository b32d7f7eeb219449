import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Authority, certificatesMissing, pem } from '../../test/certificates.ts';
import { connectClient } from '../client/index.ts';
import { startEmbeddedMember } from './embedded-member.ts';

const options = { skip: certificatesMissing ?? false, timeout: 60_000 };

test('an embedded member serves clients of other processes by TLS', options, async (context) => {
  using authority = new Authority();
  const folder = mkdtempSync(join(tmpdir(), 'conclave-embedded-tls-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const files = { ...authority.sign('member'), authorityFile: authority.authorityFile };
  const peerUrls = ['https://127.0.0.1:1'];
  await using member = await startEmbeddedMember({
    ...{ name: 'member', dataDir: folder, clientAdvertiseUrls: [] },
    peerListenUrls: ['https://127.0.0.1:0'],
    initialCluster: [{ name: 'member', peerUrls }],
    listenClients: [{ host: '127.0.0.1', port: 0, secure: true }],
    ...{ tls: files, peerTls: files },
  });
  const endpoints = `https://127.0.0.1:${member.clientAddresses[0]?.port}`;
  await using client = connectClient({ endpoints, tls: pem(authority.sign('app'), authority.authorityFile) });
  await client.put('key', 'value', { timeoutMs: 20_000 });
  assert.equal(Buffer.from((await client.get('key'))?.value ?? '').toString(), 'value');
});
