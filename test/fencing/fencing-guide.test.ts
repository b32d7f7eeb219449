// The examples of docs/guides/fencing.md, as they stand there.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Guide, guidePatience as patience } from '../guide.ts';

const outputs: Readonly<Record<string, string>> = {
  'lease-alone.ts': '100 - 30 - 10 = 90\n',
  'file.ts': 'A is refused\n100 - 30 - 10 = 60\n',
  'txn.ts': 'not committed\n',
  'log.ts': '1 5 deposit 100\n2 6 withdraw 30\n',
  'http.ts': 'done with token 6\n412\n',
  'frameworks.ts': 'mounted\n',
  'gate.ts': 'the door opens\nthe door stays as it is\n',
};

const guide = new Guide('fencing');

describe('the guide to fencing', () => {
  before(() => guide.unpack(), patience);
  after(() => guide[Symbol.asyncDispose]());

  test('its examples type-check strictly', patience, () => guide.typeCheck());

  for (const [name, output] of Object.entries(outputs)) {
    test(`${name}: it writes what the guide says, also when it is run again`, patience, async () => {
      assert.equal(await guide.outputOf(name), output);
      assert.equal(await guide.outputOf(name), output);
    });
  }

  test('no example is missing', () => guide.assertAllRun());
});
