import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '../../test/partitions/world.ts';
import { boundOf } from './assignment.ts';

function loads(world: World): Map<string, number> {
  const found = new Map<string, number>();
  for (const holder of world.leaders().values()) found.set(holder, (found.get(holder) ?? 0) + 1);
  return found;
}

/** Every partition led, by whom it is assigned to, and none with more than its bound. */
async function checkQuiet(world: World, count = 24, areEqual = true): Promise<void> {
  assert.equal(world.leaders().size, count);
  const [first] = world.alive;
  const status = await first?.partitions.status();
  assert.deepEqual(status?.totals, { partitions: count, led: count, moving: 0, draining: 0, unled: 0 });
  if (areEqual)
    for (const load of loads(world).values()) assert(load <= boundOf(count, 1, world.alive.length));
}

test('three processes share the partitions within the bound, and each partition has one leader', async () => {
  const world = new World();
  for (const holder of ['a', 'b', 'c']) world.start(holder);
  await world.pass(2000);
  await checkQuiet(world);
  assert.equal(loads(world).size, 3);
  await world.end();
});

test('processes that start together move no partition twice: each is led once', async () => {
  const world = new World();
  const processes = ['a', 'b', 'c', 'd'].map((holder) => world.start(holder));
  await world.pass(2000);
  const led = processes.flatMap(({ events }) => events.filter(({ type }) => type === 'partition-led'));
  assert.equal(led.length, 24);
  await world.end();
});

test('a join moves partitions to the one that came alone, without a gap that anybody sees', async () => {
  const world = new World();
  for (const holder of ['a', 'b', 'c']) world.start(holder);
  await world.pass(2000);
  const before = world.leaders();
  const joining = world.start('d');
  for (let step = 0; step < 80; step++) {
    await world.pass(25);
    assert.equal(world.leaders().size, 24);
  }
  const after = world.leaders();
  const moved = [...after].filter(([partition, holder]) => before.get(partition) !== holder);
  assert.equal(moved.length, 24 / 4);
  assert(moved.filter(([, holder]) => holder === 'd').length === joining.jobs.size);
  await checkQuiet(world);
  await world.end();
});

test('a partition is given up only when the next one waits for it, so a member that hangs takes none from us', async () => {
  const world = new World();
  const first = world.start('a', { ttlMs: 4000, settleMs: 500 });
  await world.pass(1000);
  assert.equal(first.jobs.size, 24);
  // It is seen among the members, and then hangs before it is given anything that it could campaign for.
  const second = world.start('b', { ttlMs: 1000 });
  await world.pass(100);
  assert.equal((await first.partitions.status()).members.length, 2);
  second.crash();
  await world.pass(700);
  assert.equal((await first.partitions.status()).totals.moving, 12);
  assert.equal(first.jobs.size, 24, 'given up for nobody');
  await world.pass(3000);
  assert.equal(first.jobs.size, 24);
  assert.equal((await first.partitions.status()).members.length, 1);
  assert(!first.events.some(({ type }) => type === 'partition-revoked'));
  await world.end();
});

test('the partitions of a crashed process are led again as soon as its session is over', async () => {
  const world = new World();
  const [a] = ['a', 'b', 'c'].map((holder) => world.start(holder));
  await world.pass(2000);
  a?.crash();
  await world.pass(1200);
  await checkQuiet(world);
  await world.end();
});

test('a process that was paused past its lease leads nothing any more when it wakes, and joins again', async () => {
  const world = new World();
  const [a] = ['a', 'b', 'c'].map((holder) => world.start(holder));
  await world.pass(2000);
  a?.gate.close();
  await world.pass(2500);
  assert.equal([...world.leaders().values()].filter((holder) => holder === 'a').length, 0);
  a?.gate.open();
  await world.pass(3000);
  await checkQuiet(world);
  assert((a?.jobs.size ?? 0) > 0);
  await world.end();
});

