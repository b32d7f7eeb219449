import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Arena } from './arena.ts';
import { compareBytes, decodeUtf8, encodeUtf8, equalBytes, hashBytes, rangeContains } from './bytes.ts';
import { Deadlines } from './deadlines.ts';
import { History } from './history.ts';
import { IntervalTree } from './interval-tree.ts';
import { KeyIndex } from './key-index.ts';
import { KeyTable } from './tables.ts';
import { bytes } from './testing/requests.ts';

const someBytes = fc.uint8Array({ maxLength: 5, max: 3 });

test('byte strings are ordered as Buffer orders them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), fc.uint8Array({ maxLength: 6 }), (left, right) => {
      assert.equal(Math.sign(compareBytes(left, right)), Buffer.compare(left, right));
      assert.equal(equalBytes(left, right), Buffer.compare(left, right) === 0);
    }),
  );
});

test('UTF-8 is that of TextEncoder, and malformed bytes are recognised', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.deepEqual(encodeUtf8(text), new TextEncoder().encode(text));
      assert.equal(
        decodeUtf8(encodeUtf8(text)),
        new TextDecoder('utf-8', { ignoreBOM: true }).decode(encodeUtf8(text)),
      );
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8 }), (data) => {
      let expected: string | undefined;
      try {
        expected = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
      } catch {
        expected = undefined;
      }
      assert.equal(decodeUtf8(data), expected);
    }),
    { numRuns: 2000 },
  );
  assert.deepEqual(encodeUtf8('\ud800'), encodeUtf8('\ufffd'));
});

test('the key index keeps keys in order through insertions, removals and scans', () => {
  const change = fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3000 }));
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 4000, size: 'max' }),
      fc.nat(3000),
      fc.nat(3000),
      (changes, from, to) => {
        const arena = new Arena();
        const keys = new KeyTable(arena);
        const index = new KeyIndex(keys);
        const name = (n: number): Uint8Array => bytes(String(n));
        // Few different hashes, so that they meet: of some more than a group of the table takes.
        const hash = (n: number): number => (n % 97 < 90 ? n % 7 : n % 97) * 31;
        const expected = new Map<string, number>();
        for (const [add, n] of changes) {
          const found = index.find(name(n), hash(n));
          assert.equal(found, expected.get(String(n)) ?? -1);
          if (add && found < 0) {
            const row = keys.add(name(n), 0, name(n).length, hash(n));
            index.insert(name(n), row);
            expected.set(String(n), row);
          } else if (!add && found >= 0) {
            index.remove(found);
            keys.release(found);
            expected.delete(String(n));
          }
        }
        const scanned: number[] = [];
        index.scan(name(from), name(to), (row) => {
          scanned.push(row);
          return undefined;
        });
        if (compareBytes(name(from), name(to)) < 0)
          assert.equal(index.count(name(from), name(to)), scanned.length);
        const inRange = [...expected].filter(([key]) => rangeContains(name(from), name(to), bytes(key)));
        const sorted = inRange.sort(([left], [right]) => compareBytes(bytes(left), bytes(right)));
        assert.deepEqual(scanned, compareBytes(name(from), name(to)) < 0 ? sorted.map(([, row]) => row) : []);
      },
    ),
    { numRuns: 60 },
  );
});

test('a lookup compares few keys although a client chose keys whose hash is the same', () => {
  const keys = new KeyTable(new Arena());
  const index = new KeyIndex(keys);
  const name = (n: number): Uint8Array => bytes(String(n));
  const count = 3000;
  for (let n = 0; n < count; n++) index.insert(name(n), keys.add(name(n), 0, name(n).length, 5));
  const compare = keys.compare.bind(keys);
  let compared = 0;
  keys.compare = (key, row) => {
    compared++;
    return compare(key, row);
  };
  let most = 0;
  for (let n = 0; n <= count; n++) {
    compared = 0;
    assert.equal(index.find(name(n), 5), n < count ? n : -1);
    most = Math.max(most, compared);
  }
  assert.ok(most > 0 && most <= 60, `${most} compared`);
});

test('a scan of the key index stops when its visitor says so', () => {
  const keys = new KeyTable(new Arena());
  const index = new KeyIndex(keys);
  for (let n = 0; n < 1000; n++) {
    const key = bytes(String(n).padStart(4, '0'));
    index.insert(key, keys.add(key, 0, key.length, n));
  }
  let visited = 0;
  index.scan(bytes('0100'), undefined, () => ++visited < 500);
  assert.equal(visited, 500);
});

