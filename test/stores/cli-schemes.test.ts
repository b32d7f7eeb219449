/** `conclave migrate --store`, `elect --store` and `observe --store` with every scheme that there is a server for. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openStore } from '../../src/stores/urls.ts';
import { Conclave, run } from '../integration/cli.ts';
import { EtcdCluster } from '../integration/etcd-cluster.ts';
import { peer } from '../peers.ts';
import { cassandraMissing, startCassandra } from '../servers/cassandra.ts';
import { startConsul, tokenFor } from '../servers/consul.ts';
import { startDynamodb } from '../servers/dynamodb.ts';
import { startKubernetes } from '../servers/kubernetes.ts';
import { startMariadb } from '../servers/mariadb.ts';
import { mongodbMissing, startMongodb } from '../servers/mongodb.ts';
import { natsMissing, startNats } from '../servers/nats.ts';
import { serveOneMember } from '../servers/one-member.ts';
import { startPostgresql } from '../servers/postgresql.ts';
import { redisMissing, startRedis } from '../servers/redis.ts';
import { s3Missing, startS3 } from '../servers/s3.ts';
import { startZookeeper, zookeeperMissing } from '../servers/zookeeper.ts';

interface Running {
  readonly server: AsyncDisposable;
  readonly url: string;
  readonly environment?: Readonly<Record<string, string>>;
}

interface Scheme {
  readonly name: string;
  readonly missing: string | undefined;
  start(): Promise<Running>;
  readonly flags?: readonly string[];
  /** What `conclave migrate` makes, and what is printed of it; absent: nothing. */
  readonly makes?: string;
  readonly prints?: RegExp;
  readonly migrateFlags?: readonly string[];
}

const amazon = {
  AWS_ACCESS_KEY_ID: process.env.AWS_ACCESS_KEY_ID ?? 'test',
  AWS_SECRET_ACCESS_KEY: process.env.AWS_SECRET_ACCESS_KEY ?? 'test',
  AWS_REGION: process.env.AWS_REGION ?? 'us-east-1',
};

const schemes: readonly Scheme[] = [
  {
    name: 'conclave',
    missing: undefined,
    async start() {
      const server = await serveOneMember();
      return { server, url: `conclave://${server.endpoints}/team/elections` };
    },
  },
  {
    name: 'etcd',
    missing: peer('etcd').missing,
    async start() {
      const server = await EtcdCluster.start(peer('etcd').path ?? '', 1);
      return { server, url: `etcd://${server.members[0]?.endpoint}` };
    },
  },
  {
    name: 'zk',
    missing: zookeeperMissing,
    async start() {
      const server = await startZookeeper(1);
      return { server, url: `zk://${server.servers}/elections` };
    },
  },
  {
    name: 'consul',
    missing: undefined,
    async start() {
      const server = await startConsul();
      const prefix = `cli-${process.pid}/`;
      const token = await tokenFor(server, prefix);
      const url = `consul://${new URL(server.url).host}/${prefix}`;
      return { server, url, ...(token && { environment: { CONSUL_HTTP_TOKEN: token } }) };
    },
  },
  {
    name: 'dynamodb',
    missing: undefined,
    makes: `the table cli-${process.pid}`,
    prints: /^aws dynamodb create-table --table-name cli-\d+ .*\naws dynamodb update-time-to-live .*\n$/,
    async start() {
      const server = await startDynamodb('dynalite');
      const endpoint = encodeURIComponent(server.url);
      const url = `dynamodb://eu-central-1/cli-${process.pid}?endpoint=${endpoint}`;
      return { server, url, environment: amazon };
    },
  },
  {
    name: 's3',
    missing: s3Missing,
    prints: /^aws s3api create-bucket --bucket .*\n$/,
    async start() {
      const server = await startS3();
      const endpoint = encodeURIComponent(server.url);
      return { server, url: `s3://${server.bucket}/elections?endpoint=${endpoint}`, environment: amazon };
    },
  },
  {
    name: 'postgres',
    missing: peer('postgres').missing,
    makes: 'the table conclave_documents',
    prints: /CREATE TABLE IF NOT EXISTS .conclave_documents[^;]*;\n(?:\n[^;]*;\n)+$/,
    async start() {
      const server = await startPostgresql(peer('postgres').path ?? '');
      return { server, url: server.url };
    },
  },
  {
    name: 'mariadb',
    missing: peer('mariadbd').missing,
    makes: 'the table conclave_documents',
    prints: /CREATE TABLE IF NOT EXISTS .conclave_documents[^;]*;\n(?:\n[^;]*;\n)+$/,
    async start() {
      const server = await startMariadb(peer('mariadbd').path ?? '');
      return { server, url: server.url.replace('mysql:', 'mariadb:') };
    },
  },
  {
    name: 'redis',
    missing: redisMissing,
    flags: ['--accept-advisory', 'a test of the command line'],
    async start() {
      const server = await startRedis();
      return { server, url: `redis://127.0.0.1:${server.port}?prefix=team` };
    },
  },
  {
    name: 'nats',
    missing: natsMissing,
    makes: 'the bucket conclave',
    migrateFlags: ['--replicas', '1'],
    prints: /^nats kv add conclave --history 1 --storage file --replicas 1\n$/,
    async start() {
      const server = await startNats();
      return { server, url: `nats://127.0.0.1:${server.port}` };
    },
  },
  {
    name: 'mongodb',
    missing: mongodbMissing,
    makes: 'the collection conclave with its index',
    prints: /^db\.createCollection\("conclave"\)\ndb\.getCollection\("conclave"\)\.createIndex\(.*\)\n$/,
    async start() {
      const server = await startMongodb();
      const url = new URL(server.url);
      url.pathname = '/elections';
      return { server, url: url.href };
    },
  },
  {
    name: 'cassandra',
    missing: cassandraMissing,
    makes: 'the table conclave.documents',
    migrateFlags: ['--replicas', '1'],
    prints:
      /^CREATE KEYSPACE IF NOT EXISTS conclave .*1\};\n\nCREATE TABLE IF NOT EXISTS conclave\.documents .*;\n$/,
    async start() {
      const server = await startCassandra();
      const { user, password, contactPoints, localDataCenter } = server;
      const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
      const url = `cassandra://${login}@${contactPoints.join()}/conclave?datacenter=${localDataCenter}`;
      return { server, url };
    },
  },
  {
    name: 'kubernetes',
    missing: undefined,
    async start() {
      const server = await startKubernetes();
      const folder = await mkdtemp(join(tmpdir(), 'conclave-kubeconfig-'));
      const file = join(folder, 'config');
      await writeFile(file, server.kubeConfig().exportConfig());
      const owner = {
        async [Symbol.asyncDispose]() {
          await rm(folder, { recursive: true });
          await server[Symbol.asyncDispose]();
        },
      };
      const url = `kubernetes://default?prefix=${server.prefix}`;
      return { server: owner, url, environment: { KUBECONFIG: file } };
    },
  },
];

