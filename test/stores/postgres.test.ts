import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import postgres from 'postgres';
import { type ConformanceTarget, conformanceTests, losingAnswers } from '../../src/conformance/index.ts';
import { migratePostgres, postgresStore } from '../../src/stores/postgres.ts';
import { peer } from '../peers.ts';
import { type PostgresqlServer, startPostgresql } from '../servers/postgresql.ts';

const { path, missing } = peer('postgres');
const skip = missing ?? false;

function register(open: () => Promise<ConformanceTarget>): void {
  for (const { name, run } of conformanceTests(open, { patienceMs: 30_000 })) {
    test(name, async (context) => {
      const { skipped } = await run();
      if (skipped !== undefined) context.skip(skipped);
    });
  }
}

describe('The PostgreSQL store conforms, by pg and by postgres at once', { concurrency: 8, skip }, () => {
  let server: PostgresqlServer;
  before(async () => {
    server = await startPostgresql(path ?? '');
    await migratePostgres({ url: server.url });
  });
  after(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  register(async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 4 });
    const sql = postgres(server.url, { max: 4 });
    const { store, loseNextAnswer } = losingAnswers(postgresStore({ client: pool }));
    return {
      store,
      another: async () => postgresStore({ client: sql }),
      loseNextAnswer,
      async [Symbol.asyncDispose]() {
        await store[Symbol.asyncDispose]();
        await Promise.all([pool.end(), sql.end()]);
      },
    };
  });
});
