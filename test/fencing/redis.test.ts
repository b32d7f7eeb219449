import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, type Redis } from 'ioredis';
import { createCluster } from 'redis';
import { ConclaveError } from '../../src/errors/index.ts';
import type { FencedLeadership } from '../../src/fencing/index.ts';
import { fencedKey, fencedScript, type RedisClient } from '../../src/fencing/redis/index.ts';
import { slotOf } from '../../src/fencing/redis/slot.ts';
import type { ChildServer } from '../servers/child-server.ts';
import { connectIoredis, connectNodeRedis, redisMissing, startRedis } from '../servers/redis.ts';
import { losingProxy } from '../stand-ins/losing-proxy.ts';
import { assertTokensRose } from './first-use.ts';
import { testTwoLeaders } from './two-leaders.ts';

let server: ChildServer;
let ioredis: Redis;
let nodeRedis: Awaited<ReturnType<typeof connectNodeRedis>>;

const leader = (token: number, name = 'jobs'): FencedLeadership => ({ name, token, assertHeld: () => {} });
const append = (value: string) => (current: { readonly value: string | undefined }) =>
  `${current.value ?? ''}${value}\n`;
const pushing = "return redis.call('RPUSH', KEYS[1], ARGV[1])";
const linesOf = (text: string | null) => (text ?? '').split('\n').filter(Boolean);

/** Awaits `step` ahead of every command. */
function stepping<T extends object>(target: T, step: (command: string) => Promise<void>): T {
  return new Proxy(target, {
    get(_, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      return async (...args: unknown[]) => {
        await step(String(property));
        return await value.apply(target, args);
      };
    },
  });
}

