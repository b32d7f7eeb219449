import pg from 'pg';
import postgres from 'postgres';
import { migratePostgres, postgresDriver, postgresSchema, postgresStore } from '../../src/stores/postgres.ts';
import { peer } from '../peers.ts';
import { needsPassword, startPostgresql } from '../servers/postgresql.ts';
import type { SqlStoreSubject, UserClient } from './sql-subject.ts';
import { testSqlStore } from './sql-suite.ts';

const { path = '', missing } = peer('postgres');

function byPg(url: string): UserClient {
  let sent = 0;
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  pool.on('error', () => {});
  pool.on('acquire', () => {
    sent += 1;
  });
  return { client: pool, requests: () => sent, close: () => pool.end() };
}

function byPostgres(url: string): UserClient {
  let sent = 0;
  const debug = () => {
    sent += 1;
  };
  const sql = postgres(url, { max: 4, debug, onnotice: () => {} });
  return { client: sql, requests: () => sent, close: () => sql.end({ timeout: 1 }) };
}

const subject: SqlStoreSubject = {
  name: 'PostgreSQL',
  ...{ module: 'postgres', storeName: 'postgresStore', migrationName: 'migratePostgres' },
  drivers: ['pg', 'postgres'],
  start: () => startPostgresql(path),
  store: (options) => postgresStore(options as Parameters<typeof postgresStore>[0]),
  driver: (options) => postgresDriver(options as Parameters<typeof postgresDriver>[0]),
  migrate: (options) => migratePostgres(options as Parameters<typeof migratePostgres>[0]),
  schema: postgresSchema,
  clients: (url) => [byPg(url), byPostgres(url)],
  makeUser: (user, password) => [
    `DO $$ BEGIN CREATE ROLE ${needsPassword}; EXCEPTION WHEN duplicate_object THEN END $$`,
    `CREATE ROLE ${user} LOGIN PASSWORD '${password}' IN ROLE ${needsPassword}`,
  ],
  grant: (table, user, rights) => `GRANT ${rights} ON ${table} TO ${user}`,
  past: `now() - interval '1 hour'`,
  future: `now() + interval '1 hour'`,
};

testSqlStore(subject, missing ?? false);
