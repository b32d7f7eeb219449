import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../errors/index.ts';
import { encodeBatch, Keyspace } from '../keyspace/index.ts';
import { type Entry, Raft, type SnapshotMeta } from '../raft/index.ts';
import { manualRuntime } from '../runtime/testing.ts';
import { openLog } from './log/index.ts';
import { silentLogger } from './logger.ts';
import { SnapshotMaker } from './snapshot-maker.ts';
import { SnapshotStore } from './snapshots/index.ts';

const configuration = { voters: [1, 2] };
const plainPut = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };
const hardState = { term: 2, votedFor: 0, commitIndex: 3 };

async function world() {
  const runtime = manualRuntime();
  const options = { disk: runtime.disk, folder: '/log', clusterId: 5, memberId: 1, random: runtime.random };
  const { log } = await openLog(options);
  const snapshots = new SnapshotStore({ disk: runtime.disk, folder: '/snapshots' });
  await snapshots.start();
  const keyspace = new Keyspace();
  const entries: Entry[] = [];
  for (let index = 1; index <= 3; index++) {
    const data = encodeBatch({
      timeMs: index,
      commands: [{ command: { type: 'tick' }, identity: undefined }],
    });
    entries.push({ index, term: 2, kind: 'command', data });
    keyspace.apply(index, data);
  }
  await log.append([{ group: 1, hardState, entries }], { sync: true });
  const core = { groupId: 1, memberId: 1, configuration, random: () => 0.5 };
  const raft = new Raft(core, { hardState, snapshot: undefined, entries }, 0);
  const made: SnapshotMeta[] = [];
  const maker = new SnapshotMaker({
    ...{ runtime, logger: silentLogger, group: 1, keyspace, raft, log, snapshots },
    ...{ snapshotCount: 1, snapshotLogBytes: 1e9, snapshotCatchUpEntries: 5000 },
    onMade: (meta) => made.push(meta),
    fail: (error) => assert.fail(String(error)),
  });
  maker.applied(3);
  return { runtime, options, keyspace, log, raft, snapshots, maker, made };
}

test('a snapshot is made durable, and then told to the log and to the core', async () => {
  const { runtime, options, log, maker, made } = await world();
  maker.review(2);
  await runtime.advance(1);
  assert.deepEqual(made, [{ index: 3, term: 2, configuration }]);
  await log.close();
  assert.equal((await openLog(options)).groups.get(1)?.snapshot?.index, 3);
});

test("a snapshot that a newer one of the leader's has overtaken leaves the log as it is", async () => {
  const { runtime, options, log, raft, maker, made } = await world();
  maker.review(2);
  // The core has taken the leader's in; the keyspace has not loaded it yet.
  const snapshot = { index: 20, term: 2, configuration };
  raft.step({ type: 'snapshot-received', from: 2, term: 2, session: 1, snapshot }, 1);
  await log.append([{ group: 1, snapshot, keepsLog: false, entries: [] }], { sync: true });
  await runtime.advance(1);
  assert.deepEqual(made, []);
  await log.close();
  assert.equal((await openLog(options)).groups.get(1)?.snapshot?.index, 20);
});

test('a snapshot under way is given up when the member stops', async () => {
  const { runtime, log, maker, made } = await world();
  maker.review(2);
  await maker.close();
  await runtime.advance(1);
  assert.deepEqual(made, []);
  assert.deepEqual(await runtime.disk.list('/snapshots'), []);
  await log.close();
});

test('a large state is written again only when the log has grown by as much', async () => {
  const { runtime, keyspace, log, maker, made } = await world();
  let index = 3;
  const put = async (bytes: number) => {
    index += 1;
    const request = { ...plainPut, key: new Uint8Array([index]), value: new Uint8Array(bytes) };
    const data = encodeBatch({
      timeMs: index,
      commands: [{ command: { type: 'put', request }, identity: undefined }],
    });
    keyspace.apply(index, data);
    await log.append([{ group: 1, entries: [{ index, term: 2, kind: 'command', data }] }], { sync: true });
    maker.applied(1);
    maker.review(2);
    for (let turn = 0; turn < 100; turn++) await runtime.advance(1);
  };
  await put(12 * 2 ** 20);
  assert.deepEqual(
    made.map((meta) => meta.index),
    [4],
  );
  await put(8 * 2 ** 20);
  assert.equal(made.length, 1);
  await put(8 * 2 ** 20);
  assert.deepEqual(
    made.map((meta) => meta.index),
    [4, 6],
  );
  await log.close();
});

test('a damaged snapshot is replaced, also where nothing was applied since', async () => {
  const { runtime, log, snapshots, maker, made } = await world();
  maker.review(2);
  await runtime.advance(1);
  const [name] = await runtime.disk.list('/snapshots');
  const file = await runtime.disk.open(`/snapshots/${name}`);
  await file.writeAt((await file.size()) - 30, [Uint8Array.of(99)]);
  await file.close();
  const read = async (): Promise<number> => {
    let bytes = 0;
    for await (const chunk of (await snapshots.latest(1))?.open() ?? []) bytes += chunk.length;
    return bytes;
  };
  await assert.rejects(read(), (error) => ConclaveError.is(error, 'data-damaged'));
  const replaced = maker.replaceDamaged(() => 2);
  await runtime.advance(1);
  await replaced;
  assert.ok((await read()) > 0);
  assert.deepEqual(await runtime.disk.list('/snapshots'), [name]);
  // The log and the core know of it already.
  assert.equal(made.length, 1);
  await log.close();
});
