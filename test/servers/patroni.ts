// One node of a database cluster for a test: Patroni, and the PostgreSQL server that it runs.
import { mkdtempSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { freePorts } from '../ports.ts';
import { giveTo, ServerProcess, serverUser } from './server-process.ts';

export interface PatroniStatus {
  /** `primary` (`master` in Patroni before 4) or `replica`. */
  readonly role: string;
  readonly state: string;
  readonly timeline?: number;
  /** Unix time in seconds of the last loop that reached the store of the cluster. */
  readonly dcs_last_seen?: number;
  readonly replication?: readonly { readonly state: string }[];
}

export interface PatroniOptions {
  /** Of the programs `patroni` and `postgres`. */
  readonly paths: { readonly patroni: string; readonly postgres: string };
  readonly name: string;
  /** Of etcd, `host:port` each. */
  readonly endpoints: readonly string[];
  readonly ttlSeconds: number;
}

export class PatroniNode implements AsyncDisposable {
  readonly name: string;
  readonly configFile: string;
  readonly #program: string;
  readonly #folder: string;
  readonly #restPort: number;
  readonly #postgresPort: number;
  readonly #ids = serverUser('postgres');
  #process: ServerProcess | undefined;

  /** Runs it; what it becomes depends on the others of its cluster. */
  static async start(options: PatroniOptions): Promise<PatroniNode> {
    const folder = mkdtempSync(join(tmpdir(), 'conclave-patroni-'));
    const [restPort = 0, postgresPort = 0] = await freePorts(2);
    return new PatroniNode(options, folder, restPort, postgresPort);
  }

  private constructor(options: PatroniOptions, folder: string, restPort: number, postgresPort: number) {
    this.name = options.name;
    this.#program = options.paths.patroni;
    this.#folder = folder;
    this.#restPort = restPort;
    this.#postgresPort = postgresPort;
    this.configFile = join(folder, 'patroni.json');
    giveTo(folder, this.#ids);
    writeFileSync(this.configFile, JSON.stringify(this.#configuration(options)));
    this.run();
  }

  #configuration({ endpoints, paths, ttlSeconds }: PatroniOptions): object {
    const rest = `127.0.0.1:${this.#restPort}`;
    const database = `127.0.0.1:${this.#postgresPort}`;
    const loopSeconds = 1;
    const dcs = {
      ttl: ttlSeconds,
      loop_wait: loopSeconds,
      // As long as Patroni allows: the loop and two of these have to fit into the lock's time.
      retry_timeout: Math.floor((ttlSeconds - loopSeconds) / 2),
      maximum_lag_on_failover: 2 ** 20,
    };
    return {
      scope: 'interop',
      name: this.name,
      restapi: { listen: rest, connect_address: rest },
      etcd3: { hosts: endpoints },
      bootstrap: {
        dcs: { ...dcs, postgresql: { use_pg_rewind: true } },
        initdb: [{ encoding: 'UTF8' }, { locale: 'C' }, 'data-checksums', 'no-sync'],
      },
      postgresql: {
        listen: database,
        connect_address: database,
        data_dir: join(this.#folder, 'data'),
        bin_dir: dirname(realpathSync(paths.postgres)),
        pgpass: join(this.#folder, 'pgpass'),
        authentication: { superuser: { username: 'postgres' }, replication: { username: 'replicator' } },
        parameters: { unix_socket_directories: this.#folder, fsync: 'off' },
        pg_hba: [
          'local all all trust',
          'host all all 127.0.0.1/32 trust',
          'host replication all 127.0.0.1/32 trust',
        ],
        // Nothing to lose in a test: a copy of the other's data is as good as a rewind.
        remove_data_directory_on_diverged_timelines: true,
      },
    };
  }

  /** Again, where it was killed. */
  run(): void {
    this.#process = new ServerProcess(this.#program, [this.configFile], this.#ids, this.#folder);
  }

  /** What it says of itself; undefined where it does not answer. */
  async status(): Promise<PatroniStatus | undefined> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.#restPort}/patroni`, {
        signal: AbortSignal.timeout(5_000),
      });
      return (await response.json()) as PatroniStatus;
    } catch {
      return undefined;
    }
  }

  /** Waits until what it says of itself is so. @throws Error with what it wrote, when it ends before or never is */
  async until(condition: (status: PatroniStatus) => boolean): Promise<PatroniStatus> {
    let last: PatroniStatus | undefined;
    await this.#process?.ready(async () => {
      last = await this.status();
      if (last === undefined || !condition(last)) throw new Error(`it says ${JSON.stringify(last)}`);
    });
    return last as PatroniStatus;
  }

  /** Statements by the superuser on its server; rows of the last. */
  async sql(text: string): Promise<readonly Record<string, unknown>[]> {
    const client = new pg.Client({
      connectionString: `postgres://postgres@127.0.0.1:${this.#postgresPort}/postgres`,
      connectionTimeoutMillis: 5_000,
    });
    client.on('error', () => {});
    try {
      await client.connect();
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** As when its machine fails: Patroni and PostgreSQL end at once. Data stay. */
  async kill(): Promise<void> {
    await this.#process?.end();
    this.#killPostgres();
  }

  #killPostgres(): void {
    try {
      const [pid] = readFileSync(join(this.#folder, 'data/postmaster.pid'), 'utf8').split('\n');
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It does not run.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#process?.[Symbol.asyncDispose]();
  }
}
