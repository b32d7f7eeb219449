// A node of Cassandra of a test's own, from the jars that test/servers/cassandra.xml names (.ci/run fetches them), or
// the cluster that already runs at CONCLAVE_TEST_CASSANDRA_URL (host:port, with CONCLAVE_TEST_CASSANDRA_DATACENTER, and
// a superuser in CONCLAVE_TEST_CASSANDRA_USER and CONCLAVE_TEST_CASSANDRA_PASSWORD).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import cassandra from 'cassandra-driver';
import { forgetLostHosts, type HostKeeper } from '../../src/stores/cassandra/connection.ts';
import { peer } from '../peers.ts';
import { freePorts } from '../ports.ts';

const jars = join(import.meta.dirname, '../../.peers/cassandra');
const running = process.env.CONCLAVE_TEST_CASSANDRA_URL;

/** Why tests with it cannot run. */
export const cassandraMissing: string | undefined =
  running === undefined ? (peer('java').missing ?? jarsMissing()) : undefined;

/** Tests that stop the server need one of their own. */
export const cassandraIsOurs = running === undefined;

export interface CassandraServer extends AsyncDisposable {
  readonly contactPoints: readonly string[];
  readonly localDataCenter: string;
  /** A superuser. */
  readonly user: string;
  readonly password: string;
  readonly port: number;
  /** A client of its own; `port` may be that of a proxy in front of the server. */
  connect(login?: { readonly user: string; readonly password: string }, port?: number): cassandra.Client;
  /** As a crash does. */
  kill(): Promise<void>;
  /** Again after `kill`, with its data. */
  start(): Promise<void>;
}

export async function startCassandra(): Promise<CassandraServer> {
  if (running !== undefined) return new Node(running, undefined, 0);
  for (let attempt = 1; ; attempt++) {
    const [native = 0, storage = 0] = await freePorts(2);
    const folder = mkdtempSync(join(tmpdir(), 'conclave-cassandra-'));
    const node = new Node(`127.0.0.1:${native}`, folder, storage);
    try {
      await node.start();
      return node;
    } catch (error) {
      await node[Symbol.asyncDispose]();
      // Somebody else may have taken a port meanwhile.
      if (attempt === 2) throw error;
    }
  }
}

function jarsMissing(): string | undefined {
  if (globSync(`${jars}/cassandra-all-*.jar`).length > 0) return undefined;
  return 'Cassandra is not in .peers (see test/servers/cassandra.xml)';
}

class Node implements CassandraServer {
  readonly contactPoints: readonly string[];
  readonly localDataCenter = process.env.CONCLAVE_TEST_CASSANDRA_DATACENTER ?? 'datacenter1';
  readonly user = process.env.CONCLAVE_TEST_CASSANDRA_USER ?? 'cassandra';
  readonly password = process.env.CONCLAVE_TEST_CASSANDRA_PASSWORD ?? 'cassandra';
  readonly port: number;
  readonly #folder: string | undefined;
  readonly #storagePort: number;
  #child: ChildProcess | undefined;
  #said = '';

  constructor(address: string, folder: string | undefined, storagePort: number) {
    this.contactPoints = [address];
    this.port = Number(address.split(':')[1] ?? 9042);
    this.#folder = folder;
    this.#storagePort = storagePort;
  }

  connect(
    login: { readonly user: string; readonly password: string } = this,
    port = this.port,
  ): cassandra.Client {
    const [host = ''] = this.contactPoints[0]?.split(':') ?? [];
    const client = new cassandra.Client({
      contactPoints: [`${host}:${port}`],
      protocolOptions: { port },
      localDataCenter: this.localDataCenter,
      credentials: { username: login.user, password: login.password },
      socketOptions: { connectTimeout: 30_000, readTimeout: 60_000 },
    });
    forgetLostHosts(client as unknown as HostKeeper);
    return client;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await exit;
  }

