// `npm run check`: types, lint and format, layer rules. All steps run; the exit code tells whether all passed.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { noArguments } from './arguments.ts';
import { runSteps, type Step } from './steps.ts';

const root = join(import.meta.dirname, '..');
const bin = (name: string) => join(root, 'node_modules/.bin', name);
const types = (project: string): Step => ({
  name: `types ${project}`,
  command: bin('tsc'),
  args: ['-p', project],
});

export const checks: readonly Step[] = [
  types('tsconfig.json'),
  ...['src/raft', 'src/keyspace', 'web']
    .filter((folder) => existsSync(join(root, folder, 'tsconfig.json')))
    .map(types),
  { name: 'lint and format', command: bin('biome'), args: ['check', '--error-on-warnings'] },
  { name: 'layers', command: process.execPath, args: [join(root, 'tools/layers.ts')] },
];

if (process.argv[1] === import.meta.filename) {
  noArguments();
  process.exitCode = runSteps(checks) ? 0 : 1;
}
