// Patroni with PostgreSQL, which keeps its cluster's state and its leader's lock in etcd: two database nodes on three
// members of ours; and the same on three of etcd, so that what is asked here is what etcd gives. What is tried is what
// Patroni is there for: the loss of a node, of its own as of those that keep its state.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { peer } from '../peers.ts';
import { PatroniNode, type PatroniStatus } from '../servers/patroni.ts';
import { type System, type SystemKind, systemKinds } from './systems.ts';

const programs = { patroni: peer('patroni'), patronictl: peer('patronictl'), postgres: peer('postgres') };
const missing = Object.values(programs).find((program) => program.missing !== undefined)?.missing;
/** Enough for a store that needs some seconds for an election on a busy machine: Patroni gives up within less than half. */
const ttlSeconds = 14;

const leads = ({ role, state }: PatroniStatus): boolean => /primary|master/.test(role) && state === 'running';
const follows = ({ role, state }: PatroniStatus): boolean => role === 'replica' && state === 'running';
const isFollowed = ({ replication }: PatroniStatus): boolean =>
  replication?.some(({ state }) => state === 'streaming') ?? false;

// At once: they wait for leases and for databases more than they compute.
describe('Patroni', { concurrency: true, timeout: 300_000 }, () => {
  for (const kind of systemKinds.filter(({ name }) => name !== 'one member')) {
    describe(`on ${kind.name}`, { concurrency: false, skip: missing ?? kind.missing ?? false }, () => {
      failsOver(kind);
    });
  }
});

function failsOver(kind: SystemKind): void {
  let system: System;
  let one: PatroniNode;
  let two: PatroniNode;
  const started: AsyncDisposable[] = [];
  before(async () => {
    system = await kind.start();
    started.push(system);
  });
  after(async () => {
    for (const it of started.reverse()) await it[Symbol.asyncDispose]();
  });

  async function node(name: string): Promise<PatroniNode> {
    const paths = { patroni: programs.patroni.path ?? '', postgres: programs.postgres.path ?? '' };
    const { endpoints } = system;
    const begun = await PatroniNode.start({ paths, name, endpoints, ttlSeconds });
    started.push(begun);
    return begun;
  }

  test('two nodes become a primary and its replica', async () => {
    one = await node('one');
    await one.until(leads);
    two = await node('two');
    await two.until(follows);
    await one.until(isFollowed);
    await one.sql('CREATE TABLE kept (line text)');
    await one.sql("INSERT INTO kept VALUES ('before')");
  });

  test('the primary stays what it is when the leader of its store is killed', async () => {
    await system.killLeader();
    const killedAt = Date.now() / 1000;
    // Longer than the lock would last if it were not renewed.
    const { timeline } = await one.until(
      (status) => leads(status) && Number(status.dcs_last_seen) > killedAt + ttlSeconds + 1,
    );
    assert.equal(timeline, 1);
    await one.sql("INSERT INTO kept VALUES ('meanwhile')");
    assert.deepEqual(await one.sql('SELECT pg_is_in_recovery() AS follows'), [{ follows: false }]);
    await system.revive();
    await one.until(isFollowed);
    // Its replication waits for nobody: what the replica lacks would be lost with the primary.
    while ((await two.sql("SELECT FROM kept WHERE line = 'meanwhile'")).length === 0) await sleep(100);
  });

  test('the replica takes over when the primary is killed, though the leader of its store goes at the same time', async () => {
    await Promise.all([one.kill(), system.killLeader()]);
    const { timeline } = await two.until(leads);
    assert.equal(timeline, 2);
    await system.revive();
    await two.sql("INSERT INTO kept VALUES ('after')");
    const lines = await two.sql('SELECT line FROM kept ORDER BY line');
    assert.deepEqual(
      lines.map(({ line }) => line),
      ['after', 'before', 'meanwhile'],
    );
  });

  test('the node that was killed comes back as a replica, and patronictl switches over to it', async () => {
    one.run();
    await one.until((status) => follows(status) && status.timeline === 2);
    await two.until(isFollowed);
    const { stdout } = await promisify(execFile)(programs.patronictl.path ?? '', [
      ...['-c', one.configFile, 'switchover', 'interop'],
      ...['--leader', 'two', '--candidate', 'one', '--force'],
    ]);
    assert.match(stdout, /Successfully switched over to "one"/);
    const { timeline } = await one.until(leads);
    assert.equal(timeline, 3);
    await two.until((status) => follows(status) && status.timeline === 3);
    assert.equal((await one.sql('SELECT count(*)::int AS lines FROM kept'))[0]?.lines, 3);
  });
}