describe('keys of Redis', { skip: redisMissing ?? false }, () => {
  before(async () => {
    server = await startRedis();
    ioredis = connectIoredis(server.port);
    nodeRedis = await connectNodeRedis(server.port);
  });
  after(async () => {
    ioredis?.disconnect();
    nodeRedis?.destroy();
    await server?.[Symbol.asyncDispose]();
  });

  for (const [name, client] of [
    ['ioredis', () => ioredis],
    ['node-redis', () => nodeRedis],
  ] as const) {
    testTwoLeaders(`a key by ${name}`, async () => {
      const key = randomUUID();
      return {
        async append(leadership, value, step) {
          await fencedKey(stepping<RedisClient>(client(), step), { key }).update(leadership, append(value));
          await step();
        },
        values: async () => linesOf(await ioredis.get(key)),
        async [Symbol.asyncDispose]() {},
      };
    });

    testTwoLeaders(`a script by ${name}`, async () => {
      const key = `{${randomUUID()}}:lines`;
      const options = { fenceKey: `${key}:fence`, script: pushing };
      return {
        async append(leadership, value, step) {
          const script = fencedScript(stepping<RedisClient>(client(), step), options);
          await script.run(leadership, { keys: [key], args: [value] });
          await step();
        },
        values: () => ioredis.lrange(key, 0, -1),
        async [Symbol.asyncDispose]() {},
      };
    });

    test(`by ${name}, what was written is read, with its token, also when the server forgot its scripts`, async () => {
      const key = fencedKey(client(), { key: randomUUID() });
      const nothing = { exists: false, version: 0, token: 0, election: '', value: undefined };
      assert.deepEqual(await key.read(), nothing);
      assert.deepEqual(await key.write(leader(5, 'jöbs'), 'öne'), { version: 1, token: 5 });
      await ioredis.script('FLUSH');
      assert.deepEqual(await key.write(leader(Number.MAX_SAFE_INTEGER - 1, 'jöbs'), ''), {
        version: 2,
        token: Number.MAX_SAFE_INTEGER - 1,
      });
      await assert.rejects(key.write(leader(Number.MAX_SAFE_INTEGER - 2, 'jöbs'), 'x'), {
        code: 'stale-token',
      });
      const written = { token: Number.MAX_SAFE_INTEGER - 1, election: 'jöbs' };
      assert.deepEqual(await key.read(), { exists: true, version: 2, value: '', ...written });
      await key.delete(leader(Number.MAX_SAFE_INTEGER, 'jöbs'));
      const { exists, version, token } = await key.read();
      assert.deepEqual([exists, version, token], [false, 3, Number.MAX_SAFE_INTEGER]);
      await assert.rejects(key.write(leader(5, 'jöbs'), 'late'), { code: 'stale-token' });
    });

    test(`by ${name}, a script returns what it returns, and keeps its effects to itself when it is refused`, async () => {
      const keys = [`{${randomUUID()}}:list`];
      const fenceKey = `${keys[0]}:fence`;
      const script = fencedScript(client(), { fenceKey, script: pushing });
      assert.equal(await script.run(leader(2), { keys, args: ['a'] }), 1);
      assert.equal(await script.run(leader(2), { keys, args: [7] }), 2);
      await assert.rejects(script.run(leader(1), { keys, args: ['late'] }), { code: 'stale-token' });
      await assert.rejects(script.run(leader(9, 'reports'), { keys, args: ['x'] }), {
        code: 'failed-precondition',
        outcome: 'not-applied',
      });
      const reading = fencedScript(client(), {
        fenceKey,
        script: "return redis.call('LRANGE', KEYS[1], 0, -1)",
      });
      assert.deepEqual(await reading.run(leader(2), { keys }), ['a', '7']);
      assert.equal(await fencedScript(client(), { fenceKey, script: 'local a = 1' }).run(leader(2)), null);
      for (const [lua, outcome] of [
        ["redis.call('RPUSH', KEYS[1], 'half'); redis.call('GET', KEYS[1])", 'unknown'],
        ["return redis.error_reply('NO not today')", 'unknown'],
        ['this is no Lua', 'not-applied'],
      ] as const) {
        const failing = fencedScript(client(), { fenceKey, script: lua });
        await assert.rejects(failing.run(leader(2), { keys }), { code: 'failed-precondition', outcome });
      }
      assert.deepEqual(await ioredis.lrange(keys[0] ?? '', 0, -1), ['a', '7', 'half']);
    });
  }

  test('of many who write first, by tokens of any order, the highest token is the last', async () => {
    const key = randomUUID();
    const tokens = Array.from({ length: 20 }, (_, index) => index + 1);
    const results = await Promise.allSettled(
      tokens.map((token) =>
        fencedKey(token % 2 ? ioredis : nodeRedis, { key }).update(leader(token), append(String(token))),
      ),
    );
    const lines = linesOf(await ioredis.get(key)).map(Number);
    assertTokensRose(lines, results);
  });

  test('writers of one leadership lose nothing of each other', async () => {
    const key = randomUUID();
    const values = Array.from({ length: 12 }, (_, index) => String(index));
    await Promise.all(values.map((value) => fencedKey(ioredis, { key }).update(leader(3), append(value))));
    assert.deepEqual(linesOf(await ioredis.get(key)).sort(), [...values].sort());
  });

  test('what is sent again since its answer was lost takes effect once, and returns what it returned', async () => {
    await using proxy = await losingProxy(server.port);
    const resending = connectIoredis(proxy.port);
    // Without ioredis sending again by itself, so that the guard must.
    const failing = connectIoredis(proxy.port, {
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
    });
    const other = await connectNodeRedis(proxy.port);
    for (const client of [resending, failing, other] as const) {
      const tag = `{${randomUUID()}}`;
      const script = fencedScript(client, { fenceKey: `${tag}:fence`, script: pushing });
      const keys = [`${tag}:list`];
      assert.equal(await script.run(leader(1), { keys, args: ['first'] }), 1);
      let lost = proxy.loseAnswersTo('lost-line');
      assert.equal(await script.run(leader(1), { keys, args: ['lost-line'] }), 2);
      await lost;
      assert.deepEqual(await ioredis.lrange(keys[0] ?? '', 0, -1), ['first', 'lost-line']);

      const key = fencedKey(client, { key: `${tag}:value` });
      await key.write(leader(1), 'first\n');
      lost = proxy.loseAnswersTo('lost-value');
      assert.deepEqual(await key.update(leader(1), append('lost-value')), { version: 2, token: 1 });
      await lost;
      assert.equal(await ioredis.get(`${tag}:value`), 'first\nlost-value\n');
    }
    resending.disconnect();
    failing.disconnect();
    other.destroy();
  });

  test('a write whose answer was lost counts once although others wrote since', async () => {
    const key = randomUUID();
    const object = fencedKey(ioredis, { key });
    await object.write(leader(1), 'one');
    let sent = 0;
    const losing = {
      async evalsha(...args: Parameters<Redis['evalsha']>) {
        const answer = await ioredis.evalsha(...args);
        sent += 1;
        if (sent > 1) return answer;
        await object.write(leader(1), 'later');
        await object.write(leader(2), 'newer leader');
        throw new Error('Connection is closed.');
      },
      eval: (...args: Parameters<Redis['eval']>) => ioredis.eval(...args),
    };
    assert.deepEqual(await fencedKey(losing as RedisClient, { key }).write(leader(1), 'lost'), {
      version: 2,
      token: 1,
    });
    assert.equal(sent, 2);
    assert.equal(await ioredis.get(key), 'newer leader');
  });

  /** As ioredis: the connection breaks after the first copy took effect, and what the client hears is of the second. */
  const sendingTwice = (between: () => Promise<unknown>, refuse?: string, options?: object) => {
    let sent = 0;
    const twice = async (...args: Parameters<Redis['evalsha']>) => {
      sent += 1;
      if (sent > 1) return await ioredis.evalsha(...args);
      await ioredis.evalsha(...args);
      await between();
      if (refuse !== undefined) throw new Error(refuse);
      return await ioredis.evalsha(...args);
    };
    const whole = (...args: Parameters<Redis['eval']>) => ioredis.eval(...args);
    return { evalsha: twice, eval: whole, options } as RedisClient;
  };

  test('a write that the client sent twice counts once although the server refused its second copy', async () => {
    for (const refuse of [
      'LOADING Redis is loading',
      'READONLY You can not write against a read only replica.',
    ]) {
      const key = randomUUID();
      await fencedKey(ioredis, { key }).write(leader(1), 'one');
      const twice = fencedKey(
        sendingTwice(async () => {}, refuse),
        { key },
      );
      assert.deepEqual(await twice.write(leader(1), 'two'), { version: 2, token: 1 });
      assert.equal(await ioredis.get(key), 'two');
    }
    const once = sendingTwice(async () => {}, 'LOADING', { autoResendUnfulfilledCommands: false });
    const write = fencedKey(once, { key: randomUUID() }).write(leader(1), 'x');
    await assert.rejects(write, { code: 'unavailable', outcome: 'not-applied' });
  });

  test('a write that the client may have sent twice, so many writes ago that nobody knows, is of unknown outcome', async () => {
    for (const newer of [1, 2]) {
      for (const expectedVersion of newer === 1 ? [1] : [undefined, 1]) {
        const key = randomUUID();
        const object = fencedKey(ioredis, { key });
        await object.write(leader(1), 'one');
        const others = async () => {
          for (let count = 0; count < 40; count += 1) await object.write(leader(newer), 'newer');
        };
        const write = fencedKey(sendingTwice(others), { key }).write(leader(1), 'two', { expectedVersion });
        await assert.rejects(write, {
          code:
            expectedVersion === undefined ? 'stale-token' : newer === 1 ? 'version-conflict' : 'stale-token',
          outcome: 'unknown',
        });
      }
    }
    // Nothing else wrote: what is refused was there once.
    const key = randomUUID();
    for (let count = 0; count < 40; count += 1) await fencedKey(ioredis, { key }).write(leader(2), 'new');
    const late = fencedKey(ioredis, { key });
    await late.read();
    await assert.rejects(late.write(leader(1), 'late'), { code: 'stale-token', outcome: 'not-applied' });
  });

  test('when no answer comes at all, the outcome is said to be unknown', async () => {
    const dead: RedisClient = {
      evalsha: () => Promise.reject(new Error('Connection is closed.')),
      eval: () => Promise.reject(new Error('Connection is closed.')),
    };
    const key = fencedKey(dead, { key: 'a' });
    await assert.rejects(key.write(leader(1), 'x'), {
      code: 'unavailable',
      outcome: 'unknown',
      retryable: true,
    });
    await assert.rejects(key.read(), { code: 'unavailable', outcome: 'not-applied' });
    const silent: RedisClient = { evalsha: () => new Promise(() => {}), eval: () => new Promise(() => {}) };
    const write = fencedKey(silent, { key: 'a' }).write(leader(1), 'x', { signal: AbortSignal.timeout(20) });
    await assert.rejects(write, { code: 'aborted', outcome: 'unknown' });
  });

  test('a value without a fence is taken over only when told to', async () => {
    const key = randomUUID();
    await ioredis.set(key, 'theirs');
    const guarded = fencedKey(ioredis, { key });
    assert.equal((await guarded.read()).value, 'theirs');
    for (const attempt of [
      () => guarded.write(leader(1), 'x'),
      () => guarded.claim(leader(1)),
      () => guarded.delete(leader(1)),
    ]) {
      await assert.rejects(attempt, { code: 'failed-precondition', outcome: 'not-applied' });
    }
    await fencedKey(ioredis, { key, adopt: true }).update(leader(1), ({ value }) => `${value}, now ours`);
    assert.equal((await guarded.read()).value, 'theirs, now ours');
  });

  test('versions that are not the latest, other types and damaged fences are refused', async () => {
    const key = randomUUID();
    const guarded = fencedKey(ioredis, { key });
    await guarded.write(leader(1), 'one', { ttlMs: 100_000 });
    assert((await ioredis.pttl(key)) > 0);
    await assert.rejects(guarded.write(leader(1), 'x', { expectedVersion: 0 }), { code: 'version-conflict' });
    await assert.rejects(guarded.delete(leader(1), { expectedVersion: 2 }), { code: 'version-conflict' });
    await guarded.write(leader(1), 'two', { expectedVersion: 1 });
    assert.equal(await ioredis.pttl(key), -1);
    const list = randomUUID();
    await ioredis.rpush(list, 'a');
    await assert.rejects(fencedKey(ioredis, { key: list }).write(leader(1), 'x'), {
      code: 'failed-precondition',
    });
    for (const damage of [
      () => ioredis.hset(guarded.fenceKey, 'token', '01'),
      () => ioredis.hdel(guarded.fenceKey, 'token'),
      () => ioredis.set(guarded.fenceKey, 'x'),
    ]) {
      await damage();
      await assert.rejects(guarded.write(leader(9), 'x'), { code: 'data-damaged', outcome: 'not-applied' });
      await assert.rejects(guarded.read(), { code: 'data-damaged' });
    }
    assert.equal(await ioredis.get(key), 'two');
  });

  test('bad input is refused before anything is sent', async () => {
    let sent = 0;
    const counting = stepping<RedisClient>(ioredis, async () => {
      sent += 1;
    });
    const invalid = { code: 'invalid-argument' };
    assert.throws(() => fencedKey({} as never, { key: 'a' }), invalid);
    assert.throws(() => fencedKey(counting, undefined as never), invalid);
    assert.throws(() => fencedScript(counting, undefined as never), invalid);
    assert.throws(() => fencedKey(counting, { key: '' }), invalid);
    assert.throws(() => fencedKey(counting, { key: 'a', fenceKey: 'a' }), invalid);
    assert.throws(() => fencedKey(counting, { key: 'a', fenceKey: 'b' }), invalid);
    assert.throws(() => fencedScript(counting, { fenceKey: 'a', script: ' ' }), invalid);
    assert.throws(() => fencedScript(counting, { fenceKey: 'a', script: '#!lua\nreturn 1' }), invalid);
    const key = fencedKey(counting, { key: 'a' });
    const script = fencedScript(counting, { fenceKey: '{a}:fence', script: pushing });
    const lost: FencedLeadership = {
      ...leader(1),
      assertHeld() {
        throw new ConclaveError('not-leading', 'It is over.');
      },
    };
    const refused: readonly [() => Promise<unknown>, string][] = [
      [() => key.write(leader(0.5), 'x'), 'invalid-argument'],
      [() => key.write(leader(1), 7 as never), 'invalid-argument'],
      [() => key.write(leader(1), '\ud800'), 'invalid-argument'],
      [() => key.write(leader(1), 'x', { ttlMs: 0 }), 'invalid-argument'],
      [() => key.update(leader(1), undefined as never), 'invalid-argument'],
      [() => key.update(leader(1), () => 'x', { ttlMs: 0.5 }), 'invalid-argument'],
      [() => key.write(leader(1), 'x', { expectedVersion: -1 }), 'invalid-argument'],
      [() => key.write({ ...leader(1), tokenSurvivesDeletion: false }, 'x'), 'unsupported'],
      [() => key.claim(lost), 'not-leading'],
      [() => key.write(leader(1), 'x', { signal: AbortSignal.abort() }), 'aborted'],
      [() => script.run(leader(1), { keys: ['b'] }), 'invalid-argument'],
      [() => script.run(leader(1), { keys: ['{a}:fence'] }), 'invalid-argument'],
    ];
    for (const [run, code] of refused) await assert.rejects(run(), { code, outcome: 'not-applied' });
    assert.equal(sent, 0);
  });

  test('in a cluster, fence and data share a slot, by both clients', async () => {
    await using node = await startRedis(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']);
    const admin = connectIoredis(node.port);
    await admin.cluster('ADDSLOTSRANGE', 0, 16383);
    while (!(await admin.cluster('INFO')).includes('cluster_state:ok')) await sleep(20);
    for (const key of ['a', 'ö{x}y', '{}a', 'x{{y}}', 'a{b}{c}', 'open{']) {
      assert.equal(slotOf(key), await admin.cluster('KEYSLOT', key), key);
    }
    const cluster = new Cluster([{ host: '127.0.0.1', port: node.port }]);
    const other = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${node.port}` }] });
    await other.connect();
    for (const client of [cluster, other] as const) {
      for (const name of ['plain', '{tagged}:key']) {
        const key = fencedKey(client, { key: `${name}:${randomUUID()}` });
        await key.update(leader(2), append('x'));
        await assert.rejects(key.write(leader(1), 'late'), { code: 'stale-token' });
        assert.equal((await key.read()).value, 'x\n');
      }
    }
    admin.disconnect();
    cluster.disconnect();
    other.destroy();
  });

  test('a failover to a replica that lacks the last writes lets an older leader in, whatever WAIT said', async () => {
    await using master = await startRedis();
    await using link = await losingProxy(master.port);
    await using replica = await startRedis(['--replicaof', '127.0.0.1', String(link.port)]);
    const onMaster = connectIoredis(master.port);
    const onReplica = connectIoredis(replica.port);
    await fencedKey(onMaster, { key: 'state' }).write(leader(1), 'one');
    while ((await onReplica.get('state')) !== 'one') await sleep(20);

    link.freeze();
    await fencedKey(onMaster, { key: 'state' }).write(leader(2), 'two');
    assert.equal(await onMaster.wait(1, 100), 0);
    // WAIT has undone nothing: the write was acknowledged, and is there.
    assert.equal(await onMaster.get('state'), 'two');
    await assert.rejects(fencedKey(onMaster, { key: 'state' }).write(leader(1), 'late'), {
      code: 'stale-token',
    });

    await master.kill();
    await onReplica.replicaof('NO', 'ONE');
    await fencedKey(onReplica, { key: 'state' }).write(leader(1), 'late');
    assert.equal(await onReplica.get('state'), 'late');
    onMaster.disconnect();
    onReplica.disconnect();
  });
});