test('a graceful stop hands over: every partition stays led, and the session is closed after', async () => {
  const world = new World();
  const [a] = ['a', 'b', 'c'].map((holder) => world.start(holder));
  await world.pass(2000);
  assert(a !== undefined);
  let closed = false;
  void a.partitions[Symbol.asyncDispose]().then(() => {
    closed = true;
  });
  for (let step = 0; step < 40; step++) {
    await world.pass(25);
    assert.equal(world.leaders().size, 24);
  }
  assert(closed);
  a.crash();
  await checkQuiet(world);
  const revoked = a.events.filter((event) => event.type === 'partition-revoked');
  assert(revoked.length > 0 && revoked.every(({ reason }) => reason === 'closing'));
  await world.end();
});

test('a job that runs on past drainMs keeps its partition, is reported, and hands over when it settles', async () => {
  const world = new World();
  const a = world.start('a', { drainMs: 300 });
  await world.pass(1000);
  a.drainsInMs = 2000;
  const b = world.start('b');
  await world.pass(1500);
  assert.equal(b.jobs.size, 0);
  assert.equal(a.jobs.size, 24);
  const overran = a.events.filter((event) => event.type === 'drain-overran');
  assert(overran.length > 0);
  const { totals } = await a.partitions.status();
  assert.equal(totals.draining, overran.length);
  await world.pass(2500);
  await checkQuiet(world);
  assert.equal(b.jobs.size, overran.length);
  await world.end();
});

test('a job that never stops loses its partition with its session, and another leads it', async () => {
  const world = new World();
  const a = world.start('a', { onAssigned: () => new Promise(() => {}), drainMs: 100 });
  await world.pass(1000);
  const b = world.start('b');
  await world.pass(3000);
  assert.equal(b.jobs.size, 0, 'it keeps them while its session lives');
  a.crash();
  await world.pass(3000);
  assert.equal(b.jobs.size, 24);
  await b.partitions[Symbol.asyncDispose]();
});

test('a process whose job still runs after its session was lost gets that partition back only when it settled', async () => {
  const world = new World();
  const settle = new Map<string, () => void>();
  const stuck = (partition: string) => new Promise<void>((resolve) => settle.set(partition, resolve));
  const a = world.start('a', { drainMs: 100, onAssigned: (_, partition) => stuck(partition) });
  const b = world.start('b');
  await world.pass(2000);
  const ofA = [...a.partitions.leaderships.keys()];
  assert(ofA.length > 0);
  a.gate.close();
  await world.pass(2500);
  assert.equal(b.jobs.size, 24);
  a.gate.open();
  // It is a member again, these are assigned to it, and it cannot lead them.
  for (let step = 0; step < 400; step++) {
    await world.pass(25);
    assert.equal(b.jobs.size, 24, 'given up for one that does not wait');
  }
  const { members, totals } = await b.partitions.status();
  assert.equal(members.length, 2);
  assert.equal(totals.moving, ofA.length);
  for (const done of settle.values()) done();
  settle.clear();
  await world.pass(3000);
  assert.equal(b.jobs.size, 24 - ofA.length);
  assert.deepEqual([...a.partitions.leaderships.keys()].sort(), ofA.sort());
  for (const partition of ofA) settle.get(partition)?.();
  await world.end();
});

test('a member that comes back under its name with another weight is counted alike by all', async () => {
  const world = new World();
  for (const holder of ['a', 'b', 'c']) world.start(holder, { count: 60 });
  await world.pass(2000);
  world.processes[2]?.crash();
  world.start('c', { count: 60, weight: 100 });
  await world.pass(5000);
  await checkQuiet(world, 60, false);
  assert((loads(world).get('c') ?? 0) > 50);
  await world.end();
});

test('a job that returns leaves its partition led until it is revoked, and onRevoked is told why', async () => {
  const world = new World();
  const calls: string[] = [];
  const a = world.start('a', {
    count: 1,
    onAssigned: (_, partition) => void calls.push(`assigned ${partition}`),
    onRevoked: (leadership, partition, reason) => {
      assert(leadership.signal.aborted);
      calls.push(`revoked ${partition}: ${reason}`);
    },
  });
  await world.pass(3000);
  assert.deepEqual(calls, ['assigned 0']);
  assert.equal((await world.store.read('work/0')).leader?.holder, 'a');
  const closing = a.partitions[Symbol.asyncDispose]();
  await world.pass(500);
  await closing;
  assert.deepEqual(calls, ['assigned 0', 'revoked 0: closing']);
  assert.equal((await world.store.read('work/0')).leader, undefined);
  assert.deepEqual((await world.store.read('work/roster')).leader, undefined);
});

