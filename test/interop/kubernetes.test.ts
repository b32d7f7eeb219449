// Kubernetes' API server, which keeps all of a cluster's objects in etcd: on three members of ours; and the same on three of
// etcd, so that what is asked here is what etcd gives.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiException, CoreV1Api, type V1ConfigMap, Watch } from '@kubernetes/client-node';
import { optionalPeer } from '../peers.ts';
import { KubeApiServer } from '../servers/kube-apiserver.ts';
import { type System, type SystemKind, systemKinds } from './systems.ts';

const program = optionalPeer('kube-apiserver');
const namespace = 'default';
const patience = { timeout: 120_000 };

for (const kind of systemKinds.filter(({ name }) => name !== 'one member')) {
  const skip = program.missing ?? kind.missing ?? false;
  describe(`Kubernetes' API server on ${kind.name}`, { skip, timeout: 300_000 }, () => keepsObjects(kind));
}

function keepsObjects(kind: SystemKind): void {
  let system: System;
  let server: KubeApiServer;
  let api: CoreV1Api;
  const start = async (compactEveryMs?: number) => {
    const { endpoints } = system;
    server = await KubeApiServer.start({ path: program.path ?? '', endpoints, compactEveryMs });
    api = server.kubeConfig().makeApiClient(CoreV1Api);
  };
  before(async () => {
    system = await kind.start();
    await start();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
    await system?.[Symbol.asyncDispose]();
  });
  const put = (name: string, value: string) =>
    api.createNamespacedConfigMap({ namespace, body: { metadata: { name }, data: { value } } });
  /** The first, or the one that goes on from what another said. */
  const page = (from = '') =>
    api.listNamespacedConfigMap({ namespace, limit: 7, ...(from !== '' && { _continue: from }) });
  const names = async (): Promise<string[]> => {
    const { items } = await api.listNamespacedConfigMap({ namespace });
    return items.map(({ metadata }) => metadata?.name ?? '');
  };

  test('its own namespaces, roles and priorities are made at its first start', patience, async () => {
    const { items } = await api.listNamespace();
    const found = items.map(({ metadata }) => metadata?.name);
    for (const name of ['default', 'kube-system', 'kube-public']) assert(found.includes(name), name);
  });

  test('a write that was read before another one came is refused', patience, async () => {
    const first = await put('contended', 'one');
    const changed = { ...first, data: { value: 'two' } };
    await api.replaceNamespacedConfigMap({ name: 'contended', namespace, body: changed });
    const late = api.replaceNamespacedConfigMap({ name: 'contended', namespace, body: changed });
    await assert.rejects(late, failsWith(409));
    const { data } = await api.readNamespacedConfigMap({ name: 'contended', namespace });
    assert.deepEqual(data, { value: 'two' });
  });

  test('a list comes in pages of one revision, whatever is written meanwhile', patience, async () => {
    const all = Array.from({ length: 50 }, (_, at) => `page-${String(at).padStart(2, '0')}`);
    await Promise.all(all.map((name) => put(name, name)));
    const seen: string[] = [];
    let next: string | undefined;
    do {
      const { items, metadata } = await page(next);
      seen.push(...items.map(({ metadata: of }) => of?.name ?? ''));
      await put(`page-later-${seen.length}`, '');
      next = metadata?._continue;
    } while (next);
    assert.deepEqual(
      seen.filter((name) => name.startsWith('page-')),
      all,
    );
  });

  test('a watch from a revision tells each change since, in order', patience, async () => {
    const { metadata } = await api.listNamespacedConfigMap({ namespace });
    const made = await put('watched', '1');
    await api.replaceNamespacedConfigMap({
      ...{ name: 'watched', namespace },
      body: { ...made, data: { value: '2' } },
    });
    await api.deleteNamespacedConfigMap({ name: 'watched', namespace });
    const seen: string[] = [];
    const watch = new Watch(server.kubeConfig());
    await new Promise<void>((resolve, reject) => {
      const query = { resourceVersion: metadata?.resourceVersion, timeoutSeconds: 60 };
      const tell = (type: string, { metadata: of, data }: V1ConfigMap) => {
        if (of?.name === 'watched') seen.push(`${type} ${data?.value}`);
        if (type === 'DELETED') resolve();
      };
      const path = `/api/v1/namespaces/${namespace}/configmaps`;
      watch
        .watch(path, query, tell, (error) => reject(error ?? new Error(`ended after ${seen}`)))
        .catch(reject);
    });
    assert.deepEqual(seen, ['ADDED 1', 'MODIFIED 2', 'DELETED 2']);
  });

  test('what it acknowledged is there after the leader of its store was killed', patience, async () => {
    const acknowledged: string[] = [];
    let over = false;
    const writing = (async () => {
      for (let at = 0; !over; at++) {
        const name = `killed-${at}`;
        try {
          await put(name, name);
          acknowledged.push(name);
        } catch (error) {
          // Without a leader some are refused, as they are by etcd; none of those counts.
          assert(error instanceof ApiException, String(error));
        }
      }
    })();
    await sleep(500);
    await system.killLeader();
    const before = acknowledged.length;
    while (acknowledged.length < before + 20) await sleep(50);
    over = true;
    await writing;
    await system.revive();
    const found = new Set(await names());
    assert.deepEqual(
      acknowledged.filter((name) => !found.has(name)),
      [],
    );
  });

  test(
    'all of it is there for an API server that is started anew, until it is compacted',
    patience,
    async () => {
      const before = await names();
      const { metadata } = await api.listNamespacedConfigMap({ namespace, limit: 7 });
      await server[Symbol.asyncDispose]();
      await start(500);
      assert.deepEqual(await names(), before);
      // It compacts to where it was an interval before, and what a page goes on from is gone then.
      for (let round = 0; ; round++) {
        await put(`after-${round}`, '');
        const gone = await page(metadata?._continue).then(() => undefined, failsWith(410));
        if (gone !== undefined) break;
        await sleep(200);
      }
    },
  );
}

/** Gives true for an answer of this status, and throws what is none. */
function failsWith(status: number): (error: unknown) => true {
  return (error) => {
    if (error instanceof ApiException && error.code === status) return true;
    throw error;
  };
}
