// Each example as its README says it is run, and each claim while its processes are killed and paused.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestCluster } from '../integration/cluster.ts';
import { peer } from '../peers.ts';
import { type PostgresqlServer, startPostgresql } from '../servers/postgresql.ts';
import { Checkout } from './checkout.ts';
import { testCron } from './cron.ts';
import { testMigration } from './migration.ts';
import { failureOf } from './processes.ts';
import { testQueue } from './queue.ts';
import { testRace } from './race.ts';
import { patience, type Setting } from './setting.ts';
import { testSingletonHttp } from './singleton-http.ts';

const root = join(import.meta.dirname, '../..');
const postgres = peer('postgres');
let checkout: Checkout;
let cluster: TestCluster;
let database: PostgresqlServer | undefined;

before(async () => {
  [checkout, cluster, database] = await Promise.all([
    Checkout.make(),
    TestCluster.start(3),
    postgres.path === undefined ? undefined : startPostgresql(postgres.path),
  ]);
}, patience);
after(async () => {
  await cluster?.[Symbol.asyncDispose]();
  await database?.[Symbol.asyncDispose]();
  await checkout?.[Symbol.asyncDispose]();
});

const settings: Setting = {
  get checkout() {
    return checkout;
  },
  get endpoints() {
    return cluster.members.map((member) => member.clientUrl).join(',');
  },
  get databaseUrl() {
    return database?.url ?? '';
  },
};

test('each example has a README that says how to run it, and that README.md names', () => {
  const names = globSync('examples/*/main.ts', { cwd: root }).map((file) =>
    dirname(file).replaceAll('\\', '/'),
  );
  assert.equal(names.length, 5);
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  for (const name of names) {
    const text = readFileSync(join(root, name, 'README.md'), 'utf8');
    assert.match(text, new RegExp(`^npm ci && npm run build\\n.*npx node ${name}/main\\.ts$`, 'ms'));
    for (const heading of ['What you see', 'What it guarantees, and what not']) {
      assert.ok(text.includes(`\n## ${heading}\n`), `${name}/README.md has no heading "${heading}"`);
    }
    assert.ok(readme.includes(`(${name}/README.md)`), `README.md does not name ${name}`);
  }
});

describe('each demonstration ends well, and shows what its README says', { concurrency: true }, () => {
  demonstrate(
    'cron',
    [/^Killing worker\d/m, /asked again$/m, /^Pausing worker\d/m, /^\d+ ticks, 0 skipped/m],
    {
      EVERY_MS: '400',
    },
  );
  demonstrate('migration', [
    /^Killing app\d/m,
    /woke up$/m,
    /^6 migrations were applied, 6 of them different$/m,
  ]);
  demonstrate('race', [/; LOST: .*^Fenced:/ms, /stale-token/, /; none of them is lost$/m]);
  demonstrate('singleton-http', [/requests were redirected$/m, /^no ticket was handed out twice$/m]);
  demonstrate(
    'queue',
    [/^(\d+) orders, \1 shipments by 3 consumers$/m, /^each order once, each partition in its order$/m],
    () => ({
      DATABASE_URL: settings.databaseUrl,
    }),
  );
});

describe('while processes are killed and paused', () => {
  testRace(settings);
  testSingletonHttp(settings);
  testMigration(settings);
  testCron(settings);
  testQueue(settings, postgres.missing);
});

/** Runs it to its end; what it writes must match all of these. */
function demonstrate(
  name: string,
  patterns: readonly RegExp[],
  environment: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>) = {},
): void {
  const skip = name === 'queue' ? (postgres.missing ?? false) : false;
  test(`${name}/main.ts`, { ...patience, skip }, async () => {
    const variables = typeof environment === 'function' ? environment() : environment;
    const demonstration = checkout.start(`${name}/main.ts`, variables);
    try {
      const code = await demonstration.ended;
      assert.equal(code, 0, failureOf(demonstration, code));
      const output = demonstration.lines.join('\n');
      for (const pattern of patterns) assert.match(output, pattern);
    } finally {
      // On SIGTERM it ends what it has started.
      await demonstration.stop();
    }
  });
}
