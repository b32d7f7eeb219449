import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBatch as decode, encodeBatch } from './codec-batch.ts';
import { Keyspace } from './keyspace.ts';
import { drawBatch, Tape } from './testing/generate.ts';
import { Model } from './testing/model.ts';
import {
  applyAll,
  applyOne,
  bytes,
  copyState,
  deleteCommand,
  putCommand,
  putOperation,
  text,
  txnRequest,
  watchRequest,
} from './testing/requests.ts';
import type { ReadBudget, WatchBatch, WatchEvent, Watcher, WatchRequest } from './types.ts';

/** Reads all there is; undefined when the watcher ended with 'compacted'. */
function drain(watcher: Watcher, maxEvents = 100): WatchEvent[] | undefined {
  const events: WatchEvent[] = [];
  for (let batch = watcher.next(maxEvents); batch !== undefined; batch = watcher.next(maxEvents)) {
    if (batch.type === 'compacted') return undefined;
    events.push(...eventsBatch(batch).events);
  }
  return events;
}

function eventsBatch(batch: WatchBatch | undefined): Extract<WatchBatch, { type: 'events' }> {
  assert.ok(batch?.type === 'events', batch?.type);
  return batch;
}

function described(events: readonly WatchEvent[] | undefined): string[] | undefined {
  return events?.map(({ type, kv }) => `${type} ${text(kv.key)}@${kv.modRevision}`);
}

/** A watcher as a client has it: remembers what it saw and was promised. */
class Follower {
  readonly request: WatchRequest;
  readonly watcher: Watcher;
  readonly seen: WatchEvent[] = [];
  ready = 0;
  private readonly keyspace: Keyspace;
  private starved = false;

  constructor(keyspace: Keyspace, request: WatchRequest) {
    this.keyspace = keyspace;
    const first = request.startRevision > 0 ? request.startRevision : keyspace.revision + 1;
    this.request = { ...request, startRevision: first };
    this.watcher = keyspace.watch(request, () => this.ready++);
  }

  /** False once the watcher has ended. */
  read(model: Model, maxEvents: number, budget?: ReadBudget): boolean {
    const before = this.watcher.deliveredRevision;
    // Told, or never out of events: otherwise there must be nothing.
    const mayHave = this.ready > 0 || !this.starved;
    this.ready = 0;
    const batch = this.watcher.next(maxEvents, undefined, budget);
    this.starved = batch === undefined;
    if (batch === undefined) {
      assert.ok(this.watcher.synced);
      assert.deepEqual(this.seen, this.expected(model, Number.POSITIVE_INFINITY));
      return true;
    }
    assert.ok(mayHave, 'a watcher had something and was not told');
    if (batch.type === 'compacted') {
      assert.ok(before + 1 < batch.compactRevision);
      assert.equal(batch.compactRevision, model.compactRevision);
      assert.equal(this.watcher.next(1), undefined);
      return false;
    }
    if (batch.type === 'unfinished') {
      assert.equal(this.watcher.synced, false);
      assert.ok(this.watcher.deliveredRevision >= before);
      assert.ok(
        this.watcher.deliveredRevision > before || budget?.left === 0,
        'a budget was used for nothing',
      );
      assert.deepEqual(this.seen, this.expected(model, this.watcher.deliveredRevision));
      return true;
    }
    assert.ok(batch.events.length > 0);
    this.seen.push(...batch.events);
    assert.deepEqual(this.seen, this.expected(model, batch.revision));
    // More where nothing that it wants is left below a compaction.
    assert.ok(this.watcher.deliveredRevision >= batch.revision);
    assert.deepEqual(this.seen, this.expected(model, this.watcher.deliveredRevision));
    return true;
  }

  private expected(model: Model, through: number): WatchEvent[] {
    const { key, rangeEnd, startRevision, noPut, noDelete } = this.request;
    return model
      .watched(key, rangeEnd, startRevision)
      .filter(({ type, kv }) => kv.modRevision <= through && !(type === 'put' ? noPut : noDelete))
      .map((event, i) => ({ ...event, prevKv: this.expectedPrevious(event, i) }));
  }

