/** The driver `mysql2`: pools of promises and of callbacks, the user's own or one that is made of a URL. */
import { ConclaveError } from '../../errors/index.ts';
import type { Answer, SqlConnection, SqlPool, Statement } from './connections.ts';
import { checkUrl, loadIfInstalled, notInstalled } from './loading.ts';

/** A pool of `mysql2/promise`, or of `mysql2`. */
export type MysqlClient =
  | { getConnection(): Promise<unknown>; execute(sql: string): Promise<unknown> }
  | { promise(): { getConnection(): Promise<unknown> }; getConnection(callback: never): unknown };

export interface MysqlConnect {
  readonly client?: MysqlClient | undefined;
  readonly url?: string | undefined;
}

export interface ConnectedMysql {
  /** "MySQL at db:3306/app" */
  readonly description: string;
  readonly pool: () => Promise<SqlPool>;
}

/** Renewals need no more, and the rest waits its turn. */
const connections = 5;

interface Mysql2Connection {
  query(options: {
    readonly sql: string;
    readonly values: unknown[];
    readonly rowsAsArray: true;
    readonly nestTables: false;
    readonly typeCast: true;
  }): Promise<[unknown, unknown]>;
  on(event: 'error', listener: () => void): unknown;
  removeListener(event: 'error', listener: () => void): unknown;
  destroy(): void;
  release(): void;
}

/** Of what is not documented. */
interface MadeByPool {
  readonly authorized?: boolean;
  readonly stream?: { destroy?(): unknown };
  destroy(): void;
}

interface Mysql2Pool {
  readonly pool?: unknown;
  getConnection(): Promise<Mysql2Connection>;
  end(): Promise<void>;
}

/** @throws 'invalid-argument' unless it is one of the two. */
export function connectMysql({ client, url }: MysqlConnect): ConnectedMysql {
  if ((client === undefined) === (url === undefined)) {
    const given =
      url === undefined ? 'neither is set (is the variable that url comes from?)' : 'both are given';
    const message = `MySQL needs one of client (a pool of mysql2) and url, and ${given}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  if (url !== undefined) {
    const { hostname, port, pathname } = checkUrl(url, ['mysql', 'mariadb']);
    const description = `MySQL at ${hostname || 'localhost'}:${port || 3306}${pathname}`;
    return { description, pool: () => connect(url) };
  }
  const pool = promised(client);
  return { description: `MySQL at ${placeOf(pool)}`, pool: async () => mysql2Pool(pool, false) };
}

async function connect(url: string): Promise<SqlPool> {
  const mysql = await loadIfInstalled('mysql2', () => import('mysql2/promise'));
  if (mysql === undefined) throw notInstalled(['mysql2']);
  const settings = {
    uri: url.replace(/^mariadb:/, 'mysql:'),
    ...{ connectionLimit: connections, enableKeepAlive: true, connectTimeout: 10_000 },
  };
  try {
    return mysql2Pool(mysql.default.createPool(settings) as unknown as Mysql2Pool, true);
  } catch (error) {
    // It looks at nothing else before it connects.
    if (!(error instanceof Error) || !error.message.includes('SSL profile')) throw error;
    const message = `The url of MySQL asks for TLS in a way that mysql2 refuses (${error.message}): write ?ssl={"rejectUnauthorized":true}.`;
    throw new ConclaveError('invalid-argument', message, { cause: error });
  }
}

/** `owned`: the pool is ours to end. */
function mysql2Pool(pool: Mysql2Pool, owned: boolean): SqlPool {
  return {
    connect: async () => new PooledConnection(await pool.getConnection()),
    async [Symbol.asyncDispose]() {
      if (!owned) return;
      giveUpConnecting(pool);
      await pool.end();
    },
  };
}

/** The driver ends a connection when the server has taken the login, also where that never comes. */
function giveUpConnecting({ pool }: Mysql2Pool): void {
  const { _allConnections: all } = pool as {
    readonly _allConnections?: { toArray?(): readonly MadeByPool[] };
  };
  for (const connection of all?.toArray?.() ?? []) {
    if (connection.authorized !== false) continue;
    connection.stream?.destroy?.();
    connection.destroy();
  }
}

const inTransaction = 0x0001;

class PooledConnection implements SqlConnection {
  readonly #connection: Mysql2Connection;
  #released = false;
  #broken = false;
  readonly #onError = () => {
    this.#broken = true;
  };

  constructor(connection: Mysql2Connection) {
    this.#connection = connection;
    connection.on('error', this.#onError);
  }

  /** By the text protocol: the values are numbers and bytes, which no mode or character set of the session changes. */
  async query({ text, values }: Statement): Promise<Answer> {
    const how = { rowsAsArray: true, nestTables: false, typeCast: true } as const;
    const [result] = await this.#connection.query({ sql: text, values: [...values], ...how });
    if (Array.isArray(result)) return { rows: result, changed: 0, inTransaction: false };
    const { affectedRows, serverStatus } = result as { affectedRows: number; serverStatus?: number };
    return { rows: [], changed: affectedRows, inTransaction: ((serverStatus ?? 0) & inTransaction) !== 0 };
  }

  release(broken: boolean): void {
    if (this.#released) return;
    this.#released = true;
    // The listener for errors stays on what is thrown away.
    if (broken || this.#broken) return this.#connection.destroy();
    this.#connection.removeListener('error', this.#onError);
    this.#connection.release();
  }
}

function promised(client: unknown): Mysql2Pool {
  const given = client as { readonly promise?: () => unknown; readonly getConnection?: unknown } | null;
  if (typeof given === 'object' && typeof given?.getConnection === 'function') {
    return (typeof given.promise === 'function' ? given.promise() : given) as Mysql2Pool;
  }
  throw new ConclaveError(
    'invalid-argument',
    'client must be a pool of mysql2 or mysql2/promise: a single connection cannot be replaced.',
  );
}

/** Without anything but names. */
function placeOf({ pool }: Mysql2Pool): string {
  const config = (pool as { readonly config?: { readonly connectionConfig?: object } } | undefined)?.config;
  const { host, port, database, socketPath } = (config?.connectionConfig ?? {}) as Record<string, unknown>;
  const server = typeof socketPath === 'string' ? socketPath : `${host ?? 'localhost'}:${port ?? 3306}`;
  return typeof database === 'string' && database !== '' ? `${server}/${database}` : server;
}
