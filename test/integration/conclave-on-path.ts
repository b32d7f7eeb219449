import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** `conclave` as a command, out of the sources. */
export async function putConclaveOnPath(folder: string): Promise<string> {
  const bin = join(folder, 'bin');
  const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
  await mkdir(bin);
  const script = `#!/bin/sh\nexec '${process.execPath}' --disable-warning=ExperimentalWarning '${main}' "$@"\n`;
  await writeFile(join(bin, 'conclave'), script, { mode: 0o755 });
  return `${bin}:${process.env.PATH}`;
}
