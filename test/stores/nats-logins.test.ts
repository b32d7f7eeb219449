/** Logins to NATS that change while a store is open, as operators change them: on the server and in a file. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { NodeConnectionOptions } from '@nats-io/transport-node';
import type { LeaseStore } from '../../src/election/store.ts';
import { ConclaveError } from '../../src/errors/index.ts';
import { createNatsBucket, natsStore } from '../../src/stores/nats.ts';
import { connectNats, natsMissing, startNats } from '../servers/nats.ts';
import { natsKey } from '../servers/nats-keys.ts';

const patience = { timeout: 120_000 };

/** A server with a bucket, whose users change as `change` says. */
async function started(users: string, login: NodeConnectionOptions) {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-nats-login-'));
  const file = (name: string) => join(folder, name);
  const write = (users: string) =>
    writeFile(
      file('conf'),
      `jetstream { store_dir: ${JSON.stringify(folder)} }\naccounts { JOBS: { jetstream: enabled, users: [ ${users} ] } }`,
    );
  await write(users);
  const server = await startNats(['--config', file('conf')], { login, storage: 'configured' });
  const connection = await connectNats(server.port, login);
  await createNatsBucket(connection, { replicas: 1 });
  await connection.close();
  return {
    url: `127.0.0.1:${server.port}`,
    file,
    async change(users: string) {
      await write(users);
      server.process.kill('SIGHUP');
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

async function said(store: LeaseStore): Promise<string> {
  try {
    await store.read('x');
    return 'answered';
  } catch (error) {
    assert(ConclaveError.is(error), String(error));
    return `${error.retryable ? 'again' : 'never'} ${error.message}`;
  }
}

async function untilSaid(store: LeaseStore, wanted: RegExp): Promise<void> {
  while (!wanted.test(await said(store))) await new Promise((resolve) => setTimeout(resolve, 50));
}

const refused = /^again .*the server refuses the login \(127\.0\.0\.1:\d+\): let it in, or mend the login/;

describe('A login to NATS that changes', { skip: natsMissing ?? false, concurrency: 2 }, () => {
  test('is read anew from its file', patience, async () => {
    const [first, second] = [natsKey(), natsKey()];
    const admin = { user: 'admin', pass: 'a' };
    const users = (key: string) => `{ user: admin, password: a }, { nkey: ${key} }`;
    await using server = await started(users(first.publicKey), admin);
    const nkeyFile = server.file('key');
    await writeFile(nkeyFile, first.seed);
    await using store = natsStore({ url: `nats://${server.url}`, nkeyFile, timeoutMs: 1500 });
    await untilSaid(store, /^answered$/);
    await server.change(users(second.publicKey));
    await untilSaid(store, refused);
    // What is being written is no login yet, and does not end the attempts.
    await writeFile(nkeyFile, second.seed.slice(0, 20));
    await untilSaid(store, refused);
    await writeFile(nkeyFile, second.seed);
    await untilSaid(store, /^answered$/);
  });

  test('is tried on until the server takes it again', patience, async () => {
    const login = { user: 'worker', pass: 'right' };
    const users = (password: string) => `{ user: worker, password: ${password} }`;
    await using server = await started(users('right'), login);
    await using store = natsStore({ url: `nats://worker:right@${server.url}`, timeoutMs: 1500 });
    await untilSaid(store, /^answered$/);
    await server.change(users('other'));
    await untilSaid(store, refused);
    await server.change(users('right'));
    await untilSaid(store, /^answered$/);
  });
});
