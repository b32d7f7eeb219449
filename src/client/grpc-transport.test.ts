import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { Authority, certificatesMissing } from '../../test/certificates.ts';
import { serveApi } from '../api/index.ts';
import { TestingMember } from '../api/testing.ts';
import { nodeRuntime, TlsIdentity } from '../runtime/index.ts';
import { StatusRequest, services } from '../wire/index.ts';
import { GrpcTransport } from './index.ts';

const runtime = nodeRuntime();
const { status } = services.Maintenance;

test('a call ends when its time has passed on the monotonic clock, whatever the wall clock says', async () => {
  const heard: string[] = [];
  const server = createServer();
  server.on('stream', (_stream: ServerHttp2Stream, headers) => heard.push(String(headers['grpc-timeout'])));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  // Time enough to connect on a machine with other work. An hour off, in both directions: as if it were set between two looks at it.
  for (const offMs of [-3_600_000, 3_600_000]) {
    const clock = {
      monotonicMs: () => runtime.clock.monotonicMs(),
      wallMs: () => runtime.clock.wallMs() + offMs,
    };
    const transport = new GrpcTransport(endpoint, { runtime: { ...runtime, clock } });
    const startMs = runtime.clock.monotonicMs();
    const call = transport.unary(status, StatusRequest.create({}), { timeoutMs: 2000 });
    const message = `Status at ${endpoint}: no answer in time.`;
    await assert.rejects(call, { code: 'timeout', retryable: true, outcome: 'unknown', message });
    assert.ok(runtime.clock.monotonicMs() - startMs >= 1999);
    transport.close();
  }
  assert.deepEqual(heard, ['2000m', '2000m']);
  server.close();
});

describe('a server that is known by its address alone', { skip: certificatesMissing ?? false }, () => {
  test('is checked by the address, and asked for by no name that is one', async () => {
    const warnings: string[] = [];
    process.on('warning', (warning) => warnings.push(warning.message));
    using authority = new Authority();
    const certificateAuthority = readFileSync(authority.authorityFile);
    const ask = async (subjectAltName: string): Promise<string> => {
      using tls = await TlsIdentity.load(authority.sign('server', { subjectAltName }));
      const server = await serveApi(new TestingMember(runtime), {
        ...{ runtime, tls },
        listen: { host: '127.0.0.1', port: 0, secure: true },
        closeGraceMs: 10,
      });
      const endpoint = `https://127.0.0.1:${server.address.port}`;
      const transport = new GrpcTransport(endpoint, { runtime, tls: { certificateAuthority } });
      try {
        const request = StatusRequest.create({});
        return (await transport.unary(status, request, { timeoutMs: 20_000 })).version;
      } catch (error) {
        return (error as Error).message;
      } finally {
        transport.close();
        await server.close();
      }
    };
    assert.match(await ask('IP:127.0.0.1'), /^3\./);
    assert.match(await ask('IP:127.0.0.2'), /127\.0\.0\.1/);
    assert.match(await ask('DNS:address.invalid'), /127\.0\.0\.1/);
    // Warnings come in a turn of their own.
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(warnings, []);
  });
});
