// npm's etcd3 and etcdctl by TLS, on a member of ours and on etcd: what certificate is shown, and who a client is by that.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as https from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { Etcd3, EtcdPermissionDeniedError } from 'etcd3';
import { peer } from '../peers.ts';
import { Etcdctl } from './etcdctl.ts';
import { type SecuredSystem, securedKinds, threadedKind } from './secured.ts';

const etcdctl = peer('etcdctl');

for (const kind of [...securedKinds, threadedKind]) {
  describe(`npm’s etcd3 and etcdctl on ${kind.name}`, {
    skip: kind.missing ?? false,
    timeout: 120_000,
  }, () => {
    let system: SecuredSystem;
    before(async () => {
      system = await kind.start();
    });
    after(() => system?.[Symbol.asyncDispose]());

    const pathOf = (name: string) => join(system.folder, `${name}.pem`);
    /** Shows the certificate of that name; none where it is empty. */
    function connect(name: string, authority = 'authority'): Etcd3 {
      const own = name !== '' && {
        certChain: readFileSync(pathOf(name)),
        privateKey: readFileSync(pathOf(`${name}-key`)),
      };
      return new Etcd3({
        hosts: `https://${system.endpoint}`,
        credentials: { rootCertificate: readFileSync(pathOf(authority)), ...own },
        defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: Date.now() + 5000 }),
      });
    }

    function ctl(name: string, authority = 'authority'): Etcdctl {
      return new Etcdctl(etcdctl.path ?? '', `https://${system.endpoint}`, {
        ETCDCTL_CACERT: pathOf(authority),
        ...(name !== '' && { ETCDCTL_CERT: pathOf(name), ETCDCTL_KEY: pathOf(`${name}-key`) }),
      });
    }

    /** What the JSON gateway answers to who shows the certificate of that name. */
    function range(name: string, key: string): Promise<string> {
      const files = { ca: readFileSync(pathOf('authority')), cert: readFileSync(pathOf(name)) };
      const options = {
        ...files,
        key: readFileSync(pathOf(`${name}-key`)),
        method: 'POST',
        agent: false as const,
      };
      return new Promise((resolve, reject) => {
        const request = https.request(`https://${system.endpoint}/v3/kv/range`, options, (response) => {
          text(response).then(resolve, reject);
        });
        request.on('error', reject).end(JSON.stringify({ key: Buffer.from(key).toString('base64') }));
      });
    }

    const refused = [
      ['', 'authority'],
      ['stranger', 'authority'],
      ['revoked', 'authority'],
      ['app', 'stranger'],
    ] as const;

    test('etcd3: keys, a watch, a lease and a lock', async () => {
      using client = new Closing(connect('app'));
      const { etcd3 } = client;
      const watcher = await etcd3.watch().key('nt/a').create();
      const seen = new Promise((resolve) => watcher.on('put', ({ value }) => resolve(value.toString())));
      await etcd3.put('nt/a').value('1');
      assert.equal(await seen, '1');
      await watcher.cancel();
      const lease = etcd3.lease(60);
      await lease.put('nt/leased').value('v');
      assert.equal((await lease.keepaliveOnce()).TTL, '60');
      await lease.revoke();
      assert.equal(await etcd3.get('nt/leased').string(), null);
      assert.equal(await etcd3.lock('nt/lock').do(() => 'held'), 'held');
    });

    test('etcd3: who shows no certificate, a foreign or a revoked one is refused', async () => {
      for (const [name, authority] of refused) {
        using client = new Closing(connect(name, authority));
        await assert.rejects(client.etcd3.get('nt/a').string());
      }
    });

    test('etcdctl: keys, a lease, a lock, and who is refused', {
      skip: etcdctl.missing ?? false,
    }, async () => {
      const app = ctl('app');
      assert.equal((await app.run('put ct/a 1')).stdout, 'OK\n');
      await using watch = app.start('watch ct/a --rev 1');
      assert.equal(await watch.lines(3), 'PUT\nct/a\n1\n');
      assert.match((await app.run('lease grant 60')).stdout, /granted/);
      assert.equal((await app.run('lock ct/lock echo held')).stdout, 'held\n');
      for (const [name, authority] of refused) {
        const { code, stdout } = await ctl(name, authority).run('get ct/a --command-timeout=1s');
        assert.deepEqual({ refused: code !== 0, stdout }, { refused: true, stdout: '' }, name);
      }
    });

    test('a user is who its certificate says', { skip: etcdctl.missing ?? false }, async () => {
      const root = ctl('root');
      for (const command of [
        ...['user add root --no-password', 'user add app --no-password', 'role add root', 'role add hers'],
        ...['role grant-permission hers readwrite nt/ --prefix=true', 'user grant-role app hers'],
        ...['user grant-role root root', 'auth enable'],
      ]) {
        const { code, stderr } = await root.run(command);
        assert.equal(code, 0, `${command}: ${stderr}`);
      }
      try {
        using client = new Closing(connect('app'));
        await client.etcd3.put('nt/a').value('hers');
        await assert.rejects(client.etcd3.put('other').value('x').exec(), EtcdPermissionDeniedError);
        assert.match((await ctl('app').run('put other x')).stderr, /permission denied/);
        assert.equal((await root.run('get nt/a')).stdout, 'nt/a\nhers\n');
        // etcd's gateway calls etcd by its own certificate, so it turns away whoever shows a name of theirs.
        const answer = await range('app', 'nt/a');
        assert.match(
          answer,
          kind.name.startsWith('etcd')
            ? /CommonName of client sending a request against gateway will be ignored/
            : /"value":"aGVycw=="/,
        );
      } finally {
        assert.equal((await root.run('auth disable')).code, 0);
      }
    });
  });
}

class Closing implements Disposable {
  readonly etcd3: Etcd3;

  constructor(etcd3: Etcd3) {
    this.etcd3 = etcd3;
  }

  [Symbol.dispose](): void {
    this.etcd3.close();
  }
}
