// Every command that etcdctl has, by its own help: each is run against a member of ours and against etcd, and says the
// same on both. What the commands can do besides is in the other files about etcdctl.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { peer } from '../peers.ts';
import { Etcdctl, grant, type Running } from './etcdctl.ts';
import { startConclave, startEtcd, type TestServer } from './servers.ts';

const etcdctl = peer('etcdctl');
const etcd = peer('etcd');

/** What asks no server for anything. */
const offline: Readonly<Record<string, string>> = {
  'completion bash': 'writes a script',
  'completion fish': 'writes a script',
  'completion powershell': 'writes a script',
  'completion zsh': 'writes a script',
  help: 'writes text',
  migrate: "reads and writes etcd's own files",
  'snapshot restore': "writes etcd's own files",
  'snapshot status': "reads etcd's own files",
  version: 'writes text',
};

function commandsOf(path: string): string[] {
  const env = { ...process.env, ETCDCTL_API: '3' };
  const help = execFileSync(path, ['help'], { encoding: 'utf8', env });
  const [, after = ''] = help.split('\nCOMMANDS:\n');
  const lines = (after.split('\nOPTIONS:')[0] ?? '').split('\n');
  return lines.flatMap((line) => /^\t(\S.*?)\t/.exec(line)?.[1]?.trim() ?? []);
}

