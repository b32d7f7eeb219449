// What etcdctl does besides: flags of put, get and del, interactive watches and transactions, watches that run a
// command, mirrors, endpoints of the whole cluster. Each case states what etcd does, on every system.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { peer } from '../peers.ts';
import { type Case, Etcdctl, fails, prints } from './etcdctl.ts';
import { type System, systemKinds } from './systems.ts';

const etcdctl = peer('etcdctl');

const cases: readonly Case[] = [
  {
    name: 'put, get and del by their other flags',
    async run(ctl) {
      assert.equal((await ctl.feed('from its input', 'put m/a')).stdout, 'OK\n');
      await prints(ctl, 'get m/a', 'm/a\nfrom its input\n');
      await prints(ctl, 'get m/a --hex --keys-only', '\\x6d\\x2f\\x61\n\n');
      await prints(ctl, 'put m/b two', 'OK\n');
      await prints(ctl, 'put m/c three', 'OK\n');
      await prints(ctl, 'get m/a m/c --keys-only', 'm/a\n\nm/b\n\n');
      await prints(
        ctl,
        'get m/ --prefix --write-out simple --consistency s --limit 1 --keys-only',
        'm/a\n\n',
      );
      await prints(ctl, 'del m/a m/b', '1\n');
      await prints(ctl, 'del m/b --prefix --prev-kv', '1\nm/b\ntwo\n');
      await prints(ctl, 'del m/c --from-key --prev-kv', '1\nm/c\nthree\n');
    },
  },
  {
    name: 'a compaction that waits until space is free',
    async run(ctl) {
      const { stdout } = await ctl.run('put m/d 1 --write-out json');
      const { revision } = JSON.parse(stdout).header as { revision: number };
      await prints(ctl, `compaction --physical ${revision}`, `compacted revision ${revision}\n`);
      await fails(
        ctl,
        `compaction ${revision}`,
        'rpc error: code = OutOfRange desc = etcdserver: mvcc: required revision has been compacted',
      );
    },
  },
  {
    name: 'an interactive transaction asks for its parts',
    async run(ctl) {
      const input = 'create("m/e") = "0"\n\nput m/e made\n\nget m/e\n\n';
      const { stdout } = await ctl.feed(input, 'txn --interactive');
      assert.match(
        stdout,
        /^compares:\nsuccess requests \(get, put, del\):\nfailure requests \(get, put, del\):\nSUCCESS\n\nOK\n$/,
      );
    },
  },
  {
    name: 'a watch of a range that runs a command for each event',
    async run(ctl) {
      const { stdout } = await ctl.run('put m/f 1 --write-out json');
      const { revision } = JSON.parse(stdout).header as { revision: number };
      await using watch = ctl.start(
        `watch m/f m/g --rev ${revision} -- printenv ETCD_WATCH_KEY ETCD_WATCH_VALUE`,
      );
      assert.equal(await watch.lines(5), 'PUT\nm/f\n1\n"m/f"\n"1"\n');
    },
  },
  {
    name: 'the status and health of a whole cluster',
    async run(ctl) {
      const members = (await ctl.run('member list')).stdout.trim().split('\n').length;
      const health = await ctl.run('endpoint health --cluster');
      assert.equal((health.stdout + health.stderr).match(/is healthy/g)?.length, members);
      const status = JSON.parse((await ctl.run('endpoint status --cluster --write-out json')).stdout);
      assert.equal(status.length, members);
      const hashes = JSON.parse((await ctl.run('endpoint hashkv --cluster --write-out json')).stdout);
      assert.equal(hashes.length, members);
    },
  },
];

for (const kind of systemKinds) {
  describe(`etcdctl’s other commands on ${kind.name}`, {
    skip: etcdctl.missing ?? kind.missing ?? false,
  }, () => {
    let system: System;
    before(async () => {
      system = await kind.start();
    });
    after(() => system[Symbol.asyncDispose]());
    const ctl = () => new Etcdctl(etcdctl.path ?? '', system.endpoints[0] ?? '');
    for (const { name, run } of cases) test(name, () => run(ctl()));

    test('make-mirror copies what is there and what changes, under another prefix', async () => {
      const { stdout } = await ctl().run('put mirrored/a 1 --write-out json');
      const { revision } = JSON.parse(stdout).header as { revision: number };
      await using mirror = ctl().start(
        `make-mirror --prefix mirrored/ --dest-prefix copy/ ${system.endpoints[0]}`,
      );
      await using copies = ctl().start(`watch copy/ --prefix --rev ${revision}`);
      assert.equal(await copies.lines(3), 'PUT\ncopy/a\n1\n');
      await prints(ctl(), 'put mirrored/b 2', 'OK\n');
      assert.equal(await copies.lines(3), 'PUT\ncopy/b\n2\n');
      await prints(ctl(), 'del mirrored/a', '1\n');
      assert.equal(await copies.lines(3), 'DELETE\ncopy/a\n\n');
      await mirror.stop();
    });

    test('move-leader, asked of the leader', { skip: kind.lacks.includes('move-leader') }, async () => {
      const all = new Etcdctl(etcdctl.path ?? '', system.endpoints.join());
      const ids = (await all.run('member list')).stdout.split('\n').map((line) => line.split(',')[0] ?? '');
      // etcdctl finds the leader among its endpoints; asked to move to itself, that one does nothing.
      const answers = [];
      for (const id of ids.filter((each) => each !== '')) answers.push(await all.run(`move-leader ${id}`));
      assert.match(
        answers.map(({ stdout }) => stdout).join(''),
        /Leadership transferred from [0-9a-f]+ to [0-9a-f]+\n/,
      );
    });
  });
}
