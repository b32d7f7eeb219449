/** What a driver must do for `documentStore` alone: whatever the names, however large the texts, however many. */
import assert from 'node:assert/strict';
import type { DocumentKey } from '../../stores/documents/driver.ts';
import { documentCase } from '../document-stage.ts';

const odd =
  `A |a |a/b|a//b|a/|.|..|../a|a\\b|a%2Fb|a_b|a.b|a:b|a~b|a+b|a*|a?|a#|a'b|a"b|$a|{a}|[a]|0|00|null|__proto__|ä|Ä|ß|ss|選挙|🗳`.split(
    '|',
  );
const odder = ['a', 'A', 'a\n', 'a\t', 'a\u0308', '🗳️', '\u200b', '\uffff'];
/** Where a service may take off, fold or follow what a name begins with. */
const beginnings = ['/', './', '../', ' ', '.', '-', '=', '#', '\u0308'];
const longestBytes = 1024;
/** More than a column or a field of 64 KiB takes. */
const largeBytes = 100_000;
/** More than many services give in one page, and more bytes than some do. */
const listed = 120;
const listedBytes = 10_000;

export const documentNameCases = [
  documentCase(
    'documents of different names and kinds are independent, however odd and long the names',
    async (stage) => {
      const keys = oddNames(stage.stage.name).map((name): DocumentKey => ({ kind: 'election', name }));
      const session = stage.key('session');
      keys.push(session, { kind: 'election', name: session.name });
      const texts = new Map(keys.map((key) => [key, stage.text(key)]));
      await each(keys, async (key) => void (await stage.written(key, texts.get(key) ?? '')));
      await each(keys, async (key) => {
        const shown = JSON.stringify(key.name);
        assert.equal((await stage.read(key, 'two'))?.text, texts.get(key), `${key.kind} ${shown}`);
      });
    },
  ),
  documentCase('a text of a hundred thousand bytes is kept whole', async (stage) => {
    for (const kind of ['election', 'session'] as const) {
      const key = stage.key(kind);
      let version: string | undefined;
      for (const sign of ['é🗳️選', 'x']) {
        const text = stage.text(key, sign.repeat(largeBytes / 2 / Buffer.byteLength(sign)));
        version = await stage.written(key, text.padEnd(text.length + fill(text), ' '), version);
        const found = await stage.read(key, 'two');
        assert.equal(found?.text.trimEnd(), text, 'it came back as another');
        assert.equal(found.version, version);
      }
    }
  }),
  documentCase('many documents are read at once in the order in which they are asked for', async (stage) => {
    const readMany = await stage.member('readMany', 'two');
    for (const kind of ['election', 'session'] as const) {
      const keys = Array.from({ length: 100 }, () => stage.key(kind));
      // Some are there, in another order than they were asked for.
      const there = new Map<DocumentKey, { text: string; version: string }>();
      const writing = async (key: DocumentKey) => {
        const text = stage.text(key);
        const version = await stage.written(key, text, there.get(key)?.version);
        there.set(key, { text, version });
      };
      const some = keys.filter((_, at) => at % 5 === 1).reverse();
      await each(some, writing);
      const look = async (asked: readonly DocumentKey[]) => {
        const found = await stage.many('readMany', () => readMany(asked, stage.bounds()));
        assert.equal(found.length, asked.length, 'readMany must give one for each key');
        for (const [at, key] of asked.entries()) {
          const one = stage.document('readMany', found[at]);
          const given = one && { text: one.text, version: one.version };
          assert.deepEqual(given, there.get(key), `number ${at} of ${asked.length}`);
        }
      };
      await look(keys);
      await look(keys.slice(0, 5));
      const [first, second] = some;
      assert(first !== undefined && second !== undefined);
      await writing(first);
      assert.equal(await stage.removed(second, there.get(second)?.version ?? ''), true);
      there.delete(second);
      await look(keys);
    }
  }),
  documentCase('renewals of many at once are carried out each for itself', async (stage) => {
    const renewMany = await stage.member('renewMany');
    const keys = Array.from({ length: 12 }, () => stage.key('session'));
    const old = new Map<DocumentKey, string>();
    for (const key of keys.slice(0, -1)) old.set(key, await stage.written(key, stage.text(key)));
    const [overtaken, ended] = [keys[3], keys[7]];
    assert(overtaken !== undefined && ended !== undefined);
    const standing = { text: stage.text(overtaken), version: '' };
    standing.version = await stage.written(overtaken, standing.text, old.get(overtaken), 'two');
    assert.equal(await stage.removed(ended, old.get(ended) ?? '', 'two'), true);
    const renewals = keys.map((key) => ({
      ...{ key, text: stage.text(key), ttlMs: 60_000, keepMs: 600_000 },
      // The last one never was.
      replaces: old.get(key) ?? old.get(ended) ?? '',
    }));
    const versions = await stage.many('renewMany', () => renewMany(renewals, stage.bounds()));
    assert.equal(versions.length, keys.length, 'renewMany must give one for each');
    for (const [at, { key, text }] of renewals.entries()) {
      const version = versions[at];
      if (key === overtaken || key === ended || at === keys.length - 1) {
        assert.equal(version, undefined, `number ${at} named a version that does not stand`);
        if (key === overtaken) await stage.stands(key, standing, 'two');
        else assert.equal(await stage.read(key, 'two'), undefined, 'a renewal made a document');
      } else {
        await stage.stands(key, { text, version: stage.version('renewMany', version) }, 'two');
      }
    }
  }),
  documentCase('a list has each election under the prefix once, and no other', async (stage) => {
    const list = await stage.member('list', 'two');
    const prefix = `${stage.stage.name}_%*/`;
    const names = Array.from({ length: listed }, (_, at) => `${prefix}é ${at}`);
    const beside = [prefix.toUpperCase(), prefix.replace('_%*', 'x_y'), prefix.slice(0, -1)];
    const keys = [...names, ...beside].map((name): DocumentKey => ({ kind: 'election', name }));
    await each(keys, async (key) => {
      await stage.written(key, stage.text(key).padEnd(listedBytes, ' '));
    });
    const session = stage.key('session');
    await stage.written(session, stage.text(session));
    const look = async (wanted: readonly string[], under = prefix) => {
      const found = await stage.many('list', () => list(under, stage.bounds()));
      assert.equal(new Set(found).size, found.length, 'a name is listed twice');
      assert.deepEqual([...found].sort(), [...wanted].sort());
    };
    await look(names);
    await look([...names, ...beside.slice(2)], prefix.slice(0, -1));
    await look(
      names.filter((name) => name.startsWith(`${prefix}é 7`)),
      `${prefix}é 7`,
    );
    await look([], session.name);
  }),
];

function oddNames(unique: string): readonly string[] {
  const longest = ['a', 'b'].map((last) => `${unique}${'x'.repeat(longestBytes - unique.length - 1)}${last}`);
  const signs = ['選', '🗳'].map((sign) => {
    const room = longestBytes - unique.length;
    return `${sign.repeat(Math.floor(room / Buffer.byteLength(sign)))}${unique}`;
  });
  const ending = [...odd, ...odder].map((name) => `${unique}${name}`);
  return [unique, ...longest, ...signs, ...ending, ...beginnings.map((name) => `${name}${unique}`)];
}

function fill(text: string): number {
  return largeBytes - Buffer.byteLength(text);
}

/** A few at a time. */
async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}