  /** What was readable when the event was delivered is not known here any more: take the delivered one if it may be. */
  private expectedPrevious(event: WatchEvent, i: number) {
    if (!this.request.prevKv) return undefined;
    const delivered = this.seen[i]?.prevKv;
    const readable = event.kv.modRevision - 1 >= this.keyspace.compactRevision;
    return delivered === undefined && !readable ? undefined : event.prevKv;
  }
}

function drawWatch(tape: Tape, model: Model): WatchRequest {
  return watchRequest(tape.pick(['a', 'aa', 'b', '\0', 'c']), tape.pick(['', '', 'b', '\0', 'zz']), {
    startRevision: tape.pick([0, model.revision + 3, model.revision - 5, model.compactRevision, 1]),
    prevKv: tape.chance(2),
    noPut: tape.chance(5),
    noDelete: tape.chance(5),
  });
}

test('watchers see every matching event once, in order, revisions whole, also across snapshots', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 5000 }), (seed, length) => {
      const tape = new Tape(seed, length);
      const model = new Model();
      const leader = new Keyspace();
      const watched = new Keyspace();
      let followers: Follower[] = [];
      for (let index = 1; !tape.done; index++) {
        const data = encodeBatch(drawBatch(tape, model, model.timeMs));
        model.apply(decode(data));
        leader.apply(index, data);
        if (tape.chance(6)) {
          // Entries that this member missed come to it as a snapshot.
          const more = encodeBatch(drawBatch(tape, model, model.timeMs));
          model.apply(decode(more));
          leader.apply(++index, more);
          copyState(leader, watched, 1000);
        } else watched.apply(index, data);
        assert.equal(watched.stateHash(), leader.stateHash());
        if (followers.length < 6) {
          // Those that want the same are given the same events, wherever each of them has got to.
          const request = drawWatch(tape, model);
          for (let twins = tape.draw(3); twins >= 0; twins--) followers.push(new Follower(watched, request));
        }
        const budget = { left: tape.draw(12), most: tape.draw(6), free: tape.draw(3) };
        const read = (follower: Follower) =>
          follower.read(model, 1 + tape.draw(4), tape.chance(2) ? budget : undefined);
        followers = followers.filter((follower) => tape.chance(3) || read(follower));
      }
      for (const follower of followers) {
        while (!follower.watcher.synced && follower.read(model, 2)) {}
      }
    }),
    { numRuns: 120 },
  );
});

test('watchers that want the same are given the very same events, as long as little is kept for that', () => {
  const keyspace = new Keyspace();
  for (let at = 0; at < 12; at++) applyOne(keyspace, putCommand('a', 'x'.repeat(1_000_000)));
  const from = (startRevision: number) => keyspace.watch(watchRequest('a', '', { startRevision }), () => {});
  const events = (watcher: Watcher) => {
    const batch = watcher.next(3);
    assert.equal(batch?.type, 'events');
    return batch?.type === 'events' ? batch.events : [];
  };
  const [first, second, third] = [from(2), from(2), from(2)];
  const given = events(first);
  assert.equal(events(second), given);
  // So much is read in between that it is dropped, and read again.
  for (let revision = 3; revision < 9; revision++) events(from(revision));
  const again = events(third);
  assert.notEqual(again, given);
  assert.deepEqual(again, given);
  const alone = keyspace.watch(watchRequest('a', '', { startRevision: 2, prevKv: true }), () => {}).next(1);
  assert.equal(alone?.type === 'events' && alone.shared, false);
});

test('a watcher from the next revision on is told of a matching write, once until it has read', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, putCommand('a'));
  let calls = 0;
  const watcher = keyspace.watch(watchRequest('a'), () => calls++);
  assert.equal(watcher.synced, true);
  assert.equal(watcher.deliveredRevision, 2);
  applyOne(keyspace, putCommand('b'));
  assert.equal(calls, 0);
  assert.equal(watcher.deliveredRevision, 3);
  applyAll(keyspace, [putCommand('a'), putCommand('a')]);
  applyOne(keyspace, deleteCommand('a'));
  assert.equal(calls, 1);
  assert.equal(watcher.synced, false);
  assert.equal(watcher.deliveredRevision, 3);
  assert.deepEqual(described(drain(watcher)), ['put a@4', 'put a@5', 'delete a@6']);
  assert.equal(watcher.synced, true);
  applyOne(keyspace, putCommand('a'));
  assert.equal(calls, 2);
});

