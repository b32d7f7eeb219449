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
    'innodb-flush-log-at-trx-commit': 0,
    'innodb-buffer-pool-size': '32M',
  };
  const args = [
    '--no-defaults',
    '--skip-log-bin',
    ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
  ];
  const server = new ServerProcess(path, args, ids, folder);
  const [host, user, database] = ['127.0.0.1', 'root', 'test'];
  try {
    await server.ready(async () => {
      const connection = await mysql.createConnection({ host, port, user, connectTimeout: 5_000 });
      connection.on('error', () => {});
      await connection.query(`CREATE DATABASE IF NOT EXISTS ${database}`);
      await connection.end();
    });
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return {
    ...{ host, port, user, database, url: `mysql://${user}@${host}:${port}/${database}`, pid: server.pid },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
