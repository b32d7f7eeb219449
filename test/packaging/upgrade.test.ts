// A cluster of the previous release becomes one of this release, a member at a time, and back, while it is written to.
// The previous release is a tarball as `npm pack` makes it, named by CONCLAVE_PREVIOUS_RELEASE.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { connectClient, prefixEnd, toBytes, toText } from '../../src/client/index.ts';
import { freePorts } from '../ports.ts';
import { Project, type Running } from './project.ts';

const previous = process.env.CONCLAVE_PREVIOUS_RELEASE;
const skip =
  previous === undefined || previous === ''
    ? 'there is no previous release (CONCLAVE_PREVIOUS_RELEASE names its tarball)'
    : false;

test('members of the previous release and of this one serve together', {
  skip,
  timeout: 600_000,
}, async (context) => {
  await using old = await Project.make(resolve(previous ?? ''));
  await using current = await Project.make();
  const folder = await mkdtemp(join(tmpdir(), 'conclave-upgrade-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  const names = ['m1', 'm2', 'm3'];
  const ports = await freePorts(6);
  const url = (at: number) => `http://127.0.0.1:${ports[at]}`;
  const cluster = names.map((name, at) => `${name}=${url(at + 3)}`).join(',');
  const running: (Running | undefined)[] = names.map(() => undefined);
  const start = (project: Project, at: number) => {
    const flags = ['--name', names[at] as string, '--data-dir', join(folder, names[at] as string)];
    const urls = [
      '--listen-client-urls',
      url(at),
      '--listen-peer-urls',
      url(at + 3),
      '--initial-cluster',
      cluster,
    ];
    running[at] = project.start(join(project.folder, 'node_modules/.bin/conclave'), [
      'serve',
      ...flags,
      ...urls,
    ]);
  };
  context.after(async () => {
    for (const member of running) await member?.[Symbol.asyncDispose]();
  });
  await using client = connectClient({ endpoints: names.map((_, at) => url(at)), timeoutMs: 30_000 });
  const watching = new AbortController();
  const seen: string[] = [];
  const watched = (async () => {
    const request = { key: toBytes('key-'), rangeEnd: prefixEnd(toBytes('key-')), startRevision: 1 };
    for await (const { events } of client.watch(request, { signal: watching.signal })) {
      for (const { kv } of events) seen.push(toText(kv?.key ?? new Uint8Array()));
    }
  })();
  let written = 0;
  /** Commands of each kind, through whoever serves. */
  const write = async () => {
    for (let count = 0; count < 20; count++) await client.put(`key-${written}`, String(written++));
    const { lease } = await client.leaseGrant(600_000);
    await client.put(`leased-${written}`, 'v', { lease });
    await client.renewLease(lease);
    await client.txn({ success: [{ request: { $case: 'requestPut', value: { key: toBytes('txn') } } }] });
    await client.deleteRange('txn');
    await client.users.addRole(`role-${written}`);
    const revision = (await client.put('last', '')).header?.revision ?? 0;
    await client.compact(revision - 5);
  };
  /** All members say the same of all keys up to one revision. */
  const compare = async () => {
    const revision = (await client.put('compared', '')).header?.revision ?? 0;
    const hashes = new Set<number>();
    for (let at = 0; at < names.length; at++) {
      await using one = connectClient({ endpoints: [url(at)], timeoutMs: 60_000 });
      await one.get('compared');
      hashes.add((await one.maintenance.hashKV(revision, { endpoint: url(at), timeoutMs: 60_000 })).hash);
    }
    assert.equal(hashes.size, 1);
  };
  const replace = async (project: Project, at: number) => {
    running[at]?.signal('SIGTERM');
    await running[at]?.ended;
    await write();
    start(project, at);
    await using one = connectClient({ endpoints: [url(at)], timeoutMs: 60_000 });
    await one.get('key-0');
    await write();
    await compare();
  };
  for (let at = 0; at < names.length; at++) start(old, at);
  await write();
  for (let at = 0; at < names.length; at++) await replace(current, at);
  await replace(old, 0);
  await replace(current, 0);
  for (let number = 0; number < written; number++) {
    const found = await client.get(`key-${number}`);
    assert.equal(Buffer.from(found?.value ?? []).toString(), String(number));
  }
  while (seen.length < written) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(
    seen,
    Array.from({ length: written }, (_, number) => `key-${number}`),
  );
  watching.abort();
  await watched;
});
