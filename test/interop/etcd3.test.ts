// npm's etcd3 on every system: its keys, transactions, leases, locks, elections, watches and users.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Etcd3,
  EtcdAuthenticationFailedError,
  EtcdLeaseInvalidError,
  EtcdLockFailedError,
  EtcdPermissionDeniedError,
  EtcdUserExistsError,
  type IOptions,
} from 'etcd3';
import { type Ability, type System, systemKinds } from './systems.ts';

interface Case {
  readonly name: string;
  readonly needs?: Ability;
  run(client: Etcd3, system: System): Promise<void>;
}

/** The library sets no deadlines of its own: a call that a killed leader never answers would be waited for for ever. */
const connect = (system: System, options: Partial<IOptions> = {}): Etcd3 =>
  new Etcd3({
    hosts: [...system.endpoints],
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + 10_000 }),
    ...options,
  });

async function eventually(condition: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 1200; attempt++) {
    if (await condition().catch(() => false)) return;
    await sleep(50);
  }
  assert.fail('did not become true in time');
}

/** How many watches all members have together. */
async function watches(system: System): Promise<number> {
  let count = 0;
  for (const endpoint of system.endpoints) {
    const metrics = await (await fetch(`http://${endpoint}/metrics`)).text();
    count += Number(/^etcd_debugging_mvcc_watcher_total (\d+)$/m.exec(metrics)?.[1]);
  }
  return count;
}

