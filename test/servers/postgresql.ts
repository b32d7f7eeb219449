// A PostgreSQL server of its own for a test: `await using server = await startPostgresql(path)`.
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { giveTo, onFreePort, runProgram, ServerProcess, serverUser, type UserIds } from './server-process.ts';

export interface PostgresqlServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** `postgres://…/postgres`, without a password. */
  readonly url: string;
  /** Of the postmaster. */
  readonly pid: number;
  /** At once, as in a crash; what was committed stays. */
  stop(): Promise<void>;
  /** On the same port, with the same data. Resolves when it answers. */
  start(): Promise<void>;
  /** A copy that follows this one and takes no writes until `SELECT pg_promote()`. */
  standby(): Promise<PostgresqlServer>;
  /** One statement, or several, by the superuser; rows of the last as objects. */
  sql(text: string): Promise<readonly Record<string, unknown>[]>;
}

/** Members of this role need their password; everybody else is let in without one. */
export const needsPassword = 'with_password';

type Settings = Readonly<Record<string, string | number>>;

/**
 * `path`: of the program `postgres`, as `peer('postgres')` gives it; `initdb` is beside it. `more`: settings, such as
 * `{ fsync: 'on' }`, which is off since nobody pulls the plug in a test.
 */
export async function startPostgresql(path: string, more: Settings = {}): Promise<PostgresqlServer> {
  const ids = serverUser('postgres');
  return await startFilled(path, ids, more, async (folder, data) => {
    const flags = ['--auth=trust', '--no-sync', '-E', 'UTF8', '--locale=C'];
    await runProgram(beside(path, 'initdb'), ['-D', data, '-U', 'postgres', ...flags], ids, folder);
    const lines = [`+${needsPassword} 127.0.0.1/32 scram-sha-256`, 'all 127.0.0.1/32 trust'];
    const access = [...lines.map((line) => `host all ${line}`), 'host replication all 127.0.0.1/32 trust'];
    writeFileSync(join(data, 'pg_hba.conf'), access.join('\n'));
  });
}

/** Of the same release. */
function beside(path: string, program: string): string {
  return join(dirname(realpathSync(path)), program);
}

function startFilled(
  path: string,
  ids: UserIds | undefined,
  more: Settings,
  fill: (folder: string, data: string) => Promise<void>,
): Promise<PostgresqlServer> {
  return onFreePort(async (port) => {
    const folder = mkdtempSync(join(tmpdir(), 'conclave-postgresql-'));
    giveTo(folder, ids);
    try {
      await fill(folder, join(folder, 'data'));
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    return await startOn(path, ids, folder, port, more);
  });
}

async function startOn(
  path: string,
  ids: UserIds | undefined,
  folder: string,
  port: number,
  more: Settings,
): Promise<PostgresqlServer> {
  const data = join(folder, 'data');
  const own = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', fsync: 'off' };
  const flags = Object.entries({ ...own, ...more }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const sql = async (text: string) => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
    client.on('error', () => {});
    try {
      await client.connect();
      const results: unknown = await client.query(text);
      const last = (Array.isArray(results) ? results.at(-1) : results) as pg.QueryResult;
      return last.rows;
    } finally {
      await client.end();
    }
  };
  const start = async () => {
    const started = new ServerProcess(path, ['-D', data, ...flags], ids, folder);
    try {
      await started.ready(async () => void (await sql('SELECT 1')));
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
    return started;
  };
  let server = await start();
  return {
    ...{ host: '127.0.0.1', port, user: 'postgres', url, sql },
    get pid() {
      return server.pid;
    },
    stop: () => server.end('SIGQUIT'),
    async start() {
      server = await start();
    },
    standby: () =>
      startFilled(path, ids, more, (copyFolder, copy) => {
        const from = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-D', copy];
        const how = ['--write-recovery-conf', '--no-sync', '--checkpoint=fast'];
        return runProgram(beside(path, 'pg_basebackup'), [...from, ...how], ids, copyFolder);
      }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
