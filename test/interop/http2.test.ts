// Our HTTP/2 against those who know it: the conformance suite h2spec, curl, and nghttp with its flow control.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { PutRequest, RangeRequest, RangeResponse, services } from '../../src/wire/index.ts';
import { type Peer, peer } from '../peers.ts';
import { startConclave, type TestServer } from './servers.ts';

const run = promisify(execFile);
const suite = peer('h2spec');
const curl = peer('curl');
const nghttp = peer('nghttp');
const skip = ({ missing }: Peer) => (missing === undefined ? {} : { skip: missing });

/** A gRPC message: no compression, length, content. */
function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const put = framed(
  PutRequest.encode(PutRequest.create({ key: Buffer.from('k'), value: Buffer.alloc(300_000, 'v') })).finish(),
);
const range = framed(RangeRequest.encode(RangeRequest.create({ key: Buffer.from('k') })).finish());

describe('HTTP/2 as others see it', () => {
  let server: TestServer;
  const folder = mkdtempSync(join(tmpdir(), 'conclave-http2-'));
  const file = (name: string, content: Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  before(async () => {
    server = await startConclave();
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  test('h2spec finds nothing', { ...skip(suite), timeout: 240_000 }, async () => {
    const [host = '', port = ''] = server.endpoint.split(':');
    const { stdout } = await run(suite.path as string, ['-h', host, '-p', port, '-o', '10'], {
      maxBuffer: 1 << 24,
    });
    assert.match(stdout, /\b0 failed/);
    assert.match(stdout, /\b1[0-9]{2} passed/);
  });

  test('curl puts and reads over HTTP/2 with prior knowledge', skip(curl), async () => {
    const call = async (path: string, body: string): Promise<Buffer> => {
      const options = ['--silent', '--show-error', '--fail', '--http2-prior-knowledge', '--data-binary'];
      const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
      const url = `http://${server.endpoint}${path}`;
      const { stdout } = await run(curl.path as string, [...options, `@${body}`, ...headers, url], {
        encoding: 'buffer',
        maxBuffer: 1 << 24,
      });
      return stdout;
    };
    await call(services.KV.put.path, file('put', put));
    const answer = await call(services.KV.range.path, file('range', range));
    const { kvs } = RangeResponse.decode(answer.subarray(5));
    assert.equal(kvs[0]?.value.length, 300_000);
  });

  test('nghttp with small windows and padding gets the whole answer', skip(nghttp), async () => {
    const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
    const small = ['--window-bits=8', '--connection-window-bits=10', '--padding=64'];
    const ask = (path: string, body: string, options: readonly string[]) =>
      run(nghttp.path as string, ['-d', body, ...headers, ...options, `http://${server.endpoint}${path}`], {
        encoding: 'buffer',
        maxBuffer: 1 << 24,
      });
    await ask(services.KV.put.path, file('put', put), []);
    const { stdout } = await ask(services.KV.range.path, file('range', range), small);
    assert.equal(RangeResponse.decode(stdout.subarray(5)).kvs[0]?.value.length, 300_000);
  });
});