/** What differs from run to run and from server to server by right. An id is random: one in sixteen is a digit short. */
function tidy(text: string): string {
  return text
    .replace(/^\{"level":"(?:info|warn)".*\n/gm, '')
    .replace(/127\.0\.0\.1:\d+/g, 'HOST')
    .replace(/\b[0-9a-f]{6,16}\b/g, 'ID')
    .replace(/\b[\d.]+ [kMG]?B\b/g, 'SIZE')
    .replace(/took = ?[\d.]+(?:ms|µs|s)/g, 'took = TIME')
    .replace(/\b3\.\d+\.\d+\b/g, 'VERSION');
}

class Tried {
  readonly commands: string[] = [];
  readonly #ctl: Etcdctl;

  constructor(ctl: Etcdctl) {
    this.#ctl = ctl;
  }

  /** Both outputs, tidied. `words`: of what comes after the command, split at spaces. */
  async says(command: string, words: string, expected: RegExp | string, input?: string): Promise<string> {
    this.commands.push(command);
    const line = `${command} ${words}`.trim();
    const { stdout, stderr } =
      input === undefined ? await this.#ctl.run(line) : await this.#ctl.feed(input, line);
    const said = tidy(stdout + stderr);
    if (typeof expected === 'string') assert.equal(said, expected, line);
    else assert.match(said, expected, line);
    return stdout;
  }

  /** Until it says so. */
  async until(command: string, words: string, expected: RegExp | string): Promise<void> {
    for (let attempt = 0; attempt < 600; attempt++) {
      const { stdout } = await this.#ctl.run(`${command} ${words}`);
      if (typeof expected === 'string' ? stdout === expected : expected.test(stdout)) return;
      await sleep(100);
    }
    assert.fail(`${command} ${words} never says ${expected}`);
  }

  start(command: string, words: string): Running {
    this.commands.push(command);
    return this.#ctl.start(`${command} ${words}`);
  }

  async grant(): Promise<string> {
    this.commands.push('lease grant');
    return await grant(this.#ctl, 300);
  }
}

async function keys(ctl: Tried): Promise<void> {
  await ctl.says('put', 'a 1', 'OK\n');
  await ctl.says('get', 'a', 'a\n1\n');
  await ctl.says('txn', '', 'SUCCESS\n\nOK\n\nb\n2\n', 'value("a") = "1"\n\nput b 2\nget b\n\n\n');
  await ctl.says('del', 'a', '1\n');
  await using watch = ctl.start('watch', 'a --rev 2');
  assert.equal(await watch.lines(6), 'PUT\na\n1\nDELETE\na\n\n');
  await ctl.says('compaction', '3', 'compacted revision 3\n');
  await ctl.says('defrag', '', 'Finished defragmenting etcd member[HOST]\n');
}

async function leases(ctl: Tried): Promise<void> {
  const lease = await ctl.grant();
  await ctl.says('lease timetolive', lease, /^lease ID granted with TTL\(300s\), remaining\(\d+s\)\n$/);
  await ctl.says('lease keep-alive', `--once ${lease}`, 'lease ID keepalived with TTL(300)\n');
  await ctl.says('lease list', '', 'found 1 leases\nID\n');
  await ctl.says('lease revoke', lease, 'lease ID revoked\n');
  await ctl.says('lock', 'l echo held', 'held\n');
  await using elected = ctl.start('elect', 'e me');
  assert.match(await elected.lines(2), /^e\/[0-9a-f]+\nme\n$/);
  await elected.stop('SIGINT');
}

async function operations(ctl: Tried, endpoint: string, folder: string): Promise<void> {
  await ctl.says('endpoint health', '', 'HOST is healthy: successfully committed proposal: took = TIME\n');
  await ctl.says('endpoint status', '', /^HOST, ID, VERSION, SIZE, true, false, \d+, \d+, \d+, \n$/);
  await ctl.says('endpoint hashkv', '', /^HOST, (?:ID|\d+)\n$/);
  await ctl.says('alarm list', '', '');
  await ctl.says('alarm disarm', '', '');
  const file = join(folder, 'saved');
  await ctl.says('snapshot save', file, `Snapshot saved at ${file}\n`);
  await ctl.says('move-leader', '1234', /etcdserver: bad leader transferee\n$/);
  await ctl.says('put', 'from/a 1', 'OK\n');
  await using _mirror = ctl.start('make-mirror', `--prefix from/ --dest-prefix to/ ${endpoint}`);
  await ctl.until('get', 'to/ --prefix', 'to/a\n1\n');
}

async function members(ctl: Tried): Promise<void> {
  const started = 'ID, started, default, http://HOST, http://HOST, false\n';
  await ctl.says('member list', '', started);
  const added = await ctl.says(
    'member add',
    'new --learner --peer-urls=http://127.0.0.1:9',
    /^Member +ID added to cluster +ID\n\nETCD_NAME="new"\nETCD_INITIAL_CLUSTER=".*new=http:\/\/HOST.*"\nETCD_INITIAL_ADVERTISE_PEER_URLS="http:\/\/HOST"\nETCD_INITIAL_CLUSTER_STATE="existing"\n$/,
  );
  const id = /^Member +([0-9a-f]+)/.exec(added)?.[1] ?? '';
  await ctl.says(
    'member promote',
    id,
    /etcdserver: can only promote a learner member which is in sync with leader\n$/,
  );
  await ctl.says(
    'member update',
    `${id} --peer-urls=http://127.0.0.1:10`,
    /^Member +ID updated in cluster +ID\n$/,
  );
  await ctl.says('member remove', id, /^Member +ID removed from cluster +ID\n$/);
  await ctl.says('member list', '', started);
}

async function auth(ctl: Tried): Promise<void> {
  await ctl.says('role add', 'r', 'Role r created\n');
  await ctl.says('role grant-permission', 'r readwrite k', 'Role r updated\n');
  await ctl.says('role get', 'r', 'Role r\nKV Read:\n\tk\nKV Write:\n\tk\n');
  await ctl.says('role list', '', 'r\n');
  await ctl.says('user add', 'root:top', 'User root created\n');
  await ctl.says('user add', 'ann:pw', 'User ann created\n');
  await ctl.says('user grant-role', 'ann r', 'Role r is granted to user ann\n');
  await ctl.says('user get', 'ann', 'User: ann\nRoles: r\n');
  await ctl.says('user list', '', 'ann\nroot\n');
  await ctl.says('user passwd', 'ann --interactive=false', 'Password updated\n', 'other\n');
  // etcdctl makes the role root and grants it where that is missing.
  await ctl.says('auth enable', '', /Authentication Enabled\n$/);
  const as = '--user root:top';
  await ctl.says('put', 'k 1 --user ann:other', 'OK\n');
  await ctl.says('user revoke-role', `ann r ${as}`, 'Role r is revoked from user ann\n');
  await ctl.says('role revoke-permission', `r k ${as}`, 'Permission of key k is revoked from role r\n');
  await ctl.says('role delete', `r ${as}`, 'Role r deleted\n');
  await ctl.says('user delete', `ann ${as}`, 'User ann deleted\n');
  await ctl.says('auth disable', as, 'Authentication Disabled\n');
}

/** Both measure for a minute or fill gigabytes when they are left to: they are seen to write, and stopped. */
async function checks(ctl: Tried): Promise<void> {
  for (const [command, prefix] of [
    ['check perf', '/etcdctl-check-perf/'],
    ['check datascale', '/etcdctl-check-datascale/'],
  ] as const) {
    await using _running = ctl.start(command, '');
    await ctl.until('get', `${prefix} --prefix --keys-only --limit 1`, new RegExp(`^${prefix}`));
  }
}

const servers: readonly (readonly [string, string | undefined, () => Promise<TestServer>])[] = [
  ['conclave', undefined, () => startConclave({ quick: true, cheapPasswords: true })],
  ['etcd', etcd.missing, () => startEtcd(etcd.path ?? '', { quick: true, cheapPasswords: true })],
];

for (const [name, missing, start] of servers) {
  describe(`every command of etcdctl on ${name}`, {
    skip: etcdctl.missing ?? missing ?? false,
    timeout: 180_000,
  }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'conclave-etcdctl-'));
    let server: TestServer;
    let tried: Tried;
    before(async () => {
      server = await start();
      tried = new Tried(new Etcdctl(etcdctl.path ?? '', server.endpoint));
    });
    after(async () => {
      await server?.[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    });

    test('keys and history', () => keys(tried));
    test('leases, locks and elections', () => leases(tried));
    test('what operators do', () => operations(tried, server.endpoint, folder));
    test('members', () => members(tried));
    test('users, roles and auth', () => auth(tried));
    test('its own checks', () => checks(tried));
    test('none was forgotten', () => {
      const all = commandsOf(etcdctl.path ?? '');
      assert.ok(all.length > 50);
      const wanted = all.filter((command) => offline[command] === undefined);
      assert.deepEqual([...new Set(tried.commands)].sort(), wanted.sort());
    });
  });
}