const cases: readonly Case[] = [
  {
    name: 'put, get and delete, of one key and of prefixes, sorted, counted, at an earlier revision',
    async run(client) {
      const { header } = await client.put('n/keys/a').value('one');
      await client.put('n/keys/a').value('two');
      assert.equal(await client.get('n/keys/a').string(), 'two');
      assert.equal(await client.get('n/keys/a').revision(header.revision).string(), 'one');
      assert.equal(await client.get('n/keys/none').string(), null);
      await client.put('n/keys/b').value(3);
      assert.equal(await client.get('n/keys/b').number(), 3);
      const all = () => client.getAll().prefix('n/keys/');
      assert.deepEqual(await all().strings(), { 'n/keys/a': 'two', 'n/keys/b': '3' });
      assert.deepEqual(await all().sort('Key', 'Descend').keys(), ['n/keys/b', 'n/keys/a']);
      assert.equal(await all().count(), 2);
      assert.deepEqual(await all().limit(1).keys(), ['n/keys/a']);
      const previous = await client.delete().prefix('n/keys/').getPrevious();
      assert.deepEqual(
        previous.map(({ value }) => value.toString()),
        ['two', '3'],
      );
    },
  },
  {
    name: 'a namespace',
    async run(client) {
      const inside = client.namespace('n/space/');
      await inside.put('a').value('1');
      assert.equal(await client.get('n/space/a').string(), '1');
      assert.deepEqual(await inside.getAll().strings(), { a: '1' });
    },
  },
  {
    name: 'transactions: either half, and memory of software that conflicts',
    async run(client) {
      await client.put('n/txn').value('1');
      const commit = (value: string) =>
        client
          .if('n/txn', 'Value', '==', value)
          .and('n/txn', 'Version', '>', 0)
          .then(client.put('n/then').value('yes'), client.get('n/txn'))
          .else(client.delete().key('n/txn'))
          .commit();
      assert.equal((await commit('1')).succeeded, true);
      assert.equal((await commit('2')).succeeded, false);
      assert.equal(await client.get('n/txn').string(), null);
      await client.put('n/sum').value('0');
      const add = () =>
        client.stm({ retries: 50 }).transact(async (memory) => {
          const value = await memory.get('n/sum').number();
          await memory.put('n/sum').value(Number(value) + 1);
        });
      await Promise.all(Array.from({ length: 5 }, add));
      assert.equal(await client.get('n/sum').number(), 5);
    },
  },
  {
    name: 'leases: kept alive past their TTL, revoked with their keys, lost when another revokes them',
    async run(client) {
      // Long enough for a process that the machine stops for a while.
      const lease = client.lease(5);
      await lease.put('n/leased').value('v');
      const kept = once(lease, 'keepaliveSucceeded');
      await kept;
      await once(lease, 'keepaliveSucceeded');
      await once(lease, 'keepaliveSucceeded');
      assert.equal(await client.get('n/leased').string(), 'v');
      await lease.revoke();
      assert.equal(await client.get('n/leased').string(), null);
      const lost = client.lease(60);
      const id = await lost.grant();
      const told = once(lost, 'lost');
      await client.leaseClient.leaseRevoke({ ID: id });
      await assert.rejects(lost.keepaliveOnce(), EtcdLeaseInvalidError);
      assert.ok((await told)[0] instanceof EtcdLeaseInvalidError);
    },
  },
  {
    name: 'locks: one at a time',
    async run(client) {
      const first = client.lock('n/lock');
      await first.acquire();
      await assert.rejects(client.lock('n/lock').acquire(), EtcdLockFailedError);
      await first.release();
      assert.equal(await client.lock('n/lock').do(() => 'done'), 'done');
    },
  },
  {
    name: 'elections: the second leads when the first resigns, and an observer sees both',
    async run(client, system) {
      const election = client.election('n/election', 20);
      const one = election.campaign('one');
      await one.wait();
      assert.equal(await election.leader(), 'one');
      const observer = await election.observe();
      assert.equal(observer.leader(), 'one');
      const two = election.campaign('two');
      const waiting = once(two, '_isWaiting');
      await two.getCampaignKey();
      await waiting;
      // It reads, makes a watch, and then listens: a deletion that comes together with the watch is lost on it.
      await eventually(async () => (await watches(system)) >= 2);
      for (let count = 0; count < 3; count++) await client.put('n/meanwhile').value(count);
      // It may lead before who resigned has heard that it did.
      await Promise.all([once(observer, 'change'), two.wait(), one.resign()]);
      await eventually(async () => observer.leader() === 'two');
      await two.proclaim('two again');
      await eventually(async () => observer.leader() === 'two again');
      await observer.cancel();
      await two.resign();
    },
  },
  {
    name: 'watches: of a prefix, from a revision, with previous values, cancelled',
    async run(client) {
      const { header } = await client.put('n/watch/a').value('1');
      await client.put('n/watch/a').value('2');
      await client.delete().key('n/watch/a');
      const watcher = client
        .watch()
        .prefix('n/watch/')
        .startRevision(header.revision)
        .withPreviousKV()
        .watcher();
      const seen: string[] = [];
      watcher.on('put', (kv, previous) => seen.push(`${kv.key}=${kv.value} was ${previous?.value}`));
      watcher.on('delete', (kv, previous) => seen.push(`${kv.key} gone, was ${previous?.value}`));
      await eventually(async () => seen.length === 3);
      assert.deepEqual(seen, ['n/watch/a=1 was undefined', 'n/watch/a=2 was 1', 'n/watch/a gone, was 2']);
      await watcher.cancel();
      const only = await client.watch().key('n/watch/b').only('delete').create();
      await client.put('n/watch/b').value('v');
      const gone = once(only, 'delete');
      await client.delete().key('n/watch/b');
      await gone;
      await only.cancel();
    },
  },
  {
    name: 'a watch and a lease go on when the leader’s process is killed',
    async run(client, system) {
      const lease = client.lease(24);
      await lease.put('n/crash/leased').value('v');
      const watcher = await client.watch().prefix('n/crash/counted/').create();
      const events: string[] = [];
      const seen = new Set<string>();
      watcher.on('put', (kv) => {
        events.push(`${kv.key} at ${kv.mod_revision}`);
        seen.add(String(kv.key));
      });
      const acknowledged: string[] = [];
      let writing = true;
      const write = async () => {
        for (let number = 0; writing; number++) {
          const key = `n/crash/counted/${number}`;
          const put = client.put(key).value('v').exec();
          await put.then(
            () => acknowledged.push(key),
            () => sleep(10),
          );
        }
      };
      const written = write();
      try {
        await eventually(async () => seen.size > 20);
        await system.killLeader();
        const before = seen.size;
        await eventually(async () => seen.size > before + 20);
        await system.revive();
        writing = false;
        await written;
        await eventually(async () => acknowledged.every((key) => seen.has(key)));
        assert.equal(new Set(events).size, events.length, 'no event twice');
        assert.equal(await client.get('n/crash/leased').string(), 'v');
        assert.equal(lease.revoked(), false);
      } finally {
        writing = false;
        await watcher.cancel();
        await lease.revoke();
      }
    },
  },
  {
    name: 'users and roles, and who may do what while authentication is on',
    needs: 'auth',
    async run(client, system) {
      const reader = client.role('reader');
      await reader.create();
      await reader.grant({ permission: 'Read', range: client.range({ prefix: 'n/auth/' }) });
      assert.equal((await reader.permissions())[0]?.permission, 'Read');
      const ann = client.user('ann');
      await ann.create('secret');
      await assert.rejects(client.user('ann').create('secret'), EtcdUserExistsError);
      await ann.addRole('reader');
      assert.deepEqual(
        (await ann.roles()).map(({ name }) => name),
        ['reader'],
      );
      await client.role('root').create();
      await client.user('root').create('top');
      await client.user('root').addRole('root');
      await client.put('n/auth/a').value('v');
      await client.auth.authEnable();
      // A linearizable read at each member, after which none lets a login pass as needless that comes to it first.
      for (const host of system.endpoints) {
        const nobody = connect(system, { hosts: host });
        await assert.rejects(nobody.get('n/auth/a').string(), /user name is empty/);
        nobody.close();
      }
      const as = (username: string, password: string) => connect(system, { auth: { username, password } });
      const root = as('root', 'top');
      const [good, bad] = [as('ann', 'secret'), as('ann', 'wrong')];
      try {
        assert.equal(await good.get('n/auth/a').string(), 'v');
        await assert.rejects(good.put('n/auth/a').value('w').exec(), EtcdPermissionDeniedError);
        await assert.rejects(good.get('n/other').string(), EtcdPermissionDeniedError);
        await assert.rejects(bad.get('n/auth/a').string(), EtcdAuthenticationFailedError);
      } finally {
        await root.auth.authDisable();
        for (const one of [root, good, bad]) one.close();
      }
      await ann.delete();
      await reader.delete();
    },
  },
];

// At once: they wait for leases and for leaders more than they compute.
describe('npm’s etcd3', { concurrency: true, timeout: 580_000 }, () => {
  for (const kind of systemKinds) {
    describe(`npm’s etcd3 on ${kind.name}`, { concurrency: false, skip: kind.missing ?? false }, () => {
      let system: System;
      before(async () => {
        system = await kind.start();
      });
      after(() => system[Symbol.asyncDispose]());
      for (const { name, needs, run } of cases) {
        const skip = needs !== undefined && kind.lacks.includes(needs) ? `no ${needs}` : false;
        test(name, { skip, timeout: 240_000 }, async () => {
          const client = connect(system);
          try {
            await run(client, system);
          } finally {
            client.close();
          }
        });
      }
    });
  }
});