const patience = { timeout: 240_000 };
const job = ['sh', '-c', 'echo "token $CONCLAVE_TOKEN"; exec sleep 600'];

for (const { name, missing, start, flags = [], makes, prints, migrateFlags = [] } of schemes) {
  describe(`The command line on ${name}://`, { skip: missing ?? false }, () => {
    let running: Running | undefined;
    before(async () => {
      running = await start();
    }, patience);
    after(async () => await running?.server[Symbol.asyncDispose](), patience);

    test('migrate makes what is missing, once, and says so', patience, async () => {
      const { url, environment: more = {} } = running as Running;
      const environment = { ...more, CONCLAVE_STORE: url };
      const migrate = async (...words: readonly string[]) => {
        const { code, stdout, stderr } = await run(['migrate', ...migrateFlags, ...words], { environment });
        assert.equal(code, 0, stderr);
        return stdout;
      };
      const printed = await migrate('--print');
      assert.match(printed, prints ?? /^$/);
      const ready = /\nElections can be held in .+: it was opened, and read\.\n$/;
      const [first, second] = [await migrate(), await migrate()];
      assert.match(first, ready);
      assert.match(second, ready);
      if (makes === undefined)
        assert.match(first, prints === undefined ? /^Nothing is to be made/ : /^Nothing is made: /);
      else {
        // Only a server of our own is known to be empty.
        if (first.startsWith('Made')) assert.match(first, new RegExp(`^Made ${makes}\\.\n`));
        assert.match(second, new RegExp(`^There is ${makes} already: it stays as it is\\.\n`));
      }
    });

    test('a job runs, an observer sees who leads, and SIGTERM hands over', patience, async () => {
      const { url, environment: more = {} } = running as Running;
      const environment = { ...more, CONCLAVE_STORE: url };
      const command = (holder: string) => ['elect', 'report', '--ttl', '4s', '--holder', holder, ...flags];
      await using observer = new Conclave(['observe', 'report', '--json'], { environment });
      await using first = new Conclave([...command('one'), '--', ...job], { environment });
      const [, before = ''] = await first.match('stdout', /token (\d+)/);
      await observer.match('stdout', /"holder":"one"/);
      await using second = new Conclave([...command('two'), '--', ...job], { environment });
      {
        const was = { ...process.env };
        Object.assign(process.env, more);
        await using store = await openStore(url, process.env);
        while ((await store.read('report')).waiting.length === 0) await sleep(50);
        process.env = was;
      }
      first.process.kill('SIGTERM');
      const [, token = ''] = await second.match('stdout', /token (\d+)/);
      assert(Number(token) > Number(before), `token ${token} came after ${before}`);
      await first.ended;
      await observer.match('stdout', /"holder":"two"/);
      for (const { stdout, stderr } of [first, second, observer]) {
        const { password } = new URL(url.replace(/^[a-z0-9+]+:/, 'http:'));
        if (password !== '') assert(!`${stdout}${stderr}`.includes(`:${password}@`));
      }
    });
  });
}
