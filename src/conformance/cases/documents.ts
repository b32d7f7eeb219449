/** What a driver must do for `documentStore` alone: that it shows what was written, and writes under conditions. */
import assert from 'node:assert/strict';
import type { DocumentKey } from '../../stores/documents/driver.ts';
import { type DocumentStage, documentCase } from '../document-stage.ts';

/** Comes to stand in the document in each of its texts. */
const odd = `"'\\%_$;--\${x}{{}}<&> é e\u0301 ß 選挙 🗳️ \u00a0\u2028\ufeff`;

export const documentCases = [
  documentCase('a document is shown as it was written, at once and by every client', async (stage) => {
    for (const kind of ['election', 'session'] as const) {
      const key = stage.key(kind);
      for (const client of ['one', 'two'] as const)
        assert.equal(await stage.read(key, client), undefined, 'it is there before it was written');
      let version: string | undefined;
      for (const writer of ['one', 'two', 'one', 'one', 'two'] as const) {
        const text = stage.text(key, odd);
        version = await stage.written(key, text, version, writer);
        for (const reader of [writer, 'one', 'two'] as const)
          await stage.stands(key, { text, version }, reader);
      }
    }
  }),
  documentCase('a document that is there is not made anew', async (stage) => {
    for (const kind of ['election', 'session'] as const) {
      const key = stage.key(kind);
      const text = stage.text(key);
      const version = await stage.written(key, text);
      for (const client of ['one', 'two'] as const) {
        await stage.notWritten(key, undefined, 'making what is there', client);
        await stage.stands(key, { text, version }, client);
      }
    }
  }),
  documentCase(
    'a write changes nothing where another version stands than it names, or none',
    async (stage) => {
      for (const kind of ['election', 'session'] as const) {
        const key = stage.key(kind);
        const first = await stage.written(key, stage.text(key));
        const text = stage.text(key);
        const version = await stage.written(key, text, first, 'two');
        for (const client of ['one', 'two'] as const) {
          await stage.notWritten(key, first, 'replacing what another replaced', client);
          await stage.stands(key, { text, version }, client);
        }
        const missing = stage.key(kind);
        await stage.notWritten(missing, version, 'replacing what never was');
        assert.equal(await stage.read(missing), undefined, 'a write that named a version made a document');
      }
    },
  ),
  documentCase(
    'a removal removes nothing where another version stands than it names, or none',
    async (stage) => {
      for (const kind of ['election', 'session'] as const) {
        const key = stage.key(kind);
        const first = await stage.written(key, stage.text(key));
        const text = stage.text(key);
        const version = await stage.written(key, text, first);
        for (const client of ['one', 'two'] as const) {
          assert.equal(await stage.removed(key, first, client), false, 'a removal named an old version');
          await stage.stands(key, { text, version }, client);
        }
        assert.equal(await stage.removed(stage.key(kind), version), false, 'nothing was there to be removed');
        assert.equal(
          await stage.removed(key, version, 'two'),
          true,
          'a removal named the version that stands',
        );
        for (const client of ['one', 'two'] as const)
          assert.equal(await stage.read(key, client), undefined, 'it is there though it was removed');
        assert.equal(await stage.removed(key, version), false, 'it was removed before');
      }
    },
  ),
  documentCase('a version never comes again, not even after its document was removed', async (stage) => {
    const key = stage.key('election');
    const seen: string[] = [];
    for (let round = 0; round < 2; round++) {
      let version: string | undefined;
      for (const client of ['one', 'two', 'one'] as const) {
        version = await stage.written(key, stage.text(key), version, client);
        assert(!seen.includes(version), `the version ${JSON.stringify(version)} came again`);
        seen.push(version);
      }
      const standing = seen.at(-1) ?? '';
      const late = async (old: string) => {
        await stage.notWritten(key, old, 'replacing an old version');
        assert.equal(await stage.removed(key, old), false, 'a removal named an old version');
      };
      await Promise.all(seen.slice(0, -1).map(late));
      assert.equal(await stage.removed(key, standing), true, 'a removal named the version that stands');
      await Promise.all(seen.map((old) => stage.notWritten(key, old, 'replacing what was removed')));
      assert.equal(await stage.read(key), undefined, 'a late write brought back what was removed');
    }
  }),
  documentCase('a renewal that comes after its session was removed does not bring it back', async (stage) => {
    const key = stage.key('session');
    const version = await stage.written(key, stage.text(key));
    assert.equal(await stage.removed(key, version, 'two'), true);
    for (const client of ['one', 'two'] as const) {
      await stage.notWritten(key, version, 'renewing what was removed', client);
      assert.equal(await stage.read(key, client), undefined, 'it is there though it was removed');
    }
  }),
  documentCase(
    'what is made ready is written when it is sent, where its version still stands',
    async (stage) => {
      for (const kind of ['election', 'session'] as const) {
        const key = stage.key(kind);
        const [first, second] = [stage.text(key), stage.text(key)];
        const making = [await stage.prepared(key, undefined, first), await stage.prepared(key, undefined)];
        assert.equal(await stage.read(key, 'two'), undefined, 'it was sent though nobody said so');
        const made = await making[0]?.();
        assert(made !== undefined, 'no document is there, and what was made ready was not written');
        const replacing = [await stage.prepared(key, made, second), await stage.prepared(key, made)];
        assert.equal(await making[1]?.(), undefined, 'a document that is there was made anew');
        await stage.stands(key, { text: first, version: made }, 'two');
        const replaced = await replacing[0]?.();
        assert(replaced !== undefined, 'its version stands, and what was made ready was not written');
        assert.equal(await replacing[1]?.(), undefined, 'what another write replaced was replaced again');
        await stage.stands(key, { text: second, version: replaced }, 'two');
      }
    },
  ),
  documentCase('of writes and removals at once one is carried out, and no other says so', async (stage) => {
    const key = stage.key('election');
    let version: string | undefined;
    for (let round = 0; round < 3; round++) version = await race(stage, key, version);
    assert(version !== undefined);
    await race(stage, key, version, 3);
  }),
];

/** The version that stands afterwards. */
async function race(
  stage: DocumentStage,
  key: DocumentKey,
  replaces: string | undefined,
  removals = 0,
): Promise<string | undefined> {
  const texts = Array.from({ length: 8 }, () => stage.text(key));
  const writes = texts.map(async (text, at) => {
    const version = await stage.write(key, text, replaces, at % 2 === 0 ? 'one' : 'two');
    return version === undefined ? [] : [{ text, version }];
  });
  const removing = Array.from({ length: removals }, async (_, at) => {
    const done = await stage.removed(key, replaces ?? '', at % 2 === 0 ? 'two' : 'one');
    return done ? [undefined] : [];
  });
  const winners = (await Promise.all([...writes, ...removing])).flat();
  assert.equal(winners.length, 1, `${winners.length} of ${texts.length + removals} were carried out`);
  const [winner] = winners;
  if (winner === undefined) assert.equal(await stage.read(key), undefined, 'it was removed');
  else await stage.stands(key, winner);
  return winner?.version;
}
