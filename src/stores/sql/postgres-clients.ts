/** The user's own client of PostgreSQL, or one that is made of a URL. */
import { ConclaveError } from '../../errors/index.ts';
import type { SqlPool } from './connections.ts';
import { checkUrl, loadIfInstalled, notInstalled } from './loading.ts';
import type { Listening } from './notifications.ts';
import { PgConnecting, type PgPool, pgPool } from './pg.ts';
import type { OwnConnections } from './postgres-bonds.ts';
import { type MakePostgresJs, type PostgresJs, postgresJsPool } from './postgres-js.ts';

/** A `Pool` of `pg`, or the `sql` of `postgres`. */
export type PostgresClient =
  | { readonly totalCount: number; connect(): Promise<unknown>; query(text: string): Promise<unknown> }
  | { unsafe(text: string): PromiseLike<unknown>; listen(...parameters: never): unknown };

export interface PostgresConnect {
  readonly client?: PostgresClient | undefined;
  readonly url?: string | undefined;
}

export interface ConnectedPostgres {
  /** "PostgreSQL at db:5432/app" */
  readonly description: string;
  readonly pool: () => Promise<PostgresPool>;
}

export type PostgresPool = SqlPool & Listening & OwnConnections;

/** Renewals need no more, and the rest waits its turn. */
const connections = 5;

/** `kind`: "PostgreSQL". @throws 'invalid-argument' unless it is one of the two. */
export function connectPostgres({ client, url }: PostgresConnect, kind: string): ConnectedPostgres {
  if ((client === undefined) === (url === undefined)) {
    const given =
      url === undefined ? 'neither is set (is the variable that url comes from?)' : 'both are given';
    const message = `PostgreSQL needs one of client (a Pool of pg, or the sql of postgres) and url, and ${given}.`;
    throw new ConclaveError('invalid-argument', message);
  }
  if (url !== undefined) {
    const parsed = checkUrl(url, ['postgres', 'postgresql']);
    const host = parsed.hostname || parsed.searchParams.get('host') || 'localhost';
    const description = `${kind} at ${host}:${parsed.port || 5432}${parsed.pathname}`;
    return { description, pool: () => connect(url) };
  }
  if (isPostgresJs(client)) {
    const { host, port, database } = fieldsOf(client.options);
    return {
      description: `${kind} at ${place(host, port, database)}`,
      pool: async () => postgresJsPool(client),
    };
  }
  if (isPgPool(client))
    return { description: `${kind} at ${placeOfPool(client)}`, pool: async () => pgPool(client, false) };
  throw new ConclaveError(
    'invalid-argument',
    'client must be a Pool of pg (a Client has one connection, which cannot be replaced), or the sql of postgres.',
  );
}

async function connect(url: string): Promise<PostgresPool> {
  const pg = await loadIfInstalled('pg', () => import('pg'));
  if (pg !== undefined) {
    const connecting = new PgConnecting();
    const pool = new pg.default.Pool({
      Client: connecting.counting(pg.default.Client),
      ...{ connectionString: url, max: connections, application_name: 'conclave' },
      ...{ keepAlive: true, connectionTimeoutMillis: 10_000 },
    });
    // Of an idle connection: it is replaced.
    pool.on('error', () => {});
    return pgPool(pool as unknown as PgPool, true, connecting);
  }
  const postgres = await loadIfInstalled('postgres', () => import('postgres'));
  if (postgres === undefined) throw notInstalled(['pg', 'postgres']);
  const settings = {
    ...{ max: connections, prepare: false, fetch_types: false, connect_timeout: 10, onnotice: () => {} },
    // By itself the driver waits for up to 20 s. What it was about to connect when it was ended, it still connects: that
    // ends by itself then, and the process with it.
    ...{ backoff: (attempt: number) => Math.min(2 ** attempt / 20, 1), idle_timeout: 20 },
  };
  const make: MakePostgresJs = (more) =>
    postgres.default(url, { ...settings, ...more }) as unknown as PostgresJs;
  return postgresJsPool(make({}), make);
}

function placeOfPool({ options }: PgPool): string {
  const { connectionString, host, port, database } = fieldsOf(options);
  if (typeof connectionString !== 'string' || !URL.canParse(connectionString)) {
    return place(host, port, database);
  }
  const { hostname, port: number, pathname } = new URL(connectionString);
  return place(hostname, number || 5432, pathname.slice(1));
}

/** Without anything but names, whatever the options are. */
function place(host: unknown, port: unknown, database: unknown): string {
  const hosts = Array.isArray(host) ? host : [host];
  const ports = Array.isArray(port) ? port : [port];
  const servers = hosts.map((one, at) => `${text(one) || 'localhost'}:${text(ports[at]) || 5432}`);
  return `${servers.join(', ')}${text(database) === '' ? '' : `/${text(database)}`}`;
}

function text(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function fieldsOf(options: unknown): Readonly<Record<string, unknown>> {
  return typeof options === 'object' && options !== null ? (options as Record<string, unknown>) : {};
}

function isPostgresJs(client: unknown): client is PostgresJs {
  return typeof client === 'function' && 'unsafe' in client && 'listen' in client;
}

function isPgPool(client: unknown): client is PgPool {
  return typeof client === 'object' && client !== null && 'connect' in client && 'totalCount' in client;
}