  async start(): Promise<void> {
    const folder = this.#folder ?? '';
    writeFileSync(join(folder, 'cassandra.yaml'), settings(folder, this.port, this.#storagePort));
    writeFileSync(join(folder, 'logback.xml'), logging);
    const child = spawn(peer('java').path ?? '', javaArguments(folder), {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#said = `${this.#said}${text}`.slice(-4000);
      });
    }
    this.#child = child;
    const deadlineMs = performance.now() + 180_000;
    for (;;) {
      const client = this.connect();
      try {
        await client.connect();
        return;
      } catch (cause) {
        if (child.exitCode !== null || performance.now() > deadlineMs) {
          throw new Error(`Cassandra did not come up: ${this.#said}`, { cause });
        }
      } finally {
        await client.shutdown();
      }
      await sleep(250);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#folder === undefined) return;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

function settings(folder: string, port: number, storagePort: number): string {
  const folders = { commitlog_directory: 'log', hints_directory: 'hints', saved_caches_directory: 'caches' };
  return JSON.stringify({
    cluster_name: 'test',
    num_tokens: 1,
    partitioner: 'org.apache.cassandra.dht.Murmur3Partitioner',
    // The default, 'periodic', loses up to 10 s of acknowledged writes when a node is killed.
    commitlog_sync: 'batch',
    data_file_directories: [join(folder, 'data')],
    cdc_raw_directory: join(folder, 'cdc'),
    ...Object.fromEntries(Object.entries(folders).map(([name, own]) => [name, join(folder, own)])),
    listen_address: '127.0.0.1',
    rpc_address: '127.0.0.1',
    storage_port: storagePort,
    native_transport_port: port,
    endpoint_snitch: 'SimpleSnitch',
    paxos_variant: 'v2',
    authenticator: 'PasswordAuthenticator',
    authorizer: 'CassandraAuthorizer',
    role_manager: 'CassandraRoleManager',
    // A machine may stall for longer than the defaults, of which the shortest is 2 s. Contention times out as usual.
    ...Object.fromEntries(['read', 'range', 'write'].map((what) => [`${what}_request_timeout`, '60s'])),
    request_timeout: '60s',
    // What is granted counts at once.
    permissions_validity: '0ms',
    roles_validity: '0ms',
    credentials_validity: '0ms',
    seed_provider: [
      {
        class_name: 'org.apache.cassandra.locator.SimpleSeedProvider',
        parameters: [{ seeds: `127.0.0.1:${storagePort}` }],
      },
    ],
  });
}

const logging = `<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%level %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>`;

/** What Cassandra's own start script opens of Java 17's modules. */
const exported = [
  ...['java.base/jdk.internal.misc', 'java.base/jdk.internal.ref', 'java.base/sun.nio.ch'],
  ...['java.base/java.lang.ref', 'java.sql/java.sql', 'java.rmi/sun.rmi.registry', 'java.rmi/sun.rmi.server'],
  ...['java.rmi/sun.rmi.transport.tcp', 'java.management.rmi/com.sun.jmx.remote.internal.rmi'],
];
const opened = [
  ...[
    'java.base/java.lang',
    'java.base/java.lang.module',
    'java.base/java.lang.reflect',
    'java.base/java.io',
  ],
  ...['java.base/java.nio', 'java.base/java.util', 'java.base/java.util.concurrent'],
  ...['java.base/java.util.concurrent.atomic', 'java.base/jdk.internal.loader', 'java.base/jdk.internal.ref'],
  ...['java.base/jdk.internal.reflect', 'java.base/jdk.internal.math', 'java.base/jdk.internal.module'],
  ...[
    'java.base/jdk.internal.util.jar',
    'java.base/sun.nio.ch',
    'jdk.management/com.sun.management.internal',
  ],
];

function javaArguments(folder: string): readonly string[] {
  const properties = {
    'cassandra.config': `file://${join(folder, 'cassandra.yaml')}`,
    'cassandra.storagedir': folder,
    'cassandra-foreground': 'yes',
    'cassandra.skip_wait_for_gossip_to_settle': 0,
    'cassandra.ring_delay_ms': 1,
    'cassandra.superuser_setup_delay_ms': 0,
    'cassandra.auth_bcrypt_gensalt_log2_rounds': 4,
    'cassandra.jmx.local.port': 0,
    'logback.configurationFile': join(folder, 'logback.xml'),
    'jdk.attach.allowAttachSelf': true,
  };
  return [
    ...['-Xms512M', '-Xmx512M', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
    ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
    ...exported.flatMap((name) => ['--add-exports', `${name}=ALL-UNNAMED`]),
    ...opened.flatMap((name) => ['--add-opens', `${name}=ALL-UNNAMED`]),
    ...[`-javaagent:${join(jars, 'jamm-0.4.0.jar')}`, '-cp', `${jars}/*`],
    'org.apache.cassandra.service.CassandraDaemon',
  ];
}
