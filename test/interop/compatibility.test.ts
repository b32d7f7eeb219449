// What docs/reference/etcd-compatibility.md says is held against the protos, the served methods, the flags and the
// paths: each must stand there once, with its state, and nothing else.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gatewayPaths } from '../../src/api/http/gateway-paths.ts';
import { Api, serveApi } from '../../src/api/index.ts';
import { TestingCall, TestingMember, TestingRequests } from '../../src/api/testing.ts';
import type { ServedMethod } from '../../src/api/types.ts';
import { refusalOfEtcdFlag, serveFlags } from '../../src/cli/serve/flags.ts';
import { manualRuntime } from '../../src/runtime/testing.ts';
import { schema } from '../../src/wire/index.ts';
import { peer } from '../peers.ts';
import { differences } from './differential/differences.ts';

const etcd = peer('etcd');
const page = readFileSync(join(import.meta.dirname, '../../docs/reference/etcd-compatibility.md'), 'utf8');
const states = ['same', 'different', 'absent'];
const services = ['KV', 'Watch', 'Lease', 'Cluster', 'Maintenance', 'Auth', 'Election', 'Lock'];
const bare = (cell: string): string => cell.replaceAll('`', '').trim();

/** The rows of a section's tables, table by table, without headings. */
function tables(heading: string): string[][][] {
  const [, after] = page.split(`\n## ${heading}\n`);
  assert.ok(after !== undefined, `no section ${heading}`);
  const blocks = (after.split('\n## ')[0] ?? '')
    .split(/\n(?!\|)/)
    .filter((block) => block.includes('\n|---'));
  const cells = (line: string) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim());
  return blocks.map((block) =>
    block
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .slice(2)
      .map(cells),
  );
}

function table(heading: string, at = 0): string[][] {
  const rows = tables(heading)[at];
  assert.ok(rows !== undefined, `no table ${at} below ${heading}`);
  return rows;
}

