/** Keys of Amazon's services that operators replace in their file while a store is open. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { LeaseStore } from '../../src/election/store.ts';
import { openStore } from '../../src/stores/urls.ts';
import { startDynamodb } from '../servers/dynamodb.ts';
import { s3Missing, startS3 } from '../servers/s3.ts';
import { failsWith, patience } from './checks.ts';

/** Lets through what is signed with this key, and refuses all else as the service does. */
async function gateTo(url: string, refusal: { readonly status: number; readonly body: string }) {
  const gate = { key: '' };
  const server = createServer((asked, answer) => {
    if (!asked.headers.authorization?.includes(`Credential=${gate.key}/`)) {
      asked.resume();
      answer.writeHead(refusal.status).end(refusal.body);
      return;
    }
    const { method, headers } = asked;
    const onward = request(new URL(asked.url ?? '', url), { method: method ?? 'GET', headers }, (given) => {
      answer.writeHead(given.statusCode ?? 500, given.headers);
      given.pipe(answer);
    });
    asked.pipe(onward);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    endpoint: encodeURIComponent(`http://127.0.0.1:${port}`),
    only: (key: string) => {
      gate.key = key;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

describe('A store on Amazon whose keys are replaced', () => {
  const read = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE'];
  const environment = { ...process.env };
  let folder: string;
  const write = (key: string) =>
    writeFile(
      join(folder, 'credentials'),
      `[default]\naws_access_key_id = ${key}\naws_secret_access_key = secret\n`,
    );
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'conclave-keys-'));
    for (const name of read) delete process.env[name];
    const files = {
      AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials'),
      AWS_EC2_METADATA_DISABLED: 'true',
    };
    Object.assign(process.env, files);
  });
  after(async () => {
    for (const name of [...read, 'AWS_SHARED_CREDENTIALS_FILE', 'AWS_EC2_METADATA_DISABLED']) {
      if (environment[name] === undefined) delete process.env[name];
      else process.env[name] = environment[name];
    }
    await rm(folder, { recursive: true });
  });

  async function followsItsFile(store: LeaseStore, only: (key: string) => void): Promise<void> {
    await store.read('x');
    only('SECOND');
    const refused = failsWith('failed-precondition', {}, /does not accept the credentials/);
    await assert.rejects(store.read('x'), refused);
    await assert.rejects(store.read('x'), refused);
    await write('SECOND');
    for (;;) {
      try {
        await store.read('x');
        return;
      } catch (error) {
        refused(error as Error);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  test('in DynamoDB reads them again', patience, async (context) => {
    await using server = await startDynamodb('dynalite');
    if (server.process === undefined) return context.skip('needs a server of its own');
    const body = JSON.stringify({ __type: 'com.amazon.coral.service#UnrecognizedClientException' });
    await using gate = await gateTo(server.url, { status: 400, body });
    gate.only('FIRST');
    await write('FIRST');
    await using store = await openStore(`dynamodb://eu-central-1/${server.table}?endpoint=${gate.endpoint}`);
    await followsItsFile(store, gate.only);
  });

  test('in S3 reads them again', { ...patience, skip: s3Missing ?? false }, async (context) => {
    await using server = await startS3();
    if (server.process === undefined) return context.skip('needs a server of its own');
    const body = '<Error><Code>InvalidAccessKeyId</Code></Error>';
    await using gate = await gateTo(server.url, { status: 403, body });
    gate.only('FIRST');
    await write('FIRST');
    await using store = await openStore(
      `s3://${server.bucket}/keys?region=us-east-1&endpoint=${gate.endpoint}`,
    );
    await followsItsFile(store, gate.only);
  });
});
