// A pooler in front of a PostgreSQL that shares its connections between transactions.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { giveTo, onFreePort, ServerProcess, serverUser } from './server-process.ts';

export interface Pooler extends AsyncDisposable {
  readonly url: string;
}

/** `path`: of the program `pgbouncer`, as `peer('pgbouncer')` gives it. `port`: of the PostgreSQL behind it. */
export function startPgbouncer(path: string, behind: number): Promise<Pooler> {
  return onFreePort((port) => start(path, behind, port));
}

async function start(path: string, behind: number, port: number): Promise<Pooler> {
  const ids = serverUser('postgres');
  const folder = mkdtempSync(join(tmpdir(), 'conclave-pgbouncer-'));
  giveTo(folder, ids);
  const settings = {
    ...{ listen_addr: '127.0.0.1', listen_port: port, unix_socket_dir: '', auth_type: 'any' },
    ...{ pool_mode: 'transaction', default_pool_size: 4 },
  };
  const file = join(folder, 'pgbouncer.ini');
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  const database = `postgres = host=127.0.0.1 port=${behind} user=postgres`;
  writeFileSync(file, ['[databases]', database, '[pgbouncer]', ...lines, ''].join('\n'));
  const pooler = new ServerProcess(path, [file], ids, folder);
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  try {
    await pooler.ready(async () => {
      const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
      client.on('error', () => {});
      await client.connect();
      await client.query('SELECT 1');
      await client.end();
    });
  } catch (error) {
    await pooler[Symbol.asyncDispose]();
    throw error;
  }
  return { url, [Symbol.asyncDispose]: () => pooler[Symbol.asyncDispose]() };
}
