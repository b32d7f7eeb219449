import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runScript } from './script.ts';

// UPDATE=1 writes what happens now into the scripts: then read the diff before you commit it.
for (const name of readdirSync(import.meta.dirname).filter((file) => file.endsWith('.txt'))) {
  test(`the scenario ${name} goes as it is written`, () => {
    const path = join(import.meta.dirname, name);
    const expected = readFileSync(path, 'utf8');
    const actual = runScript(expected);
    if (process.env.UPDATE === '1') writeFileSync(path, actual);
    else assert.equal(actual, expected);
  });
}
