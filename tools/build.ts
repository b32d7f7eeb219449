// `npm run build`: dist/ from src/, without tests.
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runSteps } from './steps.ts';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });
const good = runSteps([
  { name: 'build', command: join(root, 'node_modules/.bin/tsc'), args: ['-p', 'tsconfig.build.json'] },
]);
const command = join(dist, 'cli/main.js');
if (existsSync(command)) chmodSync(command, 0o755);
process.exitCode = good ? 0 : 1;
