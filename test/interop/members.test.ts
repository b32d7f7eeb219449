// etcdctl's member commands and move-leader against our server: the transcript that is stated is what etcd gives, too,
// where one is installed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { peer } from '../peers.ts';
import { Etcdctl } from './etcdctl.ts';
import { startConclave, startEtcd, type TestServer } from './servers.ts';

const etcdctl = peer('etcdctl');
const etcd = peer('etcd');

const notFound = 'NotFound desc = etcdserver: member not found';

/** What is run, and what comes of it: ids, addresses and times are given names. */
const expected: readonly (readonly [string, string])[] = [
  ['member list', 'SELF, started, default, PEER, CLIENT, false'],
  ['member list --write-out=table', /\| SELF \| started \| default \| PEER \| CLIENT \| +false \|/.source],
  ['member add b --peer-urls=http://127.0.0.1:19991 --learner', 'Member LEARNER added to cluster CLUSTER'],
  ['member list', 'LEARNER, unstarted, , http://127.0.0.1:19991, , true'],
  [
    'member add c --peer-urls=http://127.0.0.1:19992 --learner',
    'FailedPrecondition desc = etcdserver: too many learner members in cluster',
  ],
  [
    'member promote LEARNER',
    'FailedPrecondition desc = etcdserver: can only promote a learner member which is in sync with leader',
  ],
  ['member promote SELF', 'FailedPrecondition desc = etcdserver: can only promote a learner member'],
  ['member promote 1234', notFound],
  ['member update 1234 --peer-urls=http://127.0.0.1:19994', notFound],
  [
    'member update LEARNER --peer-urls=PEER',
    'FailedPrecondition desc = etcdserver: Peer URLs already exists',
  ],
  [
    'member add d --peer-urls=PEER,http://127.0.0.1:19995',
    'FailedPrecondition desc = etcdserver: Peer URLs already exists',
  ],
  ['member remove 1234', notFound],
  ['move-leader LEARNER', 'FailedPrecondition desc = etcdserver: bad leader transferee'],
  ['move-leader 1234', 'FailedPrecondition desc = etcdserver: bad leader transferee'],
  ['move-leader SELF', 'Leadership transferred from SELF to SELF'],
  // Not listed after it: etcd 3.4 forgets by this that it is a learner.
  ['member update LEARNER --peer-urls=http://127.0.0.1:19993', 'Member LEARNER updated in cluster CLUSTER'],
  ['member remove LEARNER', 'Member LEARNER removed from cluster CLUSTER'],
  [
    'member remove SELF',
    'Unknown desc = etcdserver: re-configuration failed due to not enough started members',
  ],
  ['member list', 'SELF, started, default, PEER, CLIENT, false'],
  ['put key value', 'OK'],
];

/** Members come in the order of their ids, which differ. */
function sorted(text: string): string {
  const inOrder = text.replace(/(?<=_CLUSTER=")[^"]*/, (members) => members.split(',').sort().join());
  return inOrder.includes(', false') ? inOrder.split('\n').sort().join('\n') : inOrder;
}

async function transcript(server: TestServer): Promise<string[]> {
  const ctl = new Etcdctl(etcdctl.path ?? '', server.endpoint);
  const [, self = '', peerUrl = '', clientUrl = ''] =
    /^([0-9a-f]+), started, default, (\S+), (\S+), false/.exec((await ctl.run('member list')).stdout) ?? [];
  const names = new Map([
    [self, 'SELF'],
    [peerUrl, 'PEER'],
    [clientUrl, 'CLIENT'],
  ]);
  const lines: string[] = [];
  for (const [command] of expected) {
    let words = command;
    for (const [real, name] of names) words = words.replaceAll(name, real);
    const { stdout, stderr } = await ctl.run(words);
    const [, learner = '', cluster = ''] =
      /Member +([0-9a-f]+) +added to cluster +([0-9a-f]+)/.exec(stdout) ?? [];
    if (learner !== '') names.set(learner, 'LEARNER').set(cluster, 'CLUSTER');
    const failed = /"error":"rpc error: code = (.*?)"/.exec(stderr)?.[1] ?? stderr.trim();
    let said = stdout === '' ? failed : stdout.trim();
    for (const [real, name] of names) said = said.replaceAll(real, name);
    said = sorted(said);
    // Columns are as wide as what stands in them.
    lines.push(`${command}\n${said.replaceAll(/ {2,}/g, ' ').replaceAll(/[+-]{10,}/g, '--')}`);
  }
  return lines;
}

test("etcdctl's member commands do and print what they do and print on etcd", {
  skip: etcdctl.missing,
}, async () => {
  await using server = await startConclave({ quick: true });
  const lines = await transcript(server);
  for (const [position, [command, pattern]] of expected.entries()) {
    const said = lines[position] ?? '';
    const fits = command.endsWith('table') ? new RegExp(pattern).test(said) : said.includes(pattern);
    assert.ok(fits, `${said}\nhas not: ${pattern}`);
  }
});

test('the transcript is the same on etcd, word for word', {
  skip: etcdctl.missing ?? etcd.missing,
}, async () => {
  await using ours = await startConclave({ quick: true });
  await using theirs = await startEtcd(etcd.path ?? '', { quick: true });
  assert.deepEqual(await transcript(ours), await transcript(theirs));
});
