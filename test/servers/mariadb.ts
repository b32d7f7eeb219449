// A MariaDB server of its own for a test: `await using server = await startMariadb(path)`.
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import mysql from 'mysql2/promise';
import { giveTo, onFreePort, runProgram, ServerProcess, serverUser } from './server-process.ts';

export interface MariadbServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** `mysql://…/test`, without a password. */
  readonly url: string;
  readonly pid: number;
  /** At once, as in a crash; what was committed stays. */
  stop(): Promise<void>;
  /** On the same port, with the same data. Resolves when it answers. */
  start(): Promise<void>;
  /** One statement by root; its rows as objects. */
  sql(text: string): Promise<readonly Record<string, unknown>[]>;
}

/** `path`: of the program `mariadbd`, as `peer('mariadbd')` gives it. */
export function startMariadb(path: string): Promise<MariadbServer> {
  return onFreePort((port) => start(path, port));
}

async function start(path: string, port: number): Promise<MariadbServer> {
  const ids = serverUser('mysql');
  const folder = mkdtempSync(join(tmpdir(), 'conclave-mariadb-'));
  giveTo(folder, ids);
  const data = join(folder, 'data');
  const [besides, usual] = [join(dirname(path), 'mariadb-install-db'), '/usr/bin/mariadb-install-db'];
  await runProgram(
    existsSync(besides) ? besides : usual,
    ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
    ids,
    folder,
  );
  const flags = {
    datadir: data,
    port,
    'bind-address': '127.0.0.1',
    socket: join(folder, 'socket'),
    'pid-file': join(folder, 'pid'),
    // To the system with each commit, so that it outlives the process.
    'innodb-flush-log-at-trx-commit': 2,
    'innodb-buffer-pool-size': '32M',
  };
  const args = [
    '--no-defaults',
    '--skip-log-bin',
    ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
  ];
  const [host, user, database] = ['127.0.0.1', 'root', 'test'];
  const sql = async (text: string, within: string) => {
    const at = { host, port, user, ...(within !== '' && { database: within }) };
    const connection = await mysql.createConnection({ ...at, connectTimeout: 5_000 });
    connection.on('error', () => {});
    try {
      const [rows] = await connection.query(text);
      return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : [];
    } finally {
      await connection.end();
    }
  };
  const start = async () => {
    const started = new ServerProcess(path, args, ids, folder);
    try {
      await started.ready(async () => void (await sql(`CREATE DATABASE IF NOT EXISTS ${database}`, '')));
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
    return started;
  };
  let server = await start();
  return {
    ...{ host, port, user, database, url: `mysql://${user}@${host}:${port}/${database}` },
    get pid() {
      return server.pid;
    },
    stop: () => server.end(),
    async start() {
      server = await start();
    },
    sql: (text) => sql(text, database),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
