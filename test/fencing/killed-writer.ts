// The writer that `killed-writers.test.ts` kills: says on stdout what was acknowledged, one line for each.
import { writeSync } from 'node:fs';
import { fencedLog, versionedFile } from '../../src/fencing/index.ts';
import { nodeRuntime } from '../../src/runtime/index.ts';

const [kind, path = '', token = ''] = process.argv.slice(2);
const leadership = { name: 'jobs', token: Number(token), assertHeld() {} };
const bytes = (text: string) => new TextEncoder().encode(text);
const acknowledged = (text: string) => writeSync(1, `${text}\n`);
// Its temporary files have the same names each time, so that strace can be told of them.
let drawn = 0;
const random = { unit: () => 0.5, bytes: (length: number) => new Uint8Array(length).fill(++drawn) };
const runtime = { ...nodeRuntime(), random };

if (kind === 'log') {
  await using log = fencedLog(path, { runtime });
  await log.claim(leadership);
  acknowledged('claim');
  for (const text of ['one', 'two']) {
    await log.append(leadership, bytes(text));
    acknowledged(text);
  }
} else {
  const file = versionedFile(path, { keepVersions: 2, runtime });
  const { version } = await file.claim(leadership);
  acknowledged('claim');
  await file.write(bytes('one'), { leadership, expectedVersion: version });
  acknowledged('one');
}
