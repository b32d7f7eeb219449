import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { openDataFolder } from '../../member/folder.ts';
import { type LogWrite, openLog, type SharedLog } from '../../member/log/index.ts';
import { LogModel, snapshotAt } from '../../member/log/testing.ts';
import { recoverGroup } from '../../member/recovery.ts';
import { SnapshotStore } from '../../member/snapshots/index.ts';
import type { Entry, RaftStored } from '../../raft/types.ts';
import { MemoryDisk } from '../../runtime/testing.ts';
import type { Disk } from '../../runtime/types.ts';
import { Draw } from '../world/random.ts';
import { DurableReader } from './durable-reader.ts';
import type { Platter } from './simulated-disk.ts';
import { DiskBench } from './testing.ts';

const identity = { clusterId: 7, memberId: 3 };
const folder = '/data/m';
const group = 1;

interface Opened {
  readonly log: SharedLog;
  readonly snapshots: SnapshotStore;
  readonly stored: RaftStored;
}

/** As `openStorage` does it, but with small segments. */
async function openAll(disk: Disk, random: Draw): Promise<Opened> {
  const data = await openDataFolder({ disk, path: folder, name: 'm', ...identity });
  const expectExisting = !data.fresh;
  const opened = await openLog({
    ...{ disk, folder: `${folder}/log`, ...identity, segmentBytes: 3000, expectExisting, random },
  });
  const snapshots = new SnapshotStore({ disk, folder: `${folder}/snapshots` });
  await snapshots.start();
  const stored = await recoverGroup(opened.groups.get(group), group, snapshots);
  const { hardState, snapshot } = stored;
  const mark = { group, hardState, entries: [], keepsLog: stored.entries.length > 0 };
  if (snapshot) await opened.log.append([{ ...mark, snapshot }], { sync: true });
  // The keyspace is made from it.
  for await (const _chunk of (await snapshots.latest(group))?.open() ?? []) {
    // Each is checked as it is read.
  }
  await data.markStarted();
  return { log: opened.log, snapshots, stored };
}

/** A disk that holds what the platter does. */
async function copyOf(files: readonly [string, Uint8Array][], folders: readonly string[]): Promise<Disk> {
  const disk = new MemoryDisk();
  for (const path of folders) await disk.makeFolder(path);
  for (const [path, bytes] of files) {
    const file = await disk.open(path, { create: true });
    await file.writeAt(0, [bytes]);
    await file.close();
  }
  return disk;
}

/** What the platter holds now, to be looked at later. */
function frozen(platter: Platter): { files: [string, Uint8Array][]; folders: string[] } {
  const files: [string, Uint8Array][] = [];
  for (const [path, file] of platter.durableFiles()) {
    const bytes = new Uint8Array(file.platterBytes);
    bytes.set(file.platter());
    files.push([path, bytes]);
  }
  const folders = [folder, `${folder}/log`, `${folder}/snapshots`].filter(
    (path) => platter.durable(path) === 'folder',
  );
  return { files, folders };
}

function line(state: {
  term: number;
  votedFor: number;
  commitIndex: number;
  snapshotIndex: number;
  snapshotTerm: number;
  lastIndex: number;
  entryAt(index: number): Entry | undefined;
}): string {
  const entries = [];
  for (let index = state.snapshotIndex + 1; index <= state.lastIndex; index++) {
    const entry = state.entryAt(index);
    const data = Buffer.from(entry?.data ?? []).toString('hex');
    entries.push(`${entry?.index}.${entry?.term}.${entry?.kind}.${data}`);
  }
  const { term, votedFor, commitIndex, snapshotIndex, snapshotTerm } = state;
  return `${term}/${votedFor}/${commitIndex} ${snapshotIndex}.${snapshotTerm} ${entries.join(' ')}`;
}

function lineOf(stored: RaftStored): string {
  const snapshotIndex = stored.snapshot?.index ?? 0;
  return line({
    ...stored.hardState,
    snapshotIndex,
    snapshotTerm: stored.snapshot?.term ?? 0,
    lastIndex: snapshotIndex + stored.entries.length,
    entryAt: (index) => stored.entries[index - snapshotIndex - 1],
  });
}

function drawEntries(random: Draw, first: number, term: number, count: number): Entry[] {
  return Array.from({ length: count }, (_, at) => ({
    index: first + at,
    term,
    kind: random.chance(0.2) ? ('empty' as const) : ('command' as const),
    data: random.chance(0.3) ? new Uint8Array(random.below(700)) : random.bytes(random.below(200)),
  }));
}

