// The simulated Redis runs the guards' scripts by an interpreter of its own: here it is held against a real one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConclaveError } from '../../src/errors/index.ts';
import { fencedKey, fencedScript, type IoredisClient } from '../../src/fencing/redis/index.ts';
import { ScriptServer } from '../../src/simulation/sharing/guards/key-scripts.ts';
import { Draw } from '../../src/simulation/world/random.ts';
import { connectIoredis, redisMissing, startRedis } from '../servers/redis.ts';

const rounds = 30;
const steps = 25;

/** Each script is sent once more now and then, as a client does whose answer was lost. */
function repeating(client: IoredisClient, random: Draw): IoredisClient {
  const again = async (send: () => Promise<unknown>) => {
    const answer = await send();
    return random.chance(0.2) ? await send() : answer;
  };
  return {
    evalsha: (sha1, count, ...rest) => again(() => client.evalsha(sha1, count, ...rest)),
    eval: (source, count, ...rest) => again(() => client.eval(source, count, ...rest)),
  };
}

function simulated(): IoredisClient {
  const server = new ScriptServer();
  return {
    evalsha: async (sha1, count, ...rest) => server.evalSha(sha1, rest.slice(0, count), rest.slice(count)),
    eval: async (source, count, ...rest) => server.eval(source, rest.slice(0, count), rest.slice(count)),
  };
}

const script = `local many = redis.call('RPUSH', KEYS[1], ARGV[1])
if ARGV[1] == 'odd' then return {many, false, 'never seen'} end
if ARGV[1] == 'error' then return redis.call('GET', KEYS[1]) end
return {many, ARGV[1], redis.call('LRANGE', KEYS[1], 0, -1)}`;

/** What came of each step, in words that are the same wherever it ran. */
async function live(client: IoredisClient, seed: number, prefix: string): Promise<string[]> {
  const random = new Draw(seed);
  const sent = repeating(client, random.fork('repeats'));
  const key = fencedKey(sent, { key: `{${prefix}}:key` });
  const run = fencedScript(sent, { fenceKey: `{${prefix}}:fence`, script });
  const list = `{${prefix}}:list`;
  const told: string[] = [];
  for (let step = 0; step < steps; step++) {
    const leader = {
      name: random.pick(['jobs', 'jobs', 'jobs', 'jöbs', '']),
      token: random.pick([0, 1, 2, 9, 10, 99, 2 ** 52]),
      assertHeld() {},
    };
    const value = random.pick(['', 'a', 'öne', '\\ "quoted"', 'odd', 'error', 'x'.repeat(300)]);
    const expectedVersion = random.chance(0.3) ? random.below(6) : undefined;
    const how = random.below(6);
    const act = (): Promise<unknown> => {
      if (how === 0) return key.read();
      if (how === 1) return key.claim(leader);
      if (how === 2) return key.write(leader, value, { expectedVersion });
      if (how === 3) return key.update(leader, (current) => `${current.value ?? ''}${value}`.slice(-400));
      if (how === 4) return key.delete(leader, { expectedVersion });
      return run.run(leader, { keys: [list], args: [value] });
    };
    try {
      told.push(`${how}: ${JSON.stringify(await act())}`);
    } catch (error) {
      if (!ConclaveError.is(error)) throw error;
      told.push(`${how}: ${error.code} ${error.outcome}`);
    }
  }
  return told;
}

test('the simulated Redis answers every script of the guards as a real one does', {
  skip: redisMissing ?? false,
}, async () => {
  await using server = await startRedis();
  const ioredis = connectIoredis(server.port);
  try {
    for (let seed = 1; seed <= rounds; seed++) {
      const real = await live(ioredis, seed, `r${seed}`);
      assert.deepEqual(await live(simulated(), seed, `r${seed}`), real, `seed ${seed}`);
    }
  } finally {
    ioredis.disconnect();
  }
});