test('events of one revision come in one batch even when they are more than asked for', () => {
  const keyspace = new Keyspace();
  const watcher = keyspace.watch(watchRequest('\0', '\0'), () => {});
  const puts = ['a', 'b', 'c', 'd'].map((key) => putOperation(key));
  applyOne(keyspace, { type: 'txn', request: txnRequest([], puts) });
  applyOne(keyspace, putCommand('e'));
  const batch = watcher.next(2);
  assert.equal(batch?.type === 'events' && batch.events.length, 4);
  assert.equal(batch?.type === 'events' && batch.revision, 2);
  assert.deepEqual(described(drain(watcher)), ['put e@3']);
});

test('a watcher behind the compaction ends with the compact revision, told once', () => {
  const keyspace = new Keyspace();
  for (let i = 0; i < 5; i++) applyOne(keyspace, putCommand('a'));
  applyOne(keyspace, { type: 'compact', revision: 4 });
  const behind = keyspace.watch(watchRequest('a', '', { startRevision: 3 }), () => {});
  assert.deepEqual(behind.next(10), { type: 'compacted', compactRevision: 4 });
  assert.equal(behind.next(10), undefined);
  const at = keyspace.watch(watchRequest('a', '', { startRevision: 4 }), () => {});
  assert.deepEqual(described(drain(at)), ['put a@4', 'put a@5', 'put a@6']);
  assert.equal(keyspace.watcherCount, 1);
});

test('a watcher that was up to date loses nothing to a compaction, also one in the same entry, and is told what was before', () => {
  const keyspace = new Keyspace();
  const [ahead, behind] = ['x', 'x'].map((key) =>
    keyspace.watch(watchRequest(key, 'z', { prevKv: true }), () => {}),
  ) as [Watcher, Watcher];
  const commands = [putCommand('x'), putCommand('a'), putCommand('x'), deleteCommand('x'), putCommand('y')];
  applyAll(keyspace, [...commands, { type: 'compact', revision: 6 }, putCommand('x')]);
  const all = ['put x@2', 'put x@4', 'delete x@5', 'put y@6', 'put x@7'];
  const events = drain(ahead);
  assert.deepEqual(described(events), all);
  assert.deepEqual(
    events?.map(({ prevKv }) => prevKv?.modRevision),
    [undefined, 2, 4, undefined, undefined],
  );
  applyAll(keyspace, [putCommand('b'), putCommand('y'), { type: 'compact', revision: 9 }]);
  assert.equal(behind.deliveredRevision, 1);
  assert.deepEqual(described(drain(behind)), [...all, 'put y@9']);
  assert.deepEqual(described(drain(ahead)), ['put y@9']);
  assert.equal(behind.synced && ahead.synced, true);
});

test('what is kept for watchers is bounded: one that is far behind ends with the compact revision', () => {
  const keyspace = new Keyspace();
  const slow = keyspace.watch(watchRequest('a'), () => {});
  for (let i = 0; i < 1002; i++) applyOne(keyspace, putCommand('a'));
  applyOne(keyspace, { type: 'compact', revision: 1003 });
  const some = keyspace.watch(watchRequest('a'), () => {});
  for (let i = 0; i < 3; i++) applyOne(keyspace, putCommand('a'));
  applyOne(keyspace, { type: 'compact', revision: 1005 });
  assert.deepEqual(slow.next(10), { type: 'compacted', compactRevision: 1005 });
  assert.deepEqual(described(drain(some)), ['put a@1004', 'put a@1005', 'put a@1006']);
});