/** Appends, cuts, makes and receives snapshots, until it is stopped by the death of its process. */
async function work({ log, snapshots, stored }: Opened, random: Draw): Promise<void> {
  let model = new LogModel(new Map([[group, stored]]));
  const append = async (write: LogWrite, sync: boolean): Promise<void> => {
    model = model.after(write);
    const other: LogWrite = { group: 2, entries: [], hardState: { term: 9, votedFor: 1, commitIndex: 0 } };
    await log.append(random.chance(0.2) ? [other, write] : [write], { sync });
  };
  for (let count = 0; count < 60; count++) {
    const { hardState, snapshot, entries } = model.group(group);
    const base = snapshot?.index ?? 0;
    const last = model.lastIndex(group);
    const term = hardState.term + random.below(2);
    const state = { term, votedFor: random.below(4), commitIndex: base + random.below(last - base + 1) };
    const choice = random.below(10);
    if (choice === 0) await append({ group, entries: [], hardState: state }, random.chance(0.5));
    else if (choice === 1 && entries.length > 0) {
      const at = random.pick(entries);
      await saveSnapshot(snapshots, at.index, at.term, random);
      await append({ group, snapshot: snapshotAt(at.index, at.term), keepsLog: true, entries: [] }, true);
      await log.compacted(group, snapshotAt(at.index, at.term));
    } else if (choice === 2) {
      const index = last + 1 + random.below(20);
      await saveSnapshot(snapshots, index, term, random);
      const more = drawEntries(random, index + 1, term, random.below(3));
      await append({ group, snapshot: snapshotAt(index, term), entries: more, hardState: state }, true);
    } else {
      const first = choice < 5 ? base + 1 + random.below(last - base + 1) : last + 1;
      const more = drawEntries(random, first, term, random.between(1, 4));
      await append({ group, entries: more, ...(random.chance(0.4) ? { hardState: state } : {}) }, true);
    }
  }
}

async function saveSnapshot(store: SnapshotStore, index: number, term: number, random: Draw): Promise<void> {
  const sink = await store.create(group, snapshotAt(index, term));
  for (let left = random.below(4); left > 0; left--) await sink.write(random.bytes(random.below(900)));
  await sink.finish();
}

/** Recovers from copies of the platter and compares with what the reader said of it then. */
async function compare(
  sample: { said: string; refusal: string | undefined } & ReturnType<typeof frozen>,
): Promise<void> {
  const disk = await copyOf(sample.files, sample.folders);
  let found: string;
  try {
    found = lineOf((await openAll(disk, new Draw(5))).stored);
    if (sample.refusal !== undefined) found = `starts with ${found}`;
  } catch (error) {
    found = sample.refusal === undefined ? `refused: ${error}` : 'refused';
  }
  assert.equal(found, sample.refusal === undefined ? sample.said : 'refused', sample.refusal ?? '');
}

test('at any moment the reader says what a recovery from the platter finds, or that it refuses', async () => {
  const seen = { samples: 0, refusals: 0, rotten: 0 };
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0 }), async (seed) => {
      const bench = new DiskBench(seed);
      const random = bench.world.random('test');
      const samples: Parameters<typeof compare>[0][] = [];
      let changes = 0;
      let rotten = false;
      const sample = (): void => {
        const { refusal } = reader;
        seen.samples += 1;
        if (refusal !== undefined) seen.refusals += 1;
        if (!rotten) assert.equal(refusal, undefined, 'neither death nor a power failure damages anything');
        samples.push({ said: line(reader), refusal, ...frozen(bench.disk.platter) });
      };
      const reader: DurableReader = new DurableReader({
        ...{ disk: bench.disk, folder, ...identity, group },
        onChange: () => {
          changes += 1;
          if (random.chance(0.1)) sample();
        },
      });
      for (let life = 0; life < 4; life++) {
        const working = openAll(bench.view, random).then((opened) => work(opened, random));
        working.catch(() => {});
        await bench.passes(random.tailed(1000, 5000));
        if (random.chance(0.3)) bench.disk.faults.failNext(random.pick(['write', 'sync', 'sync-folder']));
        await bench.passes(random.tailed(1000, 10_000));
        sample();
        bench.restart({ powerFails: random.chance(0.7) });
        sample();
      }
      rotten = true;
      for (let times = 0; times < 3; times++) {
        if (bench.disk.rot({ sector: random.chance(0.5), path: random.chance(0.5) ? '/log/' : '' })) sample();
        seen.rotten += 1;
      }
      assert.ok(changes > 0);
      for (const taken of samples) await compare(taken);
    }),
    { numRuns: 25 },
  );
  assert.ok(seen.samples > seen.refusals && seen.refusals > 0 && seen.rotten > 0, JSON.stringify(seen));
});
