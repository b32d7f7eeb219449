// A PostgreSQL server of its own for a test: `await using server = await startPostgresql(path)`.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { giveTo, onFreePort, runProgram, ServerProcess, serverUser } from './server-process.ts';

export interface PostgresqlServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** `postgres://…/postgres`, without a password. */
  readonly url: string;
  /** Of the postmaster. */
  readonly pid: number;
}

/** `path`: of the program `postgres`, as `peer('postgres')` gives it; `initdb` is beside it. */
export function startPostgresql(path: string): Promise<PostgresqlServer> {
  return onFreePort((port) => start(path, port));
}

async function start(path: string, port: number): Promise<PostgresqlServer> {
  const ids = serverUser('postgres');
  const folder = mkdtempSync(join(tmpdir(), 'conclave-postgresql-'));
  giveTo(folder, ids);
  const data = join(folder, 'data');
  const initdb = join(dirname(path), 'initdb');
  await runProgram(
    initdb,
    ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
    ids,
    folder,
  );
  const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: '', fsync: 'off' };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = new ServerProcess(path, ['-D', data, ...flags], ids, folder);
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  try {
    await server.ready(async () => {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
      client.on('error', () => {});
      await client.connect();
      await client.end();
    });
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return {
    ...{ host: '127.0.0.1', port, user: 'postgres', url, pid: server.pid },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
