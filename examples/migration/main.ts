/** Three instances of the app start at once. Who migrates is killed in the middle; who goes on from there is paused. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../shared/child.ts';
import { openCluster } from '../shared/cluster.ts';

const folder = await mkdtemp(join(tmpdir(), 'conclave-migration-'));
const cluster = await openCluster();
const environment = {
  CONCLAVE_ENDPOINTS: cluster.endpoints,
  DATABASE: join(folder, 'app.db'),
  // So that they are hurt at the same points each time.
  PAUSE_AFTER: '2,4',
};
const apps = ['app1', 'app2', 'app3'].map(
  (name) => new Child(name, join(import.meta.dirname, 'app.ts'), { environment }),
);
try {
  const migrating = await firstOf(apps, /^is paused/);
  console.log(`Killing ${migrating.name}, which migrates.`);
  await migrating.kill();

  const rest = apps.filter((app) => app !== migrating);
  const paused = await firstOf(rest, /^is paused/);
  const last = await firstOf(
    rest.filter((app) => app !== paused),
    /^serves/,
  );
  console.log(`Waking ${paused.name}.`);
  paused.signal('SIGCONT');
  await paused.wrote(/^serves/);
  const codes = await Promise.all(rest.map((app) => app.ended));

  const applied = apps.flatMap((app) => app.lines.filter((line) => line.startsWith('applied')));
  // 1 + 2 + … + 100, in cents: the migration that multiplies ran once.
  const right = [paused, last].every((app) => app.lines.some((line) => line.includes('with 505000 cents')));
  const good = right && codes.every((code) => code === 0);
  console.log(`${applied.length} migrations were applied, ${new Set(applied).size} of them different`);
  console.log(good ? 'both instances found the same, right balances' : 'THE BALANCES ARE WRONG');
  process.exitCode = good && applied.length === new Set(applied).size ? 0 : 1;
} finally {
  await Promise.all(apps.map((app) => app.kill()));
  await cluster.stop();
  await rm(folder, { recursive: true, force: true });
}

/** Which of them wrote such a line first. */
async function firstOf(of: readonly Child[], pattern: RegExp): Promise<Child> {
  return await Promise.any(of.map(async (child) => (await child.wrote(pattern)) && child));
}
