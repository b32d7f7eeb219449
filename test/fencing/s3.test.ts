import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { ConclaveError } from '../../src/errors/index.ts';
import type { FencedLeadership } from '../../src/fencing/index.ts';
import {
  checkConditionalWrites,
  type FencedObjectOptions,
  fencedObject,
  type ObjectClient,
} from '../../src/fencing/s3/index.ts';
import { type S3Server, s3Missing, startS3 } from '../servers/s3.ts';
import { losingProxy } from '../stand-ins/losing-proxy.ts';
import { assertTokensRose } from './first-use.ts';
import { testTwoLeaders } from './two-leaders.ts';

let server: S3Server;
let client: ReturnType<S3Server['client']>;

const text = (data: Uint8Array) => new TextDecoder().decode(data);
const leader = (token: number, name = 'jobs'): FencedLeadership => ({ name, token, assertHeld: () => {} });
const append = (value: string) => (current: { data: Uint8Array }) => `${text(current.data)}${value}\n`;

function place(more: Partial<FencedObjectOptions> = {}): FencedObjectOptions {
  return { bucket: server.bucket, key: `state/${randomUUID()}`, ...more };
}

/** A client on which `before` is awaited ahead of every command. */
function stepping(step: (command: object) => Promise<void>, on: ObjectClient = client): ObjectClient {
  const send = async (command: object, ...rest: unknown[]) => {
    await step(command);
    return await (on.send as (...args: unknown[]) => Promise<unknown>)(command, ...rest);
  };
  return { send: send as ObjectClient['send'] };
}

/** Runs `action` once, right before the first command of this kind. */
function interrupting(kind: new (input: never) => object, action: () => Promise<unknown>): ObjectClient {
  let done = false;
  return stepping(async (command) => {
    if (done || !(command instanceof kind)) return;
    done = true;
    await action();
  });
}

