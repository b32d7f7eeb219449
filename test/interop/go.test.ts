// The official Go client of etcd, with its concurrency package: checks in go/, built once.
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { peer } from '../peers.ts';
import { clientSuite } from './checks.ts';

const go = peer('go');

clientSuite('the Go client', go.missing, async () => {
  const folder = join(import.meta.dirname, '../../.peers/go');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'interop');
  // Nothing is done where what was built before is still of these sources.
  await promisify(execFile)(go.path ?? '', ['build', '-o', path, '.'], {
    cwd: join(import.meta.dirname, 'go'),
    env: { ...process.env, GOTOOLCHAIN: 'local' },
  });
  return { path, args: [] };
});