test('strings in the arena keep their content while others are freed and slabs are tidied', () => {
  const arena = new Arena();
  const places = new Map<number, { slab: number; offset: number; content: Uint8Array }>();
  let owner = 0;
  let state = 7;
  const draw = (bound: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 1;
    return (state >>> 8) % bound;
  };
  for (let round = 0; round < 30_000; round++) {
    const size = draw(500) === 0 ? 150_000 : draw(400);
    const content = new Uint8Array(size).fill(draw(256));
    arena.allocate(++owner, content, 0, size);
    places.set(owner, { slab: arena.lastSlab, offset: arena.lastOffset, content });
    // Some live long, so that slabs get sparse rather than empty.
    if (draw(10) < 9) {
      const victim = owner - draw(20);
      const place = places.get(victim);
      if (place !== undefined) arena.free(place.slab, place.offset);
      places.delete(victim);
    }
    arena.maintain(2000, (moved, slab, offset) => {
      const place = places.get(moved);
      assert.ok(place !== undefined, 'a freed string was moved');
      place.slab = slab;
      place.offset = offset;
    });
  }
  for (const { slab, offset, content } of places.values()) {
    assert.ok(equalBytes(arena.copy(slab, offset, content.length), content));
  }
  assert.ok(places.size > 500);
});

test('history gives its rows by position while both ends move', () => {
  const history = new History();
  const expected: number[] = [];
  let first = 0;
  for (let row = 0; row < 20_000; row++) {
    history.push(row);
    expected.push(row);
    if (row % 3 === 0) {
      history.dropFirst();
      first++;
    }
    if (row % 7 === 0 && history.tail > history.head) {
      history.dropLast();
      expected.pop();
    }
  }
  assert.equal(history.head, first);
  assert.equal(history.tail, expected.length);
  for (let position = first; position < history.tail; position++) {
    assert.equal(history.at(position), expected[position]);
  }
});

test('deadlines come out as they are at the end, whatever they were before', () => {
  const change = fc.tuple(fc.nat(9), fc.nat(50), fc.boolean());
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200, size: 'max' }), fc.nat(60), (changes, now) => {
      const deadlines = new Deadlines<{ deadlineMs: number; queuedMs: number; name: number }>();
      const items = new Map<number, { deadlineMs: number; queuedMs: number; name: number }>();
      for (const [name, deadlineMs, remove] of changes) {
        let item = items.get(name);
        if (item === undefined) {
          item = { deadlineMs, queuedMs: 0, name };
          items.set(name, item);
          deadlines.add(item);
        } else if (remove) {
          deadlines.remove(item);
          items.delete(name);
        } else {
          item.deadlineMs = deadlineMs;
          if (deadlineMs < item.queuedMs) deadlines.add(item);
        }
        const earliest = Math.min(...[...items.values()].map((one) => one.deadlineMs));
        const answer = deadlines.earliest(now);
        assert.ok(answer === earliest || (answer >= now && answer <= earliest));
      }
      const due = deadlines.takeDue(now).map((item) => item.name);
      const expected = [...items.values()].filter((item) => item.deadlineMs < now).map((item) => item.name);
      assert.deepEqual(due.sort(), expected.sort());
      for (const name of due) items.delete(name);
      assert.equal(
        deadlines.earliest(Number.POSITIVE_INFINITY),
        Math.min(...[...items.values()].map((one) => one.deadlineMs)),
      );
    }),
    { numRuns: 500 },
  );
});

test('a key is found in exactly the ranges that contain it', () => {
  const range = fc.record({
    start: someBytes,
    end: fc.option(someBytes, { nil: undefined }),
    gone: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(range, { maxLength: 60, size: 'max' }), fc.array(someBytes), (ranges, probes) => {
      const tree = new IntervalTree<number>();
      for (const [i, { start, end }] of ranges.entries()) tree.add(start, end, i);
      for (const [i, { start, end, gone }] of ranges.entries()) if (gone) tree.delete(start, end, i);
      for (const probe of probes) {
        const found: number[] = [];
        tree.visit(probe, (i) => found.push(i));
        const expected = ranges.flatMap(({ start, end, gone }, i) =>
          !gone && compareBytes(start, probe) <= 0 && (end === undefined || compareBytes(probe, end) < 0)
            ? [i]
            : [],
        );
        assert.deepEqual(
          found.sort((a, b) => a - b),
          expected,
        );
      }
    }),
    { numRuns: 500 },
  );
});

test('a hash of bytes does not depend on where they lie', () => {
  const long = fc.uint8Array({ minLength: 1000, maxLength: 1100 });
  fc.assert(
    fc.property(long, fc.nat(3), fc.nat(8), (bytes, shift, start) => {
      const moved = new Uint8Array(bytes.length + 8).subarray(shift + 1);
      moved.set(bytes);
      const end = bytes.length;
      assert.equal(hashBytes(moved, start, end, 7), hashBytes(bytes, start, end, 7));
    }),
  );
});
