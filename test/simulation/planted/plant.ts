import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Edit, PlantedBug } from './bug.ts';

export const root = join(import.meta.dirname, '../../..');

/** A copy of the source that a bug can be put into. */
export interface Scratch {
  readonly folder: string;
  remove(): void;
}

/** Used before, and empty: what Node.js has compiled of the files there is known by their paths, and used again. */
const free: string[] = [];
process.on('exit', () => {
  for (const folder of free) rmSync(folder, { recursive: true, force: true });
});

/** The source without its tests, in a folder of its own under the system's temporary one. */
export function copySource(): Scratch {
  const folder = free.pop() ?? mkdtempSync(join(tmpdir(), 'conclave-planted-'));
  cpSync(join(root, 'src'), join(folder, 'src'), {
    recursive: true,
    filter: (path) => !path.endsWith('.test.ts'),
  });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir');
  const remove = (): void => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    free.push(folder);
  };
  return { folder, remove };
}

/** With its settings. @throws Error where the source has moved on. */
export function plant(bug: PlantedBug, folder: string): void {
  apply(bug.id, [...bug.edits, ...(bug.settings ?? [])], folder);
}

/** @throws as `plant`. */
export function apply(what: string, all: readonly Edit[], folder: string): void {
  for (const [file, edits] of byFile(all)) {
    const path = join(folder, file);
    writeFileSync(path, edited(what, readFileSync(path, 'utf8'), edits));
  }
}

/** What is wrong with the bug's edits against the source as it is now; undefined: nothing. */
export function objection(bug: PlantedBug): string | undefined {
  try {
    const all = [...bug.edits, ...(bug.settings ?? [])];
    for (const [file, edits] of byFile(all)) edited(bug.id, readFileSync(join(root, file), 'utf8'), edits);
    return undefined;
  } catch (error) {
    return String(error);
  }
}

function byFile(edits: readonly Edit[]): Map<string, Edit[]> {
  const files = new Map<string, Edit[]>();
  for (const edit of edits) files.set(edit.file, [...(files.get(edit.file) ?? []), edit]);
  return files;
}

function edited(what: string, source: string, edits: readonly Edit[]): string {
  let text = source;
  for (const { file, find, replace } of edits) {
    // In the source, not in what an edit before it has put there.
    const times = source.split(find).length - 1;
    if (times !== 1 || !text.includes(find)) {
      throw new Error(
        `'${what}' cannot be planted: ${file} has its text ${times} times, not once. Mend the edit in ` +
          `test/simulation/planted/bugs: ${JSON.stringify(find)}`,
      );
    }
    text = text.replace(find, () => replace);
  }
  return text;
}
