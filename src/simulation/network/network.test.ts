import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ConclaveError } from '../../errors/index.ts';
import { eventKinds } from '../world/scheduler.ts';
import { TestingWorld } from './testing.ts';

describe('A simulated network', () => {
  test('delivers everything in order on a bad link', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const life = new TestingWorld(seed);
      Object.assign(life.network.link(life.host(0), life.host(1)), {
        ...{ lossRate: 0.3, jitterUs: 5000, repeatRate: 0.5, reorderRate: 0.5, bytesPerSecond: 20_000 },
      });
      const [near, far] = await life.pair();
      let written = '';
      for (let count = 0; count < 100; count++) {
        const text = `${count} `.repeat(1 + (count % 5));
        written += text;
        near.write(text);
        await life.run(count % 7);
      }
      near.connection.end();
      await life.run(60_000);
      assert.equal(far.text, written);
      assert.deepEqual([near.closes, far.closes], [['local'], ['peer']]);
      assert.equal(life.network.openConnections, 0);
      assert.ok(life.network.counts.packetsLost > 0);
    }
  });

  test('gives the same trace for the same seed', async () => {
    const hashes: string[] = [];
    for (const seed of [5, 5, 6]) {
      const life = new TestingWorld(seed);
      life.network.link(life.host(0), life.host(1)).lossRate = 0.3;
      const [near] = await life.pair();
      for (let count = 0; count < 50; count++) near.write('x'.repeat(count));
      await life.run(5000);
      hashes.push(life.world.trace.hash);
    }
    assert.equal(hashes[0], hashes[1]);
    assert.notEqual(hashes[0], hashes[2]);
  });

  test('passes on what was written in one turn at once, without copying a single chunk', async () => {
    const life = new TestingWorld(3);
    const [near, far] = await life.pair();
    const chunk = new Uint8Array(1);
    near.connection.write([chunk]);
    await life.run(10);
    assert.equal(far.chunks[0], chunk);
    near.write('x');
    near.write('y');
    near.connection.write([]);
    await life.run(10);
    assert.equal(far.text.slice(1), 'xy');
    assert.ok(far.chunks.length <= 3);
  });

  test('keeps what was sent into a cut, and sends it after the heal', async () => {
    const life = new TestingWorld(1);
    const [near, far] = await life.pair();
    life.network.partition([[life.host(0)], [life.host(1), life.host(2)]]);
    near.write('patience');
    await life.run(5000);
    assert.equal(far.text, '');
    life.network.heal();
    await life.run(5000);
    assert.equal(far.text, 'patience');
    assert.deepEqual(near.closes, []);
  });

  test('ends a connection that cannot get through for long as broken, and the other end hears of it late', async () => {
    const life = new TestingWorld(1, { giveUpMs: 10_000 });
    const [near, far] = await life.pair();
    life.network.isolate(life.host(0), 'out');
    near.write('nobody hears this');
    await life.run(9000);
    assert.deepEqual(near.closes, []);
    await life.run(2000);
    assert.deepEqual([near.closes, far.closes], [['broken'], []]);
    life.network.heal();
    far.write('are you there?');
    await life.run(1000);
    assert.deepEqual(far.closes, ['peer']);
  });

  test('gives up what arrives but is never acknowledged', async () => {
    const life = new TestingWorld(1, { giveUpMs: 10_000 });
    const [near, far] = await life.pair();
    life.network.isolate(life.host(0), 'in');
    near.write('one way');
    await life.run(5000);
    assert.equal(far.text, 'one way');
    assert.deepEqual(near.closes, []);
    await life.run(6000);
    assert.deepEqual(near.closes, ['broken']);
  });

  test('tells the peers of a process that died at once', async () => {
    const life = new TestingWorld(1);
    const [near, far] = await life.pair();
    near.write('last words');
    life.process(0).die();
    await life.run(10);
    assert.deepEqual([far.text, far.closes], ['last words', ['peer']]);
    assert.deepEqual(near.closes, []);
  });

  test('tells nobody of a host that lost power, until it is back', async () => {
    const life = new TestingWorld(1);
    const [near, far] = await life.pair();
    life.network.powerFails(life.host(1));
    life.process(1).die();
    near.write('hello?');
    await life.run(3000);
    assert.deepEqual(near.closes, []);
    life.network.powerReturns(life.host(1));
    await life.run(5000);
    assert.deepEqual([near.closes, far.closes], [['peer'], []]);
  });

  test('finds out that nobody is there on a connection on which nothing is written', async () => {
    const life = new TestingWorld(1);
    const [near] = await life.pair();
    life.network.powerFails(life.host(1));
    life.process(1).die();
    await life.run(9000);
    assert.deepEqual(near.closes, []);
    await life.run(8000);
    assert.deepEqual(near.closes, ['broken']);
  });

  test('breaks connections for both ends, for one, or for none', async () => {
    const life = new TestingWorld(9, { giveUpMs: 5000 });
    const [near, far] = await life.pair();
    assert.equal(life.network.breakConnections({ seenBy: 'both' }), 1);
    await life.run(10);
    assert.deepEqual([near.closes, far.closes], [['broken'], ['broken']]);

    const [one, other] = await life.pair(0, 1, 7001);
    const elsewhere = [life.host(1), life.host(2)] as const;
    assert.equal(life.network.breakConnections({ between: elsewhere, seenBy: 'one' }), 0);
    assert.equal(life.network.breakConnections({ seenBy: 'one' }), 1);
    await life.run(100);
    assert.deepEqual([...one.closes, ...other.closes], ['broken']);
    one.write('x');
    other.write('y');
    await life.run(100);
    assert.deepEqual([...one.closes, ...other.closes].sort(), ['broken', 'peer']);

    const [left, right] = await life.pair(0, 1, 7002);
    assert.equal(life.network.breakConnections({ seenBy: 'none' }), 1);
    left.write('x');
    await life.run(4000);
    assert.deepEqual([left.closes, right.text], [[], '']);
    await life.run(2000);
    assert.deepEqual([left.closes, right.closes], [['broken'], []]);
  });

  test('lets a sender feel a process that does not read, and tells it when it does again', async () => {
    const life = new TestingWorld(2);
    const [near, far] = await life.pair();
    let drained = 0;
    near.connection.onDrained = () => {
      drained += 1;
    };
    life.process(1).pause();
    for (let count = 0; count < 64; count++) {
      near.connection.write([new Uint8Array(32 * 1024)]);
      await life.run(1);
    }
    const { bufferedBytes } = near.connection;
    assert.ok(bufferedBytes > 1024 * 1024 && bufferedBytes < 2 * 1024 * 1024, String(bufferedBytes));
    assert.deepEqual([far.bytes, drained], [0, 0]);
    life.process(1).resume();
    await life.run(1000);
    assert.deepEqual([far.bytes, near.connection.bufferedBytes, drained], [2 * 1024 * 1024, 0, 1]);
  });

  test('takes a slow link its time, and no longer than the link is slow', async () => {
    const life = new TestingWorld(2);
    const [near, far] = await life.pair();
    const link = life.network.link(life.host(0), life.host(1));
    link.bytesPerSecond = 20_000;
    near.connection.write([new Uint8Array(600_000)]);
    assert.ok(near.connection.bufferedBytes > 0);
    await life.run(5000);
    assert.ok(far.bytes > 80_000 && far.bytes < 110_000, String(far.bytes));
    link.calm();
    await life.run(600);
    assert.equal(far.bytes, 600_000);
  });

  test('keeps what arrives before there is a handler', async () => {
    const life = new TestingWorld(2);
    const [near, far] = await life.pair();
    const handler = far.connection.onData;
    far.connection.onData = undefined;
    near.write('early');
    near.connection.end();
    await life.run(100);
    assert.deepEqual(far.closes, []);
    far.connection.onData = handler;
    await life.run(100);
    assert.deepEqual([far.text, far.closes], ['early', ['peer']]);
  });

  test('refuses where nobody listens, times out where nobody answers, and can be aborted', async () => {
    const life = new TestingWorld(2);
    const network = life.network.of(life.process(0));
    const address = { host: life.host(1).address, port: 9 };
    const unavailable = (words: RegExp) => (error: unknown) =>
      ConclaveError.is(error, 'unavailable') && error.retryable && words.test(error.message);
    await assert.rejects(life.until(network.connect(address, { timeoutMs: 500 })), unavailable(/refused/));
    await assert.rejects(
      life.until(network.connect({ host: 'nowhere', port: 1 }, { timeoutMs: 500 })),
      unavailable(/resolve/),
    );
    life.network.isolate(life.host(0), 'in');
    await assert.rejects(life.until(network.connect(address, { timeoutMs: 500 })), unavailable(/no answer/));
    const stop = new AbortController();
    const dial = network.connect(address, { timeoutMs: 500, signal: stop.signal });
    stop.abort();
    await assert.rejects(life.until(dial), (error) => ConclaveError.is(error, 'aborted'));
    await assert.rejects(network.connect(address, { timeoutMs: 500, signal: stop.signal }), (error) =>
      ConclaveError.is(error, 'aborted'),
    );
  });

  test('gives each address to one listener at a time', async () => {
    const life = new TestingWorld(2);
    const network = life.network.of(life.process(0));
    const address = { host: life.host(0).address, port: 2379 };
    const first = await network.listen(address, () => {});
    await assert.rejects(
      network.listen({ host: '0.0.0.0', port: 2379 }, () => {}),
      (error) => ConclaveError.is(error, 'address-in-use'),
    );
    await assert.rejects(
      network.listen({ host: life.host(1).address, port: 2379 }, () => {}),
      (error) => ConclaveError.is(error, 'invalid-argument'),
    );
    await first.close();
    await network.listen(address, () => {});
    life.process(0).die();
    const again = await life.network.of(life.start(life.host(0))).listen(address, () => {});
    assert.deepEqual(again.address, address);
    const anywhere = await network.listen({ host: '0.0.0.0', port: 0 }, () => {});
    assert.ok(anywhere.address.port > 0);
  });

  test('connects after the heal to whom it could not reach before', async () => {
    const life = new TestingWorld(2);
    life.network.partition([[life.host(0)], [life.host(1)]]);
    life.world.scheduler.after(2_000_000, eventKinds.fault, undefined, () => life.network.heal());
    const [near, far] = await life.pair();
    assert.ok(life.world.nowUs > 3_000_000);
    near.write('there you are');
    await life.run(100);
    assert.equal(far.text, 'there you are');
  });
});

describe('A host that sleeps', () => {
  test('hears after it woke what was sent meanwhile, and its connections stand', async () => {
    const life = new TestingWorld(4, { giveUpMs: 30_000 });
    const [near, far] = await life.pair();
    life.host(1).sleep();
    life.process(1).pause();
    near.write('good night');
    await life.run(10_000);
    assert.equal(far.text, '');
    life.host(1).wake();
    life.process(1).resume();
    await life.run(10_000);
    assert.equal(far.text, 'good night');
    assert.deepEqual([near.closes, far.closes], [[], []]);
  });
});