/** Whether the server answers the method with anything but that it has none. */
async function isServed(method: ServedMethod): Promise<boolean> {
  const refused = (error: unknown): boolean => (error as { code?: number }).code === 12;
  const call = new TestingCall();
  const request = method.decode(new Uint8Array());
  if (method.shape === 'unary') {
    // What waits for something is there.
    const answer = Promise.resolve(method.handler(request, call));
    return Promise.race([answer, turn()]).then(
      () => true,
      (error) => !refused(error),
    );
  }
  const requests = new TestingRequests<unknown>();
  const answers = method.shape === 'duplex' ? method.handler(requests, call) : method.handler(request, call);
  const first = answers[Symbol.asyncIterator]().next();
  first.catch(() => {});
  return Promise.race([first, turn()]).then(
    () => true,
    (error) => !refused(error),
  );
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function stateByName(rows: readonly string[][]): Map<string, string> {
  const byName = new Map<string, string>();
  for (const [name = '', state = '', why] of rows) {
    assert.ok(states.includes(state), `${name} is '${state}', which is none of ${states}`);
    assert.ok(state === 'same' || (why ?? '').length > 3, `${name} is ${state}; say how and why`);
    assert.ok(!byName.has(bare(name)), `${name} stands there twice`);
    byName.set(bare(name), state);
  }
  return byName;
}

const sorted = (names: Iterable<string>): string[] => [...names].sort();
const serviceOf = (path: string): string => path.split('/')[1]?.split('.').at(-1) ?? '';
const nameOf = (path: string): string => path.split('/')[2] ?? '';
const etcdMethods = Object.entries(schema.methods).filter(([path]) => services.includes(serviceOf(path)));

test('every RPC of etcd stands in its table, absent exactly where the server has none', async () => {
  const runtime = manualRuntime();
  await using api = new Api(new TestingMember(runtime), { runtime });
  for (const service of services) {
    const documented = stateByName(table(service));
    const paths = etcdMethods.map(([path]) => path).filter((path) => serviceOf(path) === service);
    assert.deepEqual(sorted(documented.keys()), sorted(paths.map(nameOf)), service);
    for (const path of paths) {
      const method = api.registry.get(path);
      const served = method !== undefined && (await isServed(method));
      const state = documented.get(nameOf(path));
      assert.equal(
        state !== 'absent',
        served,
        `${path} is ${state}, but the server ${served ? 'has' : 'lacks'} it`,
      );
    }
  }
});

interface Fields {
  readonly same: readonly string[];
  readonly other: ReadonlyMap<string, string>;
}

function documentedMessages(): Map<string, Fields> {
  const messages = new Map<string, Fields>();
  for (const [name = '', same = '', other = ''] of services.flatMap((service) => table(service, 1))) {
    const short = bare(name);
    const full = short.includes('.') ? short : `etcdserverpb.${short}`;
    assert.ok(!messages.has(full), `${full} stands there twice`);
    const others = new Map<string, string>();
    for (const entry of other === '' ? [] : other.split(/; (?=`)/)) {
      const match = /^`(\w+)` (different|absent): .{4,}$/.exec(entry);
      assert.ok(match !== null, `${short}: '${entry}' does not say how and why`);
      others.set(match[1] ?? '', entry);
    }
    const names = [...same.matchAll(/`(\w+)`/g)].map(([, field = '']) => field);
    messages.set(full, { same: names, other: others });
  }
  return messages;
}

test('every field of every message stands in its row, once', () => {
  const documented = documentedMessages();
  const known = Object.entries(schema.messages).filter(([name]) =>
    /^(etcdserverpb|mvccpb|authpb|v3\w+pb)\./.test(name),
  );
  assert.deepEqual(sorted(documented.keys()), sorted(known.map(([name]) => name)));
  for (const [name, fields] of known) {
    const row = documented.get(name);
    assert.ok(row !== undefined);
    assert.deepEqual(
      sorted([...row.same, ...row.other.keys()]),
      sorted(fields.map(([, field]) => field)),
      name,
    );
  }
});

test('fields are absent with their RPC where that is absent, and only there', () => {
  const documented = documentedMessages();
  const absent = new Set<string>();
  const present = new Set<string>();
  for (const [path, messages] of etcdMethods) {
    const state = stateByName(table(serviceOf(path))).get(nameOf(path));
    for (const message of messages) (state === 'absent' ? absent : present).add(message);
  }
  for (const [name, { same, other }] of documented) {
    const gone = [...other.values()].filter((entry) => entry.includes('absent: with its RPC'));
    if (absent.has(name) && !present.has(name)) assert.deepEqual([same, gone.length], [[], other.size], name);
    if (present.has(name)) assert.deepEqual(gone, [], name);
  }
});

test('every flag stands in its table, absent exactly where it is refused', () => {
  const documented = stateByName(table('Flags'));
  const offered = sorted([...documented].filter(([, state]) => state !== 'absent').map(([name]) => name));
  assert.deepEqual(offered, sorted(serveFlags.map(({ name }) => `--${name}`)));
  for (const [flag, state] of documented) {
    const refusal = refusalOfEtcdFlag(flag.slice(2));
    if (state === 'absent') assert.notEqual(refusal, undefined, `${flag} is refused like a typing error`);
  }
});

test('every flag in the help of etcd stands in the table', { skip: etcd.missing ?? false }, () => {
  const documented = stateByName(table('Flags'));
  const help = execFileSync(etcd.path ?? '', ['--help'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const flags = [...help.matchAll(/^ {2}(--[a-z0-9-]+)/gm)].map(([, flag = '']) => flag);
  assert.ok(flags.length > 70);
  assert.deepEqual(
    flags.filter((flag) => !documented.has(flag)),
    [],
  );
});

test('every path of the gateway stands in its table, with its RPC and that one’s state', () => {
  const rows = table('Gateway paths');
  const documented = rows.map(([path = '', method = '', state = '']) => [bare(path), bare(method), state]);
  const known = [...gatewayPaths].filter(([path]) => path.startsWith('/v3/'));
  const expected = known.map(([path, method]) => {
    const service = serviceOf(method.path);
    const name = nameOf(method.path);
    const state = stateByName(table(service)).get(name) === 'absent' ? 'absent' : 'same';
    return [path.slice('/v3/'.length), `${service}.${name}`, state];
  });
  assert.deepEqual(documented.map(String).sort(), expected.map(String).sort());
});

test('the other paths are there, or answer 404 where they are absent', async () => {
  const member = new TestingMember(manualRuntime());
  await using server = await serveApi(member, { listen: { host: '127.0.0.1', port: 0 }, closeGraceMs: 0 });
  for (const [path, state] of stateByName(table('Other paths on the client port'))) {
    const answer = await fetch(`http://127.0.0.1:${server.address.port}${path}`);
    await answer.arrayBuffer();
    assert.equal(
      answer.status === 404,
      state === 'absent',
      `${path} is ${state} and answers ${answer.status}`,
    );
  }
});

test('what the differential test lets pass is told', () => {
  const told = table('Behaviour').map(([difference]) => difference);
  for (const { name } of differences) assert.ok(told.includes(name), `'${name}' is not told`);
});
