// etcdctl of etcd 3.4 against our server. Each case states what etcdctl prints; where an etcd is installed the same
// case runs against it too, so that what is stated is what etcd does.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { peer } from '../peers.ts';
import { type Case, Etcdctl, fails, grant, prints } from './etcdctl.ts';
import { type System, systemKinds } from './systems.ts';

const etcdctl = peer('etcdctl');

const futureRevision =
  'rpc error: code = OutOfRange desc = etcdserver: mvcc: required revision is a future revision';
const compacted =
  'rpc error: code = OutOfRange desc = etcdserver: mvcc: required revision has been compacted';
const leaseNotFound = 'rpc error: code = NotFound desc = etcdserver: requested lease not found';

const cases: readonly Case[] = [
  {
    name: 'put, get and del of one key',
    async run(ctl) {
      await prints(ctl, 'put a/1 one', 'OK\n');
      await prints(ctl, 'get a/1', 'a/1\none\n');
      await prints(ctl, 'put --prev-kv a/1 two', 'OK\na/1\none\n');
      await prints(ctl, 'get --print-value-only a/1', 'two\n');
      await prints(ctl, 'del --prev-kv a/1', '1\na/1\ntwo\n');
      await prints(ctl, 'get a/1', '');
      await prints(ctl, 'del a/1', '0\n');
    },
  },
  {
    name: 'get of a prefix, a range, from a key, with limit, order, count and keys only',
    async run(ctl) {
      for (const [key, value] of [
        ['b/1', 'z'],
        ['b/2', 'y'],
        ['b/3', 'x'],
      ])
        await prints(ctl, `put ${key} ${value}`, 'OK\n');
      await prints(ctl, 'put b/1 w', 'OK\n');
      await prints(ctl, 'get --prefix b/', 'b/1\nw\nb/2\ny\nb/3\nx\n');
      await prints(ctl, 'get b/1 b/3', 'b/1\nw\nb/2\ny\n');
      await prints(ctl, 'get --from-key b/2 --limit 1', 'b/2\ny\n');
      await prints(ctl, 'get --prefix b/ --limit 2 --keys-only', 'b/1\n\nb/2\n\n');
      await prints(ctl, 'get --prefix b/ --order DESCEND --print-value-only', 'x\ny\nw\n');
      await prints(ctl, 'get --prefix b/ --sort-by VALUE --order ASCEND --print-value-only', 'w\nx\ny\n');
      await prints(ctl, 'get --prefix b/ --sort-by MODIFY --order DESCEND --limit 1', 'b/1\nw\n');
      await prints(ctl, 'get --prefix b/ --sort-by CREATE', 'b/1\nw\nb/2\ny\nb/3\nx\n');
      await prints(ctl, 'get --prefix b/ --sort-by VERSION --order DESCEND --limit 1', 'b/1\nw\n');
      await prints(ctl, 'get --prefix b/ --consistency s', 'b/1\nw\nb/2\ny\nb/3\nx\n');
      const counted = (text: string): string => text.match(/"(?:More|Count)" : \w+/g)?.join() ?? text;
      await prints(ctl, 'get --prefix b/ --limit 1 --write-out fields', '"More" : true,"Count" : 3', counted);
      await prints(ctl, 'del --prefix b/', '3\n');
    },
  },
  {
    name: 'get at an older revision, of the future, and after a compaction',
    async run(ctl) {
      await prints(ctl, 'put c/1 old', 'OK\n');
      const { stdout } = await ctl.run('get c/1 --write-out json');
      const revision: number = JSON.parse(stdout).header.revision;
      await prints(ctl, 'put c/1 new', 'OK\n');
      await prints(ctl, `get c/1 --rev ${revision}`, 'c/1\nold\n');
      await fails(ctl, 'get c/1 --rev 1000000', futureRevision);
      await prints(ctl, `compaction ${revision + 1}`, `compacted revision ${revision + 1}\n`);
      await fails(ctl, `get c/1 --rev ${revision}`, compacted);
      await fails(ctl, `compaction ${revision}`, compacted);
      await fails(ctl, 'compaction 1000000', futureRevision);
    },
  },
  {
    name: 'put that keeps the value or the lease',
    async run(ctl) {
      const lease = await grant(ctl, 300);
      await prints(ctl, `put d/1 kept --lease=${lease}`, 'OK\n');
      await prints(ctl, 'put d/1 changed --ignore-lease', 'OK\n');
      await prints(ctl, 'put d/1 --ignore-value --ignore-lease', 'OK\n');
      await prints(ctl, 'get d/1', 'd/1\nchanged\n');
      await fails(
        ctl,
        'put d/2 --ignore-value',
        'rpc error: code = InvalidArgument desc = etcdserver: key not found',
      );
      await fails(ctl, 'put d/2 x --lease=1234', leaseNotFound);
      await prints(ctl, `lease revoke ${lease}`, `lease ${lease} revoked\n`);
      await prints(ctl, 'get d/1', '');
    },
  },
  {
    name: 'txn with either outcome',
    async run(ctl) {
      await prints(ctl, 'put e/1 yes', 'OK\n');
      const txn = async (value: string): Promise<string> => {
        const input = `value("e/1") = "${value}"\nversion("e/1") > "0"\n\nput e/2 won\nget e/1\n\ndel e/1\nget e/2\n\n`;
        return (await ctl.feed(input, 'txn')).stdout;
      };
      assert.equal(await txn('yes'), 'SUCCESS\n\nOK\n\ne/1\nyes\n');
      assert.equal(await txn('no'), 'FAILURE\n\n1\n\ne/2\nwon\n');
      const twice = await ctl.feed('\nput e/3 a\nput e/3 b\n\n\n', 'txn');
      assert.match(twice.stderr, /etcdserver: duplicate key given in txn request/);
    },
  },
  {
    name: 'watch of a key, of a prefix with previous values, and from an older revision',
    async run(ctl) {
      const { stdout } = await ctl.run('put f/0 start --write-out json');
      const revision: number = JSON.parse(stdout).header.revision;
      await prints(ctl, 'put f/1 a', 'OK\n');
      await using one = ctl.start(`watch f/1 --rev ${revision}`);
      await using many = ctl.start(`watch --prefix f/ --prev-kv --rev ${revision + 1}`);
      assert.equal(await one.lines(3), 'PUT\nf/1\na\n');
      assert.equal(await many.lines(3), 'PUT\nf/1\na\n');
      await prints(ctl, 'put f/2 b', 'OK\n');
      await prints(ctl, 'put f/1 c', 'OK\n');
      await prints(ctl, 'del f/1', '1\n');
      assert.equal(await one.lines(6), 'PUT\nf/1\nc\nDELETE\nf/1\n\n');
      assert.equal(await many.lines(13), 'PUT\nf/2\nb\nPUT\nf/1\na\nf/1\nc\nDELETE\nf/1\nc\nf/1\n\n');
    },
  },
  {
    name: 'watch from a compacted revision',
    async run(ctl) {
      const { stdout } = await ctl.run('put g/1 a --write-out json');
      const revision: number = JSON.parse(stdout).header.revision;
      await prints(ctl, `compaction ${revision}`, `compacted revision ${revision}\n`);
      const { stderr, code } = await ctl.run(`watch g/1 --rev ${revision - 1}`);
      assert.match(stderr, /watch was canceled \(etcdserver: mvcc: required revision has been compacted\)/);
      assert.notEqual(code, 0);
    },
  },
  {
    name: 'lease grant, timetolive with keys, keep-alive, list and revoke',
    async run(ctl) {
      const lease = await grant(ctl, 300);
      await prints(ctl, `put h/1 a --lease=${lease}`, 'OK\n');
      await prints(ctl, `put h/2 b --lease=${lease}`, 'OK\n');
      const remaining = (text: string): string =>
        text.replace(/remaining\((?:300|299|298)s\)/, 'remaining(300s)');
      await prints(
        ctl,
        `lease timetolive ${lease}`,
        `lease ${lease} granted with TTL(300s), remaining(300s)\n`,
        remaining,
      );
      const { stdout } = await ctl.run(`lease timetolive --keys ${lease}`);
      assert.match(stdout, /attached keys\(\[(h\/1 h\/2|h\/2 h\/1)\]\)/);
      await prints(ctl, `lease keep-alive --once ${lease}`, `lease ${lease} keepalived with TTL(300)\n`);
      await prints(ctl, 'lease list', `found 1 leases\n${lease}\n`);
      await prints(ctl, `lease revoke ${lease}`, `lease ${lease} revoked\n`);
      await prints(ctl, 'get --prefix h/', '');
      await prints(ctl, 'lease list', 'found 0 leases\n');
      await prints(ctl, `lease timetolive ${lease}`, `lease ${lease} already expired\n`);
      await fails(ctl, `lease revoke ${lease}`, leaseNotFound);
      const kept = await ctl.run(`lease keep-alive --once ${lease}`);
      assert.match(kept.stdout + kept.stderr, /expired or revoked|requested lease not found/);
    },
  },
  {
    name: 'elect: the second candidate leads when the first is gone, and a listener sees both',
    async run(ctl) {
      await using first = ctl.start('elect i one');
      assert.match(await first.lines(2), /^i\/[0-9a-f]+\none\n$/);
      await using listener = ctl.start('elect -l i');
      assert.match(await listener.lines(2), /^i\/[0-9a-f]+\none\n$/);
      await using second = ctl.start('elect i two');
      await first.stop('SIGINT');
      assert.match(await second.lines(2), /^i\/[0-9a-f]+\ntwo\n$/);
      assert.match(await listener.lines(2), /^i\/[0-9a-f]+\ntwo\n$/);
    },
  },
  {
    name: 'lock with a command, and a second lock that waits for the first',
    async run(ctl) {
      await prints(ctl, 'lock j echo held', 'held\n');
      await using holder = ctl.start('lock k');
      const key = (await holder.lines(1)).trim();
      assert.match(key, /^k\/[0-9a-f]+$/);
      const waiting = ctl.run('lock k echo mine');
      await ctl.run('get --prefix k/');
      await prints(ctl, 'get --prefix k/ --sort-by CREATE --limit 1 --keys-only', `${key}\n\n`);
      await holder.stop('SIGINT');
      assert.equal((await waiting).stdout, 'mine\n');
      await prints(ctl, 'get --prefix k/', '');
    },
  },
  {
    name: 'endpoint health and status, member list, alarm list',
    async run(ctl) {
      const health = await ctl.run('endpoint health');
      assert.match(health.stdout + health.stderr, /is healthy: successfully committed proposal/);
      const { stdout } = await ctl.run('endpoint status --write-out json');
      const { Status: status } = JSON.parse(stdout)[0];
      assert.notEqual(status.leader, 0);
      assert.match(status.version, /^3\.\d+\.\d+$/);
      assert.ok(
        status.raftTerm > 0 && status.raftIndex > 0 && status.raftAppliedIndex > 0 && status.dbSize > 0,
      );
      const members =
        /^([0-9a-f]+, started, \w+, http:\/\/127\.0\.0\.1:\d+, http:\/\/127\.0\.0\.1:\d+, false\n)+$/;
      assert.match((await ctl.run('member list')).stdout, members);
      await prints(ctl, 'alarm list', '');
    },
  },
  {
    name: 'what is too large or empty is refused in etcd’s words',
    async run(ctl) {
      const large = await ctl.feed('x'.repeat(1.6 * 1024 * 1024), 'put l/1');
      assert.match(large.stderr, /etcdserver: request is too large/);
      const { stderr } = await ctl.run('put', '', 'x');
      assert.match(stderr, /etcdserver: key is not provided/);
    },
  },
];

for (const kind of systemKinds) {
  const skip = etcdctl.missing ?? kind.missing ?? false;
  describe(`etcdctl on ${kind.name}`, { skip }, () => {
    let system: System;
    before(async () => {
      system = await kind.start();
    });
    after(() => system[Symbol.asyncDispose]());
    for (const { name, run } of cases) {
      // At one of the members: what it has just done another one may not know of yet.
      test(name, () => run(new Etcdctl(etcdctl.path ?? '', system.endpoints[0] ?? '')));
    }
  });
}
