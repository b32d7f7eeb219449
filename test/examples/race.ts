import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { versionedFile } from '../../src/fencing/index.ts';
import { firstToWrite, Processes } from './processes.ts';
import { patience, type Setting } from './setting.ts';

const rounds = 6;

export function testRace(setting: Setting): void {
  test(
    'race: every entry that a fenced writer was told is written is in the ledger, once',
    patience,
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'conclave-race-'));
      const ledger = join(folder, 'ledger');
      const start = (name: string) => {
        const own = { LEDGER: ledger, FENCED: 'true', WRITER: name };
        return setting.checkout.start(
          'race/writer.ts',
          { ...own, CONCLAVE_ENDPOINTS: setting.endpoints },
          name,
        );
      };
      try {
        await using writers = new Processes(start, 3);
        for (let round = 0; round < rounds; round++) {
          const leading = await firstToWrite(writers.running, /^wrote/);
          if (round % 2 === 0) {
            await leading.kill();
            writers.add();
          } else {
            leading.signal('SIGSTOP');
            await firstToWrite(
              writers.running.filter((writer) => writer !== leading),
              /^wrote/,
            );
            leading.signal('SIGCONT');
          }
        }
        await firstToWrite(writers.running, /^wrote/);
        assert.deepEqual(await writers.stop(), []);

        const told = writers.lines(/^wrote (.*)$/).map(([, entry = '']) => entry);
        const kept = Buffer.from((await versionedFile(ledger).read()).data)
          .toString()
          .trimEnd()
          .split('\n');
        assert.equal(new Set(kept).size, kept.length, 'an entry is in the ledger twice');
        assert.deepEqual(
          told.filter((entry) => !kept.includes(entry)),
          [],
          'an entry was lost',
        );
        // Each leadership wrote in one piece: nobody else came between two of its entries.
        const leaderships = writers.lines(/^leads with token/).length;
        const pieces = kept.filter((entry, at) => writerOf(entry) !== writerOf(kept[at - 1])).length;
        assert.ok(pieces <= leaderships, `${pieces} pieces by ${leaderships} leaderships`);
        assert.ok(pieces > rounds / 2, `the ledger has ${pieces} pieces`);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
}

function writerOf(entry: string | undefined): string | undefined {
  return entry?.split('-')[0];
}
