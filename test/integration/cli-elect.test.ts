import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { observe } from '../../src/election/index.ts';
import { conclaveStore } from '../../src/stores/conclave.ts';
import { freePorts } from '../ports.ts';
import { Conclave, isRunning, run, untilGone } from './cli.ts';
import { TestCluster } from './cluster.ts';

const patience = { timeout: 60_000 };
let cluster: TestCluster;
let environment: Record<string, string>;

before(async () => {
  cluster = await TestCluster.start(1);
  environment = { CONCLAVE_ENDPOINTS: cluster.members[0]?.clientUrl ?? '' };
});
after(async () => await cluster[Symbol.asyncDispose]());

/** Ignores SIGTERM, as its child does: nothing but SIGKILL ends the two. Prints both process ids. */
const stubborn = [
  'sh',
  '-c',
  `trap '' TERM; sh -c 'trap "" TERM; while :; do sleep 1; done' & echo "pids $$ $! token $CONCLAVE_TOKEN"; while :; do sleep 1; done`,
];

async function startStubborn(name: string, flags: readonly string[] = []) {
  const conclave = new Conclave(['elect', name, ...flags, '--', ...stubborn], { environment });
  const match = await conclave.match('stdout', /pids (\d+) (\d+) token (\d+)/);
  const [command = 0, child = 0, token = 0] = match.slice(1).map(Number);
  return { conclave, pids: [command, child], token };
}

/** Resolves when an election has another leader than the one with this token, to whether any of `pids` runs then. */
async function whenReplaced(name: string, token: number, pids: readonly number[]): Promise<boolean> {
  await using store = conclaveStore({ endpoints: environment.CONCLAVE_ENDPOINTS ?? '' });
  for await (const leader of observe(store, name)) {
    if (leader?.token !== token) return pids.some(isRunning);
  }
  throw new Error('observing ended');
}

test("the command's own exit code is conclave's, and the token is in its environment", patience, async () => {
  const script = 'echo "$CONCLAVE_ELECTION $CONCLAVE_TOKEN $CONCLAVE_HOLDER"; exit 42';
  const first = await run(['elect', 'codes', '--holder', 'me', '--', 'sh', '-c', script], { environment });
  assert.equal(first.code, 42);
  const second = await run(['elect', 'codes', '--holder', 'you', '--', 'sh', '-c', script], { environment });
  const [one = '', two = ''] = [first.stdout, second.stdout];
  assert.match(one, /^codes \d+ me\n$/);
  assert.match(two, /^codes \d+ you\n$/);
  assert.ok(Number(two.split(' ')[1]) > Number(one.split(' ')[1]));
});

test('a command that does not exist gives 127 before it leads', patience, async () => {
  const { code, stderr } = await run(['elect', 'missing', '--', '/no/such/command'], { environment });
  assert.equal(code, 127);
  assert.match(stderr, /\/no\/such\/command: there is no such command.*ENOENT/);
  assert.doesNotMatch(stderr, /leading/);
});

test('a command that turns out not to run gives 127, and the leadership up', patience, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-elect-'));
  t.after(() => rm(folder, { recursive: true }));
  const script = join(folder, 'job');
  await writeFile(script, '#!/no/such/interpreter\n', { mode: 0o755 });
  const { code, stderr } = await run(['elect', 'missing', '--', script], { environment });
  assert.equal(code, 127);
  assert.match(stderr, /leading missing(.|\n)*the interpreter that it names is missing/);
  assert.equal((await run(['elect', 'missing', '--timeout', '10s', '--', 'true'], { environment })).code, 0);
});

test('signals are passed to the command, whose answer counts', patience, async () => {
  const script = 'trap "exit 9" USR1; echo ready; while :; do sleep 0.05; done';
  await using conclave = new Conclave(['elect', 'signals', '--', 'sh', '-c', script], { environment });
  await conclave.match('stdout', /ready/);
  conclave.process.kill('SIGUSR1');
  assert.equal(await conclave.ended, 9);
});

test(
  'interrupted before it leads, it ends with 128 and the signal, and leaves no place in the queue',
  patience,
  async () => {
    await using leader = (await startStubborn('queue')).conclave;
    await using waiting = new Conclave(['elect', 'queue', '--holder', 'waiter', '--', 'true'], {
      environment,
    });
    await using store = conclaveStore({ endpoints: environment.CONCLAVE_ENDPOINTS ?? '' });
    while (!(await store.read('queue')).waiting.some(({ holder }) => holder === 'waiter')) await sleep(20);
    waiting.process.kill('SIGINT');
    assert.equal(await waiting.ended, 130);
    assert.deepEqual((await store.read('queue')).waiting, []);
    assert.equal(leader.running, true);
  },
);

test('not elected within --timeout is told apart from a store that cannot be reached', patience, async () => {
  await using _leader = (await startStubborn('busy')).conclave;
  const busy = await run(['elect', 'busy', '--timeout', '500ms', '--', 'true'], { environment });
  assert.equal(busy.code, 104);
  assert.match(busy.stderr, /leads with token/);
  const [port] = await freePorts(1);
  const nowhere = { CONCLAVE_ENDPOINTS: `http://127.0.0.1:${port}` };
  const away = await run(['elect', 'busy', '--timeout', '500ms', '--', 'true'], { environment: nowhere });
  assert.equal(away.code, 101);
});

