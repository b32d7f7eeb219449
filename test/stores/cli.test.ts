/** `conclave elect --store` and `observe --store`, on a real database. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { migratePostgres, postgresStore } from '../../src/stores/postgres.ts';
import { Conclave, run } from '../integration/cli.ts';
import { peer } from '../peers.ts';
import { type PostgresqlServer, startPostgresql } from '../servers/postgresql.ts';

const { path = '', missing } = peer('postgres');
const patience = { timeout: 300_000 };

describe('The command line on PostgreSQL', { skip: missing ?? false }, () => {
  let server: PostgresqlServer;
  before(async () => {
    server = await startPostgresql(path);
  });
  after(async () => await server[Symbol.asyncDispose]());

  test('a missing table is named, with what makes it', patience, async () => {
    const { code, stderr } = await run(['observe', 'report', '--once', '--store', server.url]);
    assert.notEqual(code, 0);
    assert.match(stderr, /migratePostgres/);
  });

  test('one leads, the next takes over when it is killed, and an observer sees both', patience, async () => {
    await migratePostgres({ url: server.url });
    const environment = { CONCLAVE_STORE: server.url };
    // Longer than this machine may stall, as long as the first is to lead.
    const command = ['--ttl', '5s', '--', 'sh', '-c', 'echo "token $CONCLAVE_TOKEN"; sleep 600'];
    await using observer = new Conclave(['observe', 'report', '--json'], { environment });
    await using first = new Conclave(['elect', 'report', '--holder', 'one', ...command], { environment });
    const [, before = ''] = await first.match('stdout', /token (\d+)/);
    await using second = new Conclave(['elect', 'report', '--holder', 'two', ...command], { environment });
    await observer.match('stdout', /"holder":"one"/);
    await using store = postgresStore({ url: server.url });
    while ((await store.read('report')).waiting.length === 0)
      await new Promise((done) => setTimeout(done, 50));
    first.process.kill('SIGKILL');
    const [, token = ''] = await second.match('stdout', /token (\d+)/);
    assert(Number(token) > Number(before), `token ${token} came after ${before}`);
    await observer.match('stdout', /"holder":"two"/);
  });

  test('a password is in no message', patience, async () => {
    const url = server.url.replace(/\/\/[^@]*@?/, '//nobody:s3cr3t@');
    const { code, stdout, stderr } = await run([
      'elect',
      'report',
      '--timeout',
      '5s',
      '--store',
      url,
      '--',
      'true',
    ]);
    assert.notEqual(code, 0);
    assert(!`${stdout}${stderr}`.includes('s3cr3t'), stderr);
  });
});

test('what contradicts itself, or nobody knows, is bad usage', patience, async () => {
  const both = ['observe', 'x', '--once', '--store', 'postgres://h/d', '--endpoints', 'http://127.0.0.1:1'];
  const first = await run(both);
  assert.equal(first.code, 100);
  assert.match(first.stderr, /contradict/);
  const second = await run(['observe', 'x', '--once', '--store', 'gopher://h']);
  assert.match(second.stderr, /No store is known for gopher/);
  const advisory = await run([
    'elect',
    'x',
    '--timeout',
    '3s',
    '--store',
    'redis://127.0.0.1:1',
    '--',
    'true',
  ]);
  assert.equal(advisory.code, 100);
  assert.match(advisory.stderr, /two may lead.*--accept-advisory WHY/);
  const empty = await run(['observe', 'x', '--once', '--store', '']);
  assert.equal(empty.code, 100);
  assert.match(empty.stderr, /--store is empty/);
});
