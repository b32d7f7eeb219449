import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { losingAnswers } from '../../src/conformance/index.ts';
import { electionKeys } from '../../src/stores/conclave/keys.ts';
import { etcdStore } from '../../src/stores/etcd.ts';
import { DeleteRangeRequest, services } from '../../src/wire/index.ts';
import { startConclave, type TestServer } from '../interop/servers.ts';
import { peer } from '../peers.ts';
import { testsOfOutages } from '../stores/outage.ts';
import { register } from '../stores/register.ts';
import { EtcdCluster } from './etcd-cluster.ts';
import { MeddlingNetwork } from './meddling.ts';

const etcd = peer('etcd');
const skip = etcd.missing ?? false;
const path = etcd.path ?? '';

/** As `etcdctl del --prefix` would. */
async function deleteRecords(cluster: EtcdCluster, name: string): Promise<void> {
  const [member] = cluster.members;
  assert(member !== undefined);
  const { all, allEnd } = electionKeys('conclave/election', name);
  const request = DeleteRangeRequest.create({ key: all, rangeEnd: allEnd });
  const { deleted } = await cluster.call(member, services.KV.deleteRange, request);
  assert(deleted > 0n, `${name} has no keys`);
}

describe('The etcd store conforms on three members', { concurrency: 4, skip }, () => {
  let cluster: EtcdCluster | undefined;
  before(async () => {
    cluster = await EtcdCluster.start(path, 3);
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });
  register(async () => {
    const { endpoints } = cluster as EtcdCluster;
    const network = new MeddlingNetwork();
    const { store, loseNextAnswer } = losingAnswers(etcdStore({ endpoints, transport: network.connect }));
    return {
      store,
      another: async () => etcdStore({ endpoints }),
      anotherOn: async (runtime) => etcdStore({ endpoints, runtime }),
      loseNextAnswer,
      deleteRecords: (name) => deleteRecords(cluster as EtcdCluster, name),
      requests: () => network.sent,
      [Symbol.asyncDispose]: () => Promise.resolve(store[Symbol.asyncDispose]()),
    };
  });
});

describe('The etcd store outlives its service', { skip }, () => {
  testsOfOutages(async () => {
    const cluster = await EtcdCluster.start(path, 1);
    const [member] = cluster.members;
    assert(member !== undefined);
    return {
      open: () => etcdStore({ endpoints: cluster.endpoints }),
      stop: () => cluster.kill(member),
      start: async () => {
        cluster.run(member);
        await cluster.answering(member);
      },
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    };
  });
});

describe('The etcd store conforms where every second answer to a write is lost', {
  concurrency: 4,
  skip,
}, () => {
  let cluster: EtcdCluster | undefined;
  before(async () => {
    cluster = await EtcdCluster.start(path, 1);
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
  });
  const writes = [services.KV.txn.path, services.Lease.leaseGrant.path, services.Lease.leaseRevoke.path];
  const open = () => {
    const network = new MeddlingNetwork();
    let calls = 0;
    network.meddle = ({ path: method }) => {
      if (!writes.includes(method)) return undefined;
      calls += 1;
      return calls % 2 === 1 ? 'lose-answer' : undefined;
    };
    const { endpoints } = cluster as EtcdCluster;
    return etcdStore({ endpoints, transport: network.connect });
  };
  // A transaction of the user's is not sent again: its caller hears that the outcome is unknown.
  register(
    async () => {
      const store = open();
      return {
        store,
        another: async () => open(),
        [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
      };
    },
    (name) => !/ transaction /.test(name),
  );
});

describe('The etcd store conforms on a member of Conclave, which answers as etcd does', {
  concurrency: 4,
}, () => {
  let server: TestServer | undefined;
  before(async () => {
    server = await startConclave();
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  register(async () => {
    const endpoints = (server as TestServer).endpoint;
    const store = etcdStore({ endpoints });
    return {
      store,
      another: async () => etcdStore({ endpoints }),
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  });
});
