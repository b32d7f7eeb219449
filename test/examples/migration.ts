import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { migrations } from '../../examples/migration/migrations.ts';
import type { Child } from '../../examples/shared/child.ts';
import { Processes } from './processes.ts';
import { patience, type Setting } from './setting.ts';

export function testMigration(setting: Setting): void {
  test(
    'migration: each one is applied once though whoever migrates is killed or paused after each; then all serve',
    patience,
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'conclave-migration-'));
      const file = join(folder, 'app.db');
      const last = migrations.length;
      const start = (name: string) => {
        const PAUSE_AFTER = migrations
          .map((_, position) => position + 1)
          .slice(0, -1)
          .join(',');
        const environment = { CONCLAVE_ENDPOINTS: setting.endpoints, DATABASE: file, PAUSE_AFTER };
        return setting.checkout.start('migration/app.ts', environment, name);
      };
      try {
        await using apps = new Processes(start, 3);
        const killed = new Set<Child>();
        let paused: Child | undefined;
        for (let version = 1; version <= last; version++) {
          const line = new RegExp(`^applied ${version}: `);
          const migrating = await Promise.any(
            apps.running.map(async (app) => (await app.wrote(line)) && app),
          );
          // The next one has gone on in its place.
          paused?.signal('SIGCONT');
          paused = undefined;
          if (version === last) break;
          await migrating.wrote(
            /^is paused/,
            migrating.lines.findIndex((one) => line.test(one)),
          );
          if (version % 2 === 0) {
            paused = migrating;
          } else {
            await migrating.kill();
            killed.add(migrating);
            apps.add();
          }
        }
        const left = apps.all.filter((app) => !killed.has(app));
        const codes = await Promise.all(left.map((app) => app.ended));
        assert.deepEqual(codes, [0, 0, 0], apps.lines(/.*/).join('\n'));

        assert.deepEqual(
          apps.lines(/^serves .* cents/).map(([line]) => line),
          [1, 2, 3].map(() => 'serves 100 accounts with 505000 cents'),
        );
        const db = new DatabaseSync(file);
        const applied = db.prepare('SELECT version, name, token FROM applied ORDER BY version').all();
        db.close();
        assert.deepEqual(
          applied.map(({ version, name }) => `${version}: ${name}`),
          migrations.map(({ name }, position) => `${position + 1}: ${name}`),
        );
        assert.equal(apps.lines(/^applied/).length, last);
        // Each by the leader after the one before.
        assert.equal(new Set(applied.map(({ token }) => token)).size, last);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
}
