import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

test('a script refuses what it does not know, before it does anything', () => {
  const refusals: readonly [script: string, argument: string, said: RegExp][] = [
    ['check.ts', '--fix', /^It takes no arguments, such as --fix\.\n$/],
    ['planted.ts', '--onyl=x', /^Unknown option '--onyl'/],
    ['planted.ts', '--jobs=many', /^--jobs is many; it must be a whole number from 1 up\.\n$/],
    ['planted.ts', '--only=no-such-bug', /^There is no planted bug no-such-bug\.\n$/],
    ['election-times.ts', '--crash=1', /^Unknown option '--crash'/],
    ['election-times.ts', '--crashes=0', /^--crashes is 0; it must be/],
  ];
  for (const [script, argument, said] of refusals) {
    const run = spawnSync(process.execPath, [join(import.meta.dirname, script), argument], {
      encoding: 'utf8',
    });
    assert.equal(run.status, 2, `${script} ${argument}: ${run.stderr}`);
    assert.match(run.stderr, said);
    assert.equal(run.stdout, '');
  }
});