test('a compaction reads only so much history for all watchers: who is the least behind is kept up to date', () => {
  const keyspace = new Keyspace();
  const keys = Array.from({ length: 400 }, (_, at) => `key ${at}`);
  const watchers = keys.map((key) => keyspace.watch(watchRequest(key), () => {}));
  const late = keyspace.watch(watchRequest('late'), () => {});
  applyAll(
    keyspace,
    keys.map((key) => putCommand(key)),
  );
  for (let i = 0; i < 1000; i++) applyOne(keyspace, putCommand('other'));
  applyAll(keyspace, [putCommand('late'), putCommand('other')]);
  applyOne(keyspace, { type: 'compact', revision: keyspace.revision });
  assert.deepEqual(described(drain(late)), ['put late@1402']);
  const kept = watchers.filter((watcher) => drain(watcher) !== undefined).length;
  // 200,000 records, of which each watcher has to have some 1200 read.
  assert.ok(kept > 100 && kept < 250, `${kept}`);
});

test('a deletion at the compact revision is still seen by a watcher that starts there', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, putCommand('a'));
  applyOne(keyspace, deleteCommand('a'));
  applyOne(keyspace, { type: 'compact', revision: 3 });
  applyOne(keyspace, putCommand('b'));
  const watcher = keyspace.watch(watchRequest('a', '', { startRevision: 3, prevKv: true }), () => {});
  const events = drain(watcher);
  assert.deepEqual(described(events), ['delete a@3']);
  assert.equal(events?.[0]?.prevKv, undefined);
});

test('what a key was before the compact revision is not told, though it may not be dropped yet', () => {
  const keyspace = new Keyspace();
  for (let i = 0; i < 3; i++) applyOne(keyspace, putCommand('a', String(i)));
  const reader = keyspace.snapshot();
  applyOne(keyspace, { type: 'compact', revision: 3 });
  const watcher = keyspace.watch(watchRequest('a', '', { startRevision: 3, prevKv: true }), () => {});
  const previous = drain(watcher)?.map(({ prevKv }) => prevKv && text(prevKv.value));
  assert.deepEqual(previous, [undefined, '1']);
  reader.close();
});

test('a watcher far behind looks at no more of history than its budget allows, and finds all of it in the end', () => {
  const keyspace = new Keyspace();
  for (let i = 0; i < 500; i++) applyOne(keyspace, putCommand(i === 300 ? 'a' : 'other'));
  const request = watchRequest('a', '', { startRevision: 2 });
  const watcher = keyspace.watch(request, () => {});
  const twin = keyspace.watch(request, () => {});
  const budget = { left: 100, most: 60, free: 0 };
  assert.deepEqual(watcher.next(10, undefined, budget), { type: 'unfinished' });
  assert.deepEqual([watcher.deliveredRevision, budget.left, watcher.synced], [101, 0, false]);
  assert.deepEqual(watcher.next(10, undefined, budget), { type: 'unfinished' });
  assert.equal(watcher.deliveredRevision, 101);
  // Who wants the same is given what was read, at no cost; a reading of nothing is not taken for one of something.
  for (let at = 0; at < 3; at++) twin.next(10, undefined, budget);
  assert.equal(twin.deliveredRevision, 101);
  const seen: WatchEvent[] = [];
  for (let rounds = 0; !watcher.synced && rounds < 20; rounds++) {
    const batch = watcher.next(10, undefined, { left: 60, most: 0, free: 0 });
    if (batch?.type === 'events') seen.push(...batch.events);
  }
  assert.equal(watcher.synced, true);
  assert.deepEqual(described(seen), ['put a@302']);
  // What is not far behind is read whatever others have used up.
  applyOne(keyspace, putCommand('a'));
  const none = { left: 0, most: 60, free: 1 };
  assert.deepEqual(described([...eventsBatch(watcher.next(10, undefined, none)).events]), ['put a@502']);
});

test('a watcher far behind looks at twice of what is written in between, to a bound, whatever is left of its budget', () => {
  const keyspace = new Keyspace();
  const write = (count: number) => {
    for (let i = 0; i < count; i++) applyOne(keyspace, putCommand('other'));
  };
  write(500);
  const watcher = keyspace.watch(watchRequest('a', '', { startRevision: 2 }), () => {});
  const look = (left: number): number => {
    const before = watcher.deliveredRevision;
    watcher.next(10, undefined, { left, most: 60, free: 0 });
    return watcher.deliveredRevision - before;
  };
  assert.equal(look(5), 5);
  write(20);
  assert.deepEqual([look(0), look(5), look(5)], [0, 40, 5]);
  write(100);
  assert.equal(look(5), 60);
});

