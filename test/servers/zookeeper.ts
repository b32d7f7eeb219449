// ZooKeeper servers of a test's own: one, or three that form an ensemble, on Debian's jars.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { peer } from '../peers.ts';
import { freePorts } from '../ports.ts';

const jar = '/usr/share/java/zookeeper.jar';

/** Why tests with it cannot run. */
export const zookeeperMissing: string | undefined = peer('java').missing ?? jarMissing();

export interface ZookeeperEnsemble extends AsyncDisposable {
  /** `127.0.0.1:port` of each. */
  readonly addresses: readonly string[];
  /** All of them, as a connection string. */
  readonly servers: string;
  /** The place in `addresses` of the server that leads the ensemble. */
  leader(): Promise<number>;
  /** As a crash does. */
  kill(server: number): Promise<void>;
  /** Again after `kill`, with its data. Resolves when the ensemble serves. */
  start(server: number): Promise<void>;
  /** After `kill`: nothing is left of what it knew. */
  wipe(server: number): void;
  /** Stops for a while, as a long pause does: it accepts connections and answers nothing. */
  pause(server: number): void;
  resume(server: number): void;
}

/** As in a test: small, soon up, and without sync, since nobody pulls the plug; the folder is not the user's. */
const inTests = [
  ...['-Xms64m', '-Xmx192m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
  '-Dzookeeper.forceSync=no',
];
/** As `zkServer.sh` starts it. */
const asUsual = ['-Xmx1000m'];

export interface ZookeeperOptions {
  /** By ZooKeeper's own defaults: each write is synced, and Java compiles all it can. */
  readonly defaults?: boolean;
}

export async function startZookeeper(
  size: 1 | 3,
  { defaults = false }: ZookeeperOptions = {},
): Promise<ZookeeperEnsemble> {
  for (let attempt = 1; ; attempt++) {
    const ensemble = await Servers.make(size, defaults ? asUsual : inTests);
    try {
      await ensemble.begin();
      return ensemble;
    } catch (error) {
      await ensemble[Symbol.asyncDispose]();
      // Somebody else may have taken a port meanwhile.
      if (attempt === 3) throw error;
    }
  }
}

function jarMissing(): string | undefined {
  if (existsSync(jar)) return undefined;
  const missing = `${jar} is not installed (Debian: apt-get install zookeeper)`;
  if (process.env.CONCLAVE_PEERS === 'required') throw new Error(`${missing}, and CONCLAVE_PEERS=required`);
  return missing;
}

class Servers implements ZookeeperEnsemble {
  readonly addresses: readonly string[];
  readonly #ports: readonly number[];
  readonly #folder: string;
  readonly #children: (ChildProcess | undefined)[];
  readonly #settings: readonly string[];
  #said = '';

  private constructor(ports: readonly number[], size: number, settings: readonly string[]) {
    this.#ports = ports;
    this.#settings = settings;
    this.#folder = mkdtempSync(join(tmpdir(), 'conclave-zookeeper-'));
    this.#children = Array.from({ length: size }, () => undefined);
    this.addresses = ports.slice(0, size).map((port) => `127.0.0.1:${port}`);
  }

  /** `settings`: for Java. */
  static async make(size: number, settings: readonly string[]): Promise<Servers> {
    return new Servers(await freePorts(3 * size), size, settings);
  }

  get servers(): string {
    return this.addresses.join(',');
  }

  async begin(): Promise<void> {
    for (const at of this.#children.keys()) this.#spawn(at);
    await this.#serving();
  }

  async leader(): Promise<number> {
    for (const [at, port] of this.#ports.slice(0, this.addresses.length).entries()) {
      if (/Mode: (leader|standalone)/.test(await command(port, 'srvr').catch(() => ''))) return at;
    }
    throw new Error('no server leads');
  }

  async kill(server: number): Promise<void> {
    const child = this.#children[server];
    if (child === undefined) return;
    this.#children[server] = undefined;
    const exit = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await exit;
  }

  async start(server: number): Promise<void> {
    this.#spawn(server);
    await this.#serving();
  }

  wipe(server: number): void {
    rmSync(join(this.#folder, String(server)), { recursive: true, force: true });
  }

  pause(server: number): void {
    this.#children[server]?.kill('SIGSTOP');
  }

  resume(server: number): void {
    this.#children[server]?.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map((_, at) => this.kill(at)));
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  #spawn(at: number): void {
    const data = join(this.#folder, String(at));
    mkdirSync(data, { recursive: true });
    const size = this.addresses.length;
    const members = this.addresses.map(
      (_, other) =>
        `server.${other + 1}=127.0.0.1:${this.#ports[size + other]}:${this.#ports[2 * size + other]}`,
    );
    const settings = [
      ...['tickTime=2000', 'initLimit=20', 'syncLimit=5', `dataDir=${data}`, 'clientPortAddress=127.0.0.1'],
      ...[`clientPort=${this.#ports[at]}`, 'maxClientCnxns=0', 'admin.enableServer=false'],
      ...['4lw.commands.whitelist=srvr', ...(size === 1 ? [] : members)],
    ];
    writeFileSync(join(data, 'zoo.cfg'), settings.join('\n'));
    writeFileSync(join(data, 'myid'), String(at + 1));
    const child = spawn(
      peer('java').path ?? '',
      [
        ...[...this.#settings, '-cp', jar, '-Djava.awt.headless=true'],
        ...['org.apache.zookeeper.server.quorum.QuorumPeerMain', join(data, 'zoo.cfg')],
      ],
      { cwd: data, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#said = `${this.#said}${text}`.slice(-4000);
      });
    }
    this.#children[at] = child;
  }

  /** All that run serve clients. */
  async #serving(): Promise<void> {
    const deadlineMs = performance.now() + 90_000;
    for (;;) {
      const running = [...this.#children.entries()].filter(([, child]) => child !== undefined);
      const said = await Promise.all(
        running.map(([at]) => command(this.#ports[at] ?? 0, 'srvr').catch(String)),
      );
      if (said.every((text) => text.includes('Mode: '))) return;
      const ended = running.some(([, child]) => child?.exitCode !== null);
      if (ended || performance.now() > deadlineMs)
        throw new Error(`ZooKeeper did not come up: ${this.#said}`);
      await sleep(100);
    }
  }
}

/** A command of four letters. */
function command(port: number, letters: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(letters));
    let said = '';
    socket.setTimeout(2000, () => socket.destroy(new Error('no answer')));
    socket.on('data', (chunk) => {
      said += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(said));
  });
}
