// etcdctl's commands about users, roles and auth, and `--user`: each case states what etcdctl prints, and runs against
// etcd too where that is installed.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { peer } from '../../peers.ts';
import { Etcdctl } from '../etcdctl.ts';
import { startConclave, startEtcd, type TestServer } from '../servers.ts';

const etcdctl = peer('etcdctl');
const etcd = peer('etcd');

async function prints(ctl: Etcdctl, args: string, expected: string): Promise<void> {
  const { stdout, stderr, code } = await ctl.run(args);
  assert.deepEqual({ stdout, code }, { stdout: expected, code: 0 }, `etcdctl ${args}: ${stderr}`);
}

async function fails(ctl: Etcdctl, args: string, expected: string): Promise<void> {
  const { stderr, code } = await ctl.run(args);
  const last = stderr.trim().split('\n').at(-1) ?? '';
  assert.deepEqual(
    { error: last.replace(/^Error: +/, ''), code: code === 0 },
    { error: expected, code: false },
  );
}

async function everyCommand(ctl: Etcdctl): Promise<void> {
  await fails(ctl, 'auth enable', 'etcdserver: root user does not exist');
  await prints(ctl, 'user add root:secret', 'User root created\n');
  // etcdctl grants the role itself where that is what is missing.
  await prints(ctl, 'role add root', 'Role root created\n');
  await prints(ctl, 'user grant-role root root', 'Role root is granted to user root\n');
  await prints(ctl, 'user add ann:pw', 'User ann created\n');
  await prints(ctl, 'user add cert --no-password', 'User cert created\n');
  await prints(ctl, 'role add hers', 'Role hers created\n');
  await prints(ctl, 'role grant-permission hers readwrite a/ --prefix=true', 'Role hers updated\n');
  await prints(ctl, 'role grant-permission hers read b c', 'Role hers updated\n');
  await prints(ctl, 'role grant-permission hers write k', 'Role hers updated\n');
  await prints(ctl, 'role grant-permission hers read x --from-key=true', 'Role hers updated\n');
  await prints(ctl, 'user grant-role ann hers', 'Role hers is granted to user ann\n');
  await prints(
    ctl,
    'role get hers',
    'Role hers\nKV Read:\n\t[a/, a0) (prefix a/)\n\t[b, c) (prefix b)\n\t[x, <open ended>\nKV Write:\n\t[a/, a0) (prefix a/)\n\tk\n',
  );
  await prints(ctl, 'user get ann', 'User: ann\nRoles: hers\n');
  await prints(ctl, 'user list', 'ann\ncert\nroot\n');
  await prints(ctl, 'role list', 'hers\nroot\n');
  await fails(ctl, 'user add ann:pw', 'etcdserver: user name already exists');
  await fails(ctl, 'user get nobody', 'etcdserver: user name not found');
  await fails(ctl, 'role get nothing', 'etcdserver: role name not found');
  await fails(ctl, 'user revoke-role ann root', 'etcdserver: role is not granted to the user');
  await fails(ctl, 'role revoke-permission hers zz', 'etcdserver: permission is not granted to the role');
  await prints(ctl, 'put b1 one', 'OK\n');
  await prints(ctl, 'auth enable', 'Authentication Enabled\n');

  await fails(ctl, 'get b1', 'etcdserver: user name is empty');
  await fails(
    ctl,
    'get b1 --user ann:wrong',
    'etcdserver: authentication failed, invalid user ID or password',
  );
  await prints(ctl, 'get b1 --user ann:pw', 'b1\none\n');
  await prints(ctl, 'get b1 --user ann --password pw', 'b1\none\n');
  await prints(ctl, 'put a/1 two --user ann:pw', 'OK\n');
  await prints(ctl, 'get a/ --prefix --user ann:pw', 'a/1\ntwo\n');
  await prints(ctl, 'get x --from-key --user ann:pw', '');
  await fails(ctl, 'get b d --user ann:pw', 'etcdserver: permission denied');
  await fails(ctl, 'put b1 two --user ann:pw', 'etcdserver: permission denied');
  await prints(ctl, 'put k two --user ann:pw', 'OK\n');
  await fails(ctl, 'put k two --prev-kv --user ann:pw', 'etcdserver: permission denied');
  await fails(ctl, 'get k --user ann:pw', 'etcdserver: permission denied');
  await prints(ctl, 'del a/ --prefix --user ann:pw', '1\n');
  await fails(ctl, 'user list --user ann:pw', 'etcdserver: permission denied');
  await prints(ctl, 'user get ann --user ann:pw', 'User: ann\nRoles: hers\n');
  await fails(ctl, 'auth disable --user ann:pw', 'etcdserver: permission denied');

  await prints(
    ctl,
    'role revoke-permission hers b c --user root:secret',
    'Permission of range [b, c) is revoked from role hers\n',
  );
  await fails(ctl, 'get b1 --user ann:pw', 'etcdserver: permission denied');
  const { stdout } = await ctl.feed(
    'newer\nnewer\n',
    'user passwd ann --interactive=false --user root:secret',
  );
  assert.equal(stdout, 'Password updated\n');
  await fails(
    ctl,
    'put k three --user ann:pw',
    'etcdserver: authentication failed, invalid user ID or password',
  );
  await prints(ctl, 'put k three --user ann:newer', 'OK\n');
  await prints(ctl, 'user revoke-role ann hers --user root:secret', 'Role hers is revoked from user ann\n');
  await fails(ctl, 'put k three --user ann:newer', 'etcdserver: permission denied');
  await fails(ctl, 'user delete root --user root:secret', 'etcdserver: invalid auth management');
  await prints(ctl, 'role delete hers --user root:secret', 'Role hers deleted\n');
  await prints(ctl, 'user delete ann --user root:secret', 'User ann deleted\n');
  await prints(ctl, 'auth disable --user root:secret', 'Authentication Disabled\n');
  await prints(ctl, 'get k', 'k\nthree\n');
}

const servers: readonly (readonly [string, string | undefined, () => Promise<TestServer>])[] = [
  ['conclave', undefined, () => startConclave({ quick: true, cheapPasswords: true })],
  ['etcd', etcd.missing, () => startEtcd(etcd.path ?? '', { quick: true, cheapPasswords: true })],
];

describe('etcdctl on users, roles and auth', { skip: etcdctl.missing ?? false, timeout: 180_000 }, () => {
  for (const [name, missing, start] of servers) {
    test(`as stated, with ${name}`, { skip: missing ?? false }, async () => {
      await using server = await start();
      await everyCommand(new Etcdctl(etcdctl.path ?? '', server.endpoint));
    });
  }
});
