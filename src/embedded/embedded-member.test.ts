import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { freePorts } from '../cli/dev/ports.ts';
import { type ConformanceTarget, conformanceTests } from '../conformance/index.ts';
import { ConclaveError } from '../errors/index.ts';
import { type EmbeddedMember, startEmbeddedMember } from './index.ts';

interface Cluster extends AsyncDisposable {
  readonly members: readonly EmbeddedMember[];
}

async function startCluster(size: number): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-embedded-'));
  const ports = await freePorts(size);
  const initialCluster = ports.map((port, at) => ({
    name: `m${at}`,
    peerUrls: [`http://127.0.0.1:${port}`],
  }));
  const members = await Promise.all(
    initialCluster.map(({ name, peerUrls }) =>
      startEmbeddedMember({
        name,
        dataDir: join(folder, name),
        peerListenUrls: peerUrls,
        clientAdvertiseUrls: [],
        initialCluster,
      }),
    ),
  );
  return {
    members,
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map((member) => member[Symbol.asyncDispose]()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilStatus(member: EmbeddedMember, fits: (leader: number) => boolean): Promise<number> {
  for (;;) {
    const { raft } = await member.status();
    if (fits(raft.leader)) return raft.leader;
    await new Promise<void>((resolve) => {
      const off = member.onChange(() => {
        off();
        resolve();
      });
      // A change between the question and the subscription is seen by asking again.
      void member.status().then((status) => fits(status.raft.leader) && resolve());
    });
  }
}

describe('Embedded members', () => {
  test('elect a leader among three, and another when that one stops', async () => {
    await using cluster = await startCluster(3);
    const { members } = cluster;
    const [first] = members;
    assert.ok(first);
    const leader = await untilStatus(first, (id) => id !== 0);
    const leading = members.find((member) => member.memberId === leader);
    const rest = members.filter((member) => member !== leading);
    assert.ok(leading && rest[0] && rest[1]);
    const [a, b] = rest.map((member) => member.client());
    assert.ok(a && b);
    await a.put('k', 'before');
    await leading.stop();
    await b.put('k', 'after', { timeoutMs: 10_000 });
    assert.equal((await a.get('k'))?.version, 2);
    assert.notEqual(await untilStatus(rest[0], (id) => id !== 0 && id !== leader), leader);
    await a.close();
    await b.close();
  });

  test('tell why they cannot start', async () => {
    const options = {
      name: 'x',
      dataDir: '/tmp/never',
      peerListenUrls: [],
      clientAdvertiseUrls: [],
      initialCluster: [],
    };
    await assert.rejects(startEmbeddedMember(options), (error) =>
      ConclaveError.is(error, 'invalid-argument'),
    );
  });

  test('refuse what is asked of them once stopped', async () => {
    await using cluster = await startCluster(1);
    const [member] = cluster.members;
    assert.ok(member);
    await using client = member.client();
    await client.put('a', 'b');
    await member.stop();
    await member.stopped;
    await assert.rejects(member.status(), (error) => ConclaveError.is(error, 'closed'));
    // Time enough for a first attempt, also where this machine stalls meanwhile.
    const late = client.put('a', 'c', { timeoutMs: 2000 });
    await assert.rejects(late, (error) => ConclaveError.is(error, 'unavailable'));
  });
});

/** One member for the whole suite: its cases use names of their own. */
let shared: Promise<Cluster> | undefined;

async function open(): Promise<ConformanceTarget> {
  shared ??= startCluster(1);
  const [member] = (await shared).members;
  assert.ok(member);
  const openStore = () => member.store();
  const store = openStore();
  return {
    store,
    another: async () => openStore(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe('The store of an embedded member conforms', { concurrency: 4 }, () => {
  for (const { name, run } of conformanceTests(open, { ttlMs: 400, patienceMs: 60_000 })) {
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
  after(async () => {
    await (await shared)?.[Symbol.asyncDispose]();
  });
});