test('what a job throws is reported and tried again, later each time; the other partitions go on', async () => {
  const world = new World();
  const heard: unknown[] = [];
  const broken = new Error('no such table');
  const times: number[] = [];
  const a = world.start('a', {
    count: 2,
    onAssigned: async (leadership, partition) => {
      if (partition === '0') {
        times.push(world.runtime.clock.monotonicMs());
        throw broken;
      }
      await new Promise((resolve) => leadership.signal.addEventListener('abort', resolve));
    },
    onJobError: (error) => {
      heard.push(error);
      throw new Error('the handler is broken, too');
    },
  });
  await world.pass(6000);
  assert(times.length >= 4 && times.length <= 14, `${times.length} attempts`);
  assert(heard.every((error) => error === broken));
  const distances = times.slice(1).map((time, position) => time - (times[position] ?? 0));
  assert((distances.at(-1) ?? 0) > (distances[0] ?? 0));
  const failed = a.events.filter((event) => event.type === 'partition-job-failed');
  assert.equal(failed.length, heard.length);
  assert.equal((await world.store.read('work/1')).leader?.holder, 'a');
  await world.end();
});

test('a job that threw is reported as draining while its handler does not come back, not as leading', async () => {
  const world = new World();
  let come = () => {};
  const a = world.start('a', {
    count: 1,
    drainMs: 500,
    onAssigned: () => {
      throw new Error('no such table');
    },
    onJobError: () =>
      new Promise<void>((resolve) => {
        come = resolve;
      }),
  });
  await world.pass(2000);
  assert.equal((await a.partitions.status()).totals.draining, 1);
  assert(a.events.some(({ type }) => type === 'drain-overran'));
  assert.deepEqual(
    a.events.filter((event) => event.type === 'partition-revoked').map(({ reason }) => reason),
    ['job-failed'],
  );
  const ended = a.partitions[Symbol.asyncDispose]();
  come();
  await world.pass(500);
  await ended;
});

test('heavier members get more', async () => {
  const world = new World();
  const heavy = world.start('heavy', { count: 90, weight: 2 });
  const light = world.start('light', { count: 90 });
  await world.pass(2000);
  assert.equal(heavy.jobs.size + light.jobs.size, 90);
  assert(heavy.jobs.size > 48 && heavy.jobs.size <= 75, `${heavy.jobs.size} of 90`);
  const { members } = await light.partitions.status();
  assert.deepEqual(
    members.map(({ holder, weight, leading }) => ({ holder, weight, leading })),
    [
      { holder: 'heavy', weight: 2, leading: heavy.jobs.size },
      { holder: 'light', weight: 1, leading: light.jobs.size },
    ],
  );
  await world.end();
});

test('the count grows with the first process that has a greater one; the others follow, and it never falls', async () => {
  const world = new World();
  const a = world.start('a', { count: 8 });
  const b = world.start('b', { count: 8 });
  await world.pass(2000);
  const tokens = new Map([...a.partitions.leaderships].map(([partition, { token }]) => [partition, token]));
  const c = world.start('c', { count: 16 });
  await world.pass(3000);
  await checkQuiet(world, 16);
  const followed = a.events.findLast((event) => event.type === 'partitions-layout');
  assert.deepEqual([followed?.before, followed?.agreed, followed?.declared], [8, 16, 8]);
  const reasons = a.events.filter((event) => event.type === 'partition-revoked').map(({ reason }) => reason);
  assert(reasons.includes('layout-changed'));
  for (const [partition, { token }] of a.partitions.leaderships)
    assert(token > (tokens.get(partition) ?? 0), 'led anew, since other keys belong to it');
  await c.partitions[Symbol.asyncDispose]();
  c.crash();
  await world.pass(2000);
  await checkQuiet(world, 16);
  // All leave, and one with the old count comes back.
  await world.end();
  a.crash();
  b.crash();
  const late = world.start('late', { count: 8 });
  await world.pass(2000);
  assert.equal(late.jobs.size, 16);
  await world.end();
});