test('when conclave is killed, command and children are gone before another leads', patience, async () => {
  const { conclave, pids, token } = await startStubborn('killed', ['--ttl', '2s']);
  conclave.process.kill('SIGKILL');
  assert.equal(await whenReplaced('killed', token, pids), false);
});

test('the same where the leadership ends with the connection', patience, async () => {
  const { conclave, pids, token } = await startStubborn('bound', [
    '--ttl',
    '20s',
    '--release-on-disconnect',
    '--kill-after',
    '200ms',
  ]);
  conclave.process.kill('SIGKILL');
  assert.equal(await whenReplaced('bound', token, pids), false);
});

test(
  'when conclave is frozen past its lease, command and children are gone before another leads',
  patience,
  async () => {
    const { conclave, pids, token } = await startStubborn('frozen', ['--ttl', '2s', '--once']);
    conclave.process.kill('SIGSTOP');
    assert.equal(await whenReplaced('frozen', token, pids), false);
    conclave.process.kill('SIGCONT');
    assert.equal(await conclave.ended, 102);
  },
);

test('a lease that was taken away ends the command; with --once conclave ends too', patience, async () => {
  const { conclave, pids } = await startStubborn('revoked', ['--once']);
  const before = await cluster.client.leases();
  await Promise.all(before.map((lease) => cluster.client.leaseRevoke(lease).catch(() => {})));
  assert.equal(await conclave.ended, 102);
  await untilGone(pids);
});

test(
  'without --once it campaigns again after a loss, and runs the command again with a higher token',
  patience,
  async () => {
    const script = 'echo "token $CONCLAVE_TOKEN"; while :; do sleep 0.05; done';
    await using conclave = new Conclave(['elect', 'again', '--', 'sh', '-c', script], { environment });
    const first = Number((await conclave.match('stdout', /token (\d+)/))[1]);
    await Promise.all(
      (await cluster.client.leases()).map((lease) => cluster.client.leaseRevoke(lease).catch(() => {})),
    );
    const second = Number((await conclave.match('stdout', /token \d+\n[\s\S]*token (\d+)/))[1]);
    assert.ok(second > first);
    conclave.process.kill('SIGTERM');
    assert.equal(await conclave.ended, 143);
  },
);

test(
  'when its command ends, the next one leads at once: long before a TTL has passed',
  patience,
  async () => {
    await using first = new Conclave(
      ['elect', 'next', '--ttl', '1h', '--', 'sh', '-c', 'echo on; read line'],
      { environment },
    );
    await first.match('stdout', /on/);
    const second = run(['elect', 'next', '--', 'true'], { environment });
    await using store = conclaveStore({ endpoints: environment.CONCLAVE_ENDPOINTS ?? '' });
    while ((await store.read('next')).waiting.length === 0) await sleep(20);
    first.process.stdin?.end('go\n');
    assert.equal(await first.ended, 0);
    assert.equal((await second).code, 0);
  },
);

test('a guardian that is killed takes the command along, and is reported', patience, async () => {
  const { conclave, pids } = await startStubborn('guardian');
  const group = await processGroup(pids[0] ?? 0);
  process.kill(group, 'SIGKILL');
  assert.equal(await conclave.ended, 103);
  await untilGone(pids);
});

test(
  'observe tells who leads, in lines or as JSON, and a closed pipe ends it quietly',
  patience,
  async () => {
    await using observing = new Conclave(['observe', 'watched', '--json'], { environment });
    await observing.match('stdout', /"leader":null/);
    await using leader = new Conclave(
      ['elect', 'watched', '--holder', 'me', '--metadata', 'at home', '--', 'sh', '-c', 'read line'],
      { environment },
    );
    const line = await observing.match('stdout', /\{.*"holder":"me".*\}/);
    const change = JSON.parse(line[0]) as { election: string; leader: { token: number; metadata: string } };
    assert.equal(change.election, 'watched');
    assert.equal(change.leader.metadata, 'at home');
    assert.match(
      (await run(['observe', 'watched', '--once'], { environment })).stdout,
      /^\S+ {2}me leads with token \d+, at home\n$/,
    );
    observing.process.stdout?.destroy();
    leader.process.stdin?.end();
    assert.equal(await observing.ended, 0);
    assert.equal(observing.stderr, '');
  },
);

test('status lists the members, and says who cannot be reached', patience, async () => {
  const plain = await run(['status'], { environment });
  assert.equal(plain.code, 0);
  assert.match(plain.stdout, /^MEMBER +ENDPOINT +ROLE +TERM +COMMIT +APPLIED/);
  assert.match(plain.stdout, /\nm1 +http:\S+ +leader +\d+/);
  const json = JSON.parse((await run(['status', '--json'], { environment })).stdout) as {
    state: { role: string };
  };
  assert.equal(json.state.role, 'leader');
  const [port] = await freePorts(1);
  const nowhere = await run(['status', '--endpoints', `127.0.0.1:${port}`, '--timeout', '300ms']);
  assert.equal(nowhere.code, 101);
  assert.match(nowhere.stdout, /unreachable/);
});

async function processGroup(pid: number): Promise<number> {
  assert.ok(existsSync(`/proc/${pid}/stat`), 'needs /proc');
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[2]);
}
