/** The race of two writers, first by lease alone, then fenced. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../shared/child.ts';
import { openCluster } from '../shared/cluster.ts';
import { fencedLedger, plainLedger } from './ledger.ts';

const writer = join(import.meta.dirname, 'writer.ts');
const folder = await mkdtemp(join(tmpdir(), 'conclave-race-'));
const cluster = await openCluster();
try {
  console.log('By lease alone:');
  const lost = await race(false);
  console.log('\nFenced:');
  const lostFenced = await race(true);
  process.exitCode = lost.length > 0 && lostFenced.length === 0 ? 0 : 1;
} finally {
  await cluster.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Gives the entries that were written, as their writers were told, and are not in the file. */
async function race(fenced: boolean): Promise<string[]> {
  const path = join(folder, fenced ? 'fenced' : 'plain');
  const environment = { CONCLAVE_ENDPOINTS: cluster.endpoints, LEDGER: path, FENCED: String(fenced) };
  const a = new Child('A', writer, { environment: { ...environment, WRITER: 'A', PAUSE_AT: '3' } });
  const [, entry] = await a.wrote(/^is about to write (A-\d+), and is paused$/);
  // It read the file and was told that it leads. While it is paused its lease runs out, and B takes over.
  const b = new Child('B', writer, { environment: { ...environment, WRITER: 'B' } });
  await b.wrote(/^wrote B-([3-9]|\d\d)$/);
  a.signal('SIGCONT');
  await a.wrote(new RegExp(`^(wrote|could not write) ${entry}\\b`));
  await Promise.all([a.stop(), b.stop()]);

  const kept = (await (fenced ? fencedLedger : plainLedger)(path).read()).split('\n');
  const written = [...a.lines, ...b.lines].flatMap((line) => /^wrote (.*)/.exec(line)?.[1] ?? []);
  const lost = written.filter((entry) => !kept.includes(entry));
  const what = lost.length === 0 ? 'none of them is lost' : `LOST: ${lost.join(', ')}`;
  console.log(`${written.length} entries were written; ${what}`);
  return lost;
}
