import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { whyNotExecutable } from './executable.ts';

test('a command is searched as the shell searches it, before anything depends on it', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'conclave-executable-'));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'job'), '#!/bin/sh\n', { mode: 0o755 });
  await writeFile(join(folder, 'text'), 'no job\n', { mode: 0o644 });
  const path = ['/nowhere', folder].join(delimiter);
  assert.equal(whyNotExecutable('job', path), undefined);
  assert.equal(whyNotExecutable(join(folder, 'job'), undefined), undefined);
  assert.equal(whyNotExecutable('text', path), 'EACCES');
  // A folder is no command, and one of the same name further on is.
  await mkdir(join(folder, 'before', 'job'), { recursive: true });
  assert.equal(whyNotExecutable(folder, undefined), 'EACCES');
  assert.equal(whyNotExecutable('job', join(folder, 'before')), 'EACCES');
  assert.equal(whyNotExecutable('job', [join(folder, 'before'), folder].join(delimiter)), undefined);
  assert.equal(whyNotExecutable('nothing', path), 'ENOENT');
  assert.equal(whyNotExecutable('job', '/nowhere'), 'ENOENT');
  assert.equal(whyNotExecutable('./job', path), 'ENOENT');
  assert.equal(whyNotExecutable('sh', undefined), undefined);
  assert.equal(whyNotExecutable('job', undefined), 'ENOENT');
});