describe('objects of an S3 store', { skip: s3Missing ?? false }, () => {
  before(async () => {
    server = await startS3();
    client = server.client();
  });
  after(async () => {
    client?.destroy();
    await server?.[Symbol.asyncDispose]();
  });

  testTwoLeaders('an object', async () => {
    const at = place();
    return {
      async append(leadership, value, step) {
        await fencedObject(stepping(step), at).update(leadership, append(value));
        await step();
      },
      async values() {
        return text((await fencedObject(client, at).read()).data)
          .split('\n')
          .filter(Boolean);
      },
      async [Symbol.asyncDispose]() {},
    };
  });

  test('what was written is read, with its token, its type and its metadata', async () => {
    const object = fencedObject(client, place());
    const before = await object.read();
    assert.deepEqual([before.exists, before.version, before.token, before.data.length], [false, 0, 0, 0]);
    const options = { contentType: 'text/plain', metadata: { owner: 'accounting' } };
    assert.deepEqual(await object.write(leader(5, 'jöbs'), 'one', options), { version: 1, token: 5 });
    assert.deepEqual(await object.write(leader(6, 'jöbs'), 'two'), { version: 2, token: 6 });
    const { data, ...rest } = await object.read();
    assert.equal(text(data), 'two');
    assert.deepEqual(rest, { exists: true, version: 2, token: 6, election: 'jöbs', ...options });
  });

  test("a write's own type comes before the one for all writes, and that before the present one", async () => {
    const at = place();
    const plain = fencedObject(client, at);
    const json = fencedObject(client, { ...at, put: { ContentType: 'application/json' } });
    const types = [];
    for (const write of [
      () => json.write(leader(5), 'a', { contentType: 'text/csv' }),
      () => plain.write(leader(5), 'b'),
      () => json.write(leader(5), 'c'),
      () => plain.update(leader(5), () => 'd'),
      () => plain.write(leader(5), 'e', { contentType: 'text/html' }),
    ]) {
      await write();
      types.push((await plain.read()).contentType);
    }
    assert.deepEqual(types, ['text/csv', 'text/csv', 'application/json', 'application/json', 'text/html']);
  });

  test('a newer leader that only claimed shuts an older one out that has read the same data', async () => {
    const at = place();
    const object = fencedObject(client, at);
    await object.write(leader(1), 'the same');
    const late = fencedObject(
      interrupting(PutObjectCommand, () => object.claim(leader(2))),
      at,
    );
    await assert.rejects(late.write(leader(1), 'late'), { code: 'stale-token', outcome: 'not-applied' });
    const { token, data } = await object.read();
    assert.deepEqual([token, text(data)], [2, 'the same']);
  });

  test('of many who write first, by tokens of any order, the highest token is the last', async () => {
    const at = place();
    const tokens = Array.from({ length: 12 }, (_, index) => index + 1);
    const results = await Promise.allSettled(
      tokens.map((token) => fencedObject(client, at).update(leader(token), append(String(token)))),
    );
    const { data, token } = await fencedObject(client, at).read();
    const lines = text(data).split('\n').filter(Boolean).map(Number);
    assert.equal(token, 12);
    assertTokensRose(lines, results);
  });

  test('writers of one leadership lose nothing of each other', async () => {
    const at = place();
    const values = Array.from({ length: 8 }, (_, index) => String(index));
    await Promise.all(values.map((value) => fencedObject(client, at).update(leader(3), append(value))));
    const lines = text((await fencedObject(client, at).read()).data)
      .split('\n')
      .filter(Boolean);
    assert.deepEqual(lines.sort(), values);
  });

  test('a write whose answer was lost, and which the SDK sent again, counts once', async () => {
    const at = place();
    await fencedObject(client, at).update(leader(3), append('first'));
    await using proxy = await losingProxy(Number(new URL(server.url).port));
    const through = server.client(`http://127.0.0.1:${proxy.port}`);
    const lost = proxy.loseAnswersTo('PUT /');
    assert.deepEqual(await fencedObject(through, at).update(leader(3), append('second')), {
      version: 3,
      token: 3,
    });
    await lost;
    assert.equal(text((await fencedObject(client, at).read()).data), 'first\nsecond\n');
    through.destroy();
  });

  test('a write whose answer was lost, and which was overwritten since, is said to be unknown', async () => {
    const at = place();
    const object = fencedObject(client, at);
    await object.write(leader(1), 'one');
    for (const [token, expected] of [
      [1, { outcome: 'unknown', code: 'unavailable' }],
      [2, { outcome: 'unknown', code: 'stale-token' }],
    ] as const) {
      let lost = false;
      const losing: ObjectClient = {
        send: (async (...args: Parameters<ObjectClient['send']>) => {
          const answer = await client.send(...args);
          if (lost || !((args[0] as object) instanceof PutObjectCommand)) return answer;
          lost = true;
          await object.write(leader(token), 'later');
          throw Object.assign(new Error('socket hang up'), {
            name: 'TimeoutError',
            $metadata: { attempts: 1 },
          });
        }) as ObjectClient['send'],
      };
      await assert.rejects(fencedObject(losing, at).write(leader(1), 'lost'), (error) => {
        assert(ConclaveError.is(error));
        assert.equal(error.outcome, 'unknown');
        assert.equal(error.code, expected.code === 'unavailable' ? 'timeout' : 'stale-token');
        return true;
      });
      assert.equal(text((await object.read()).data), 'later');
    }
  });

  test('409, another conditional write under way, is tried again', async () => {
    const at = place();
    let conflicts = 0;
    const busy = stepping(async (command) => {
      if (!(command instanceof PutObjectCommand) || conflicts === 3) return;
      conflicts += 1;
      throw Object.assign(new Error('conflicting'), {
        name: 'ConditionalRequestConflict',
        $metadata: { httpStatusCode: 409, attempts: 1 },
      });
    });
    assert.deepEqual(await fencedObject(busy, at).write(leader(1), 'one'), { version: 1, token: 1 });
    assert.equal(conflicts, 3);
  });

  test('an object deleted between a read and a write is not made anew', async () => {
    const at = place();
    await fencedObject(client, at).write(leader(2), 'one');
    const deleting = interrupting(PutObjectCommand, () =>
      client.send(new DeleteObjectCommand({ Bucket: at.bucket, Key: at.key })),
    );
    await assert.rejects(fencedObject(deleting, at).write(leader(2), 'two'), { code: 'failed-precondition' });
    assert.equal((await fencedObject(client, at).read()).exists, false);
  });

  test('an object of others is taken over only when told to', async () => {
    const at = place();
    await client.send(new PutObjectCommand({ Bucket: at.bucket, Key: at.key, Body: 'theirs' }));
    const object = fencedObject(client, at);
    assert.equal(text((await object.read()).data), 'theirs');
    // One after the other: a rejection that nobody awaits yet would count as unheard.
    await assert.rejects(object.write(leader(1), 'ours'), { code: 'failed-precondition' });
    await assert.rejects(object.claim(leader(1)), { code: 'failed-precondition' });
    const adopting = fencedObject(client, { ...at, adopt: true });
    await adopting.update(leader(1), ({ data }) => `${text(data)}, now ours`);
    assert.equal(text((await object.read()).data), 'theirs, now ours');
  });

  test('tokens of another election, and stale ones, are refused whatever version they expect', async () => {
    const object = fencedObject(client, place());
    await object.write(leader(5), 'one');
    await assert.rejects(object.write(leader(50, 'reports'), 'x'), { code: 'failed-precondition' });
    for (const expectedVersion of [undefined, 0, 1]) {
      await assert.rejects(object.write(leader(4), 'x', { expectedVersion }), { code: 'stale-token' });
    }
    await assert.rejects(object.claim(leader(4)), { code: 'stale-token' });
    await assert.rejects(object.write(leader(5), 'x', { expectedVersion: 2 }), { code: 'version-conflict' });
    await object.write(leader(5), 'two', { expectedVersion: 1 });
    assert.equal((await object.read()).version, 2);
  });

  test('a stamp inside the format leaves the body readable by anyone', async () => {
    const stamp = (data: Uint8Array, writeId: string) =>
      new TextEncoder().encode(JSON.stringify({ ...JSON.parse(text(data) || '{}'), writeId }));
    const at = place({ stamp });
    const object = fencedObject(client, at);
    await object.claim(leader(1));
    await object.update(leader(1), ({ data }) => JSON.stringify({ ...JSON.parse(text(data)), count: 1 }));
    const raw = await client.send(new GetObjectCommand({ Bucket: at.bucket, Key: at.key }));
    const { count, writeId } = JSON.parse((await raw.Body?.transformToString()) ?? '');
    assert.deepEqual([count, writeId.length], [1, 32]);
    const forgetting = fencedObject(client, { ...at, stamp: (data) => data });
    await assert.rejects(forgetting.write(leader(1), '{}'), { code: 'invalid-argument' });
    await assert.rejects(fencedObject(client, { ...at, stamp: undefined }).read(), { code: 'data-damaged' });
  });

  test('damaged metadata and those of a later format are refused', async () => {
    for (const [metadata, code] of [
      [{ 'conclave-format': '1', 'conclave-token': 'x' }, 'data-damaged'],
      [{ 'conclave-format': '2', 'conclave-token': '1' }, 'data-incompatible'],
    ] as const) {
      const at = place();
      const put = { Bucket: at.bucket, Key: at.key, Body: 'x', Metadata: metadata };
      await client.send(new PutObjectCommand(put));
      await assert.rejects(fencedObject(client, at).read(), { code });
      await assert.rejects(fencedObject(client, { ...at, adopt: true }).write(leader(9), 'y'), { code });
    }
  });

  test('bad input is refused before anything is sent', async () => {
    let sent = 0;
    const counting = stepping(async () => {
      sent += 1;
    });
    assert.throws(() => fencedObject({} as never, place()), { code: 'invalid-argument' });
    assert.throws(() => fencedObject(client, undefined as never), { code: 'invalid-argument' });
    assert.throws(() => fencedObject(client, place({ key: '' })), { code: 'invalid-argument' });
    assert.throws(() => fencedObject(client, place({ bucket: '' })), { code: 'invalid-argument' });
    const object = fencedObject(counting, place());
    const lost: FencedLeadership = {
      ...leader(1),
      assertHeld() {
        throw new ConclaveError('not-leading', 'It is over.');
      },
    };
    await assert.rejects(object.write(leader(-1), 'x'), { code: 'invalid-argument' });
    await assert.rejects(object.write(leader(1, 'é'.repeat(400)), 'x'), { code: 'too-large' });
    await assert.rejects(object.write(leader(1), 7 as never), { code: 'invalid-argument' });
    await assert.rejects(object.write(leader(1), 'x', { expectedVersion: -1 }), { code: 'invalid-argument' });
    await assert.rejects(object.write(leader(1), 'x', { metadata: { 'Conclave-Token': '9' } }), {
      code: 'invalid-argument',
    });
    await assert.rejects(object.write({ ...leader(1), tokenSurvivesDeletion: false }, 'x'), {
      code: 'unsupported',
    });
    await assert.rejects(object.update(leader(1), undefined as never), { code: 'invalid-argument' });
    await assert.rejects(object.update({} as never, append('x')), { code: 'invalid-argument' });
    await assert.rejects(object.claim(lost), { code: 'not-leading' });
    await assert.rejects(object.write(leader(1), 'x', { signal: AbortSignal.abort() }), { code: 'aborted' });
    assert.equal(sent, 0);
    await assert.rejects(fencedObject(client, place({ bucket: 'no-such-bucket' })).write(leader(1), 'x'), {
      code: 'not-found',
    });
  });

  test('a store that ignores the conditions is found out', async () => {
    const at = { bucket: server.bucket, key: `check/${randomUUID()}` };
    await checkConditionalWrites(client, at);
    const ignoring = stepping(async (command) => {
      const { input } = command as { input: Record<string, unknown> };
      delete input.IfMatch;
    });
    await assert.rejects(checkConditionalWrites(ignoring, at), { code: 'unsupported' });
  });
});