test('watchers of one range are woken by the same entry, each at the first revision that it wants', () => {
  const keyspace = new Keyspace();
  applyOne(keyspace, putCommand('a', '1'));
  const told: string[] = [];
  const watch = (name: string, more: Partial<WatchRequest> = {}) =>
    keyspace.watch(watchRequest('a', 'c', more), () => told.push(name));
  const now = watch('now');
  const later = watch('later', { startRevision: 4 });
  const muchLater = watch('much later', { startRevision: 9 });
  const deletions = watch('deletions', { noPut: true });
  const behind = watch('behind', { startRevision: 2 });
  applyAll(keyspace, [putCommand('a', '2'), putCommand('b', '3'), deleteCommand('a')]);
  assert.deepEqual(told.sort(), ['deletions', 'later', 'now']);
  assert.deepEqual(described(drain(now)), ['put a@3', 'put b@4', 'delete a@5']);
  assert.deepEqual(described(drain(later)), ['put b@4', 'delete a@5']);
  assert.deepEqual(described(drain(deletions)), ['delete a@5']);
  assert.deepEqual(described(drain(behind)), ['put a@2', 'put a@3', 'put b@4', 'delete a@5']);
  assert.deepEqual(drain(muchLater), []);
  now.close();
  applyOne(keyspace, putCommand('b', '6'));
  assert.deepEqual(told.sort(), ['behind', 'deletions', 'later', 'later', 'now']);
  assert.deepEqual(described(drain(later)), ['put b@6']);
});

test('a watcher that waits for a future revision stays silent until then', () => {
  const keyspace = new Keyspace();
  let calls = 0;
  const watcher = keyspace.watch(watchRequest('a', '', { startRevision: 4 }), () => calls++);
  applyOne(keyspace, putCommand('a'));
  applyOne(keyspace, putCommand('a'));
  assert.equal(watcher.next(10), undefined);
  assert.equal(calls, 0);
  applyOne(keyspace, putCommand('a'));
  assert.equal(calls, 1);
  assert.deepEqual(described(drain(watcher)), ['put a@4']);
});

test('a snapshot whose history starts after what a watcher has seen ends it as compacted', () => {
  const follower = new Keyspace();
  const leader = new Keyspace();
  let calls = 0;
  const watcher = follower.watch(watchRequest('a'), () => calls++);
  for (let i = 0; i < 4; i++) applyOne(leader, putCommand('a'));
  applyOne(leader, { type: 'compact', revision: 4 });
  copyState(leader, follower);
  assert.equal(calls, 1);
  assert.deepEqual(watcher.next(10), { type: 'compacted', compactRevision: 4 });
});

test('a closed watcher gives nothing more and is not told', () => {
  const keyspace = new Keyspace();
  let calls = 0;
  for (const end of ['', '\0']) {
    const watcher = keyspace.watch(watchRequest('a', end), () => calls++);
    watcher.close();
    watcher.close();
    applyOne(keyspace, putCommand('a'));
    assert.equal(watcher.next(1), undefined);
  }
  assert.equal(calls, 0);
  assert.equal(keyspace.watcherCount, 0);
});

test('a listener that throws stops neither the apply nor the other listeners', () => {
  const keyspace = new Keyspace();
  let calls = 0;
  const broken = keyspace.watch(watchRequest('a'), () => {
    throw new Error('broken listener');
  });
  keyspace.watch(watchRequest('a'), () => calls++);
  applyOne(keyspace, putCommand('a'));
  assert.equal(calls, 1);
  assert.deepEqual(described(drain(broken)), ['put a@2']);
});

test('the key that a watcher was given may be changed afterwards', () => {
  const keyspace = new Keyspace();
  const key = bytes('a');
  const watcher = keyspace.watch({ ...watchRequest('a'), key }, () => {});
  key[0] = 0x62;
  applyOne(keyspace, putCommand('a'));
  assert.deepEqual(described(drain(watcher)), ['put a@2']);
});