test('partitions by name: keys can be added, and those that stay are not disturbed', async () => {
  const world = new World();
  const a = world.start('a', { keys: ['eu', 'us'] });
  await world.pass(1000);
  const before = a.partitions.leaderships.get('eu');
  await assert.rejects(a.partitions.router('asia'), { code: 'not-found' });
  const b = world.start('b', { keys: ['us', 'eu', 'asia'], weight: 0.01 });
  await world.pass(2000);
  assert.deepEqual([...world.leaders().keys()].sort(), ['asia', 'eu', 'us']);
  const who = [...a.partitions.leaderships.keys(), ...b.partitions.leaderships.keys()];
  assert.equal(who.length, 3);
  if (a.partitions.leaderships.has('eu')) assert.equal(a.partitions.leaderships.get('eu'), before);
  assert.equal((await a.partitions.router('asia')).partition, 'asia');
  await world.end();
});

test('a process started with keys is kept out where a count is agreed, and says so', async () => {
  const world = new World();
  world.start('a', { count: 4 });
  await world.pass(1000);
  const b = world.start('b', { keys: ['eu'] });
  const ready = assert.rejects(b.partitions.ready(), { code: 'failed-precondition' });
  await world.pass(2000);
  await ready;
  assert(b.events.some(({ type }) => type === 'partitions-refused'));
  assert.equal(world.leaders().size, 4);
  await world.end();
});

test('what a later version laid out is not touched', async () => {
  const world = new World();
  const session = await world.store.openSession({ ttlMs: 60_000, holder: 'future' });
  const outcome = await session.acquire('work/roster', { metadata: '', priority: 0 });
  assert(outcome.status === 'acquired');
  const record = {
    format: 1,
    token: outcome.token,
    graceMs: 0,
    clean: true,
    partitions: { format: 2, count: 9 },
  };
  await session.writeRecord('work/roster', outcome.token, new TextEncoder().encode(JSON.stringify(record)));
  const a = world.start('a');
  const ready = assert.rejects(a.partitions.ready(), { code: 'data-incompatible' });
  await world.pass(2000);
  await ready;
  assert.deepEqual((await world.store.read('work/roster')).waiting, []);
  assert.equal(a.jobs.size, 0);
  await world.end();
});

test('it works the same over a store without a watch of all elections', async () => {
  const world = new World(1, { watchAll: false });
  const [a] = ['a', 'b', 'c'].map((holder) => world.start(holder));
  await world.pass(2000);
  await checkQuiet(world);
  a?.crash();
  await world.pass(1500);
  await checkQuiet(world);
  await world.end();
});

test('a process of one lease: many partitions are renewed by one session', async () => {
  const world = new World();
  const a = world.start('a', { count: 200 });
  await world.pass(1000);
  const renewals = () => a.events.filter(({ type }) => type === 'renewed').length;
  const before = renewals();
  await world.pass(10_000);
  assert.equal(a.jobs.size, 200);
  assert(renewals() - before <= 34);
  await world.end();
});

test('the signal closes it; ready tells when it takes part, and that it is closed', async () => {
  const world = new World();
  const stop = new AbortController();
  const a = world.start('a', { signal: stop.signal });
  const ready = a.partitions.ready();
  await world.pass(500);
  await ready;
  stop.abort();
  await world.pass(500);
  await assert.rejects(a.partitions.ready(), { code: 'closed' });
  await assert.rejects(a.partitions.router('k'), { code: 'closed' });
  assert.equal(a.jobs.size, 0);
  const { leader, waiting } = await world.store.read('work/roster');
  assert.deepEqual([leader, waiting], [undefined, []]);
});

test('closing ends also where the store is closed or out of reach for good, and nothing goes unhandled', async () => {
  const world = new World();
  const a = world.start('a');
  const b = world.start('b');
  await world.pass(2000);
  await world.store[Symbol.asyncDispose]();
  await world.pass(5000);
  assert.equal(world.leaders().size, 0);
  b.gate.close();
  await world.end();
  assert.deepEqual([a.jobs.size, b.jobs.size], [0, 0]);
});
