// The example of docs/guides/writing-a-store.md, as it stands there: a store in forty lines that passes the suite.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Guide, guidePatience as patience } from '../guide.ts';

const guide = new Guide('writing-a-store');

describe('the guide to writing a store', () => {
  before(() => guide.unpack(), patience);
  after(() => guide[Symbol.asyncDispose]());

  test('its examples type-check strictly', patience, () => guide.typeCheck());

  test('its store passes the whole suite, but for what it does not offer', { timeout: 300_000 }, async () => {
    const output = await guide.outputOf('sqlite-store.test.ts');
    assert.match(output, /^. pass \d{2,}/m);
    assert.match(output, /^. fail 0$/m);
  });
});
