// docs/guides/operating.md, word for word.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectClient } from '../../src/client/index.ts';
import { Guide } from '../guide.ts';
import { freePorts } from '../ports.ts';
import { putConclaveOnPath } from './conclave-on-path.ts';

test('a cluster is started, looked at, compacted, saved and restored as the guide says', {
  timeout: 400_000,
}, async () => {
  await using guide = new Guide('operating');
  const places = ['12379', '22379', '32379', '12380', '22380', '32380', '42379', '42380'];
  const ports = await freePorts(places.length);
  const adapt = (code: string) =>
    places.reduce((text, place, at) => text.replaceAll(`:${place}`, `:${ports[at]}`), code);
  await guide.unpack(adapt);
  const endpoints = ports.slice(0, 3).map((port) => `http://127.0.0.1:${port}`);
  const env = { PATH: await putConclaveOnPath(guide.folder), CONCLAVE_ENDPOINTS: endpoints.join() };
  const ready = (running: { output: string }) =>
    running.output.split('ready to serve client requests').length > endpoints.length;
  await using client = connectClient({ endpoints, timeoutMs: 30_000 });
  let last = 0;
  {
    await using cluster = guide.start('start', { env });
    while (!ready(cluster)) await new Promise((resolve) => setTimeout(resolve, 50));
    await client.put('a', 'one');
    await client.put('a', 'two');
    await guide.outputOf('add', { env });
    await using fourth = guide.start('fourth', { env });
    await fourth.wrote(/ready to serve client requests/);
    assert.match(await guide.outputOf('promote', { env }), /m4/);
    await guide.outputOf('remove', { env });
    await fourth.ended;
    assert.match(await guide.outputOf('look', { env }), /^MEMBER +ENDPOINT[\s\S]* leads in term /);
    assert.match(await guide.outputOf('compact', { env }), /^compacted revision \d+\nm1 .*: done in/);
    assert.match(await guide.outputOf('save', { env }), /^Saved .* to monday.snapshot\nHASH/);
    assert.match(await guide.outputOf('flags', { env }), /--corrupt-check-time/);
    await guide.outputOf('disarm', { env });
    last = (await client.put('a', 'three')).header?.revision ?? 0;
  }
  const restored = await guide.outputOf('restore', { env });
  const hashes = [...restored.matchAll(/state hash ([0-9a-f]+)/g)].map(([, hash]) => hash);
  assert.equal(hashes.length, 3);
  assert.equal(new Set(hashes).size, 1);
  await using again = guide.start('start-restored', { env });
  while (!ready(again)) await new Promise((resolve) => setTimeout(resolve, 50));
  const found = await client.get('a');
  assert.equal(Buffer.from(found?.value ?? []).toString(), 'two');
  assert.ok(((await client.put('b', 'new')).header?.revision ?? 0) > last);
  guide.assertAllRun();
});
