// `npm test`: first the checks, then the tests of all layers and the scenarios, in parallel, then those that use all
// cores, one file after another, and those that start members and servers of others, three files at a time. All of it runs, whatever fails.
//   npm test -- src/raft test/scenarios/failover.test.ts    only these folders and files, no checks
// What starts with a dash goes to node's test runner: npm test -- src/raft --test-name-pattern=vote
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { checks } from './check.ts';
import { runSteps, type Step } from './steps.ts';

const root = join(import.meta.dirname, '..');
const serialFolders = ['test/packaging', 'test/simulation'];
/** Three files at a time: they wait for servers, for leases and for each other more than they compute. */
const waitingFolders = [
  'test/integration',
  'test/interop',
  'test/fencing',
  'test/partitions',
  'test/examples',
  'test/stores',
];
const parallelFolders = ['src', 'tools', 'test/scenarios', 'test/fuzz'];
const timeoutMs = 10 * 60_000;
const scratch = mkdtempSync(join(tmpdir(), 'conclave-test-'));
const tapFile = join(scratch, 'report.tap');
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
// Each file has a process of its own, and some of them threads: what one has stripped of its types and compiled, the others load.
process.env.NODE_COMPILE_CACHE ??= join(scratch, 'compiled');

const flags = process.argv.slice(2).filter((argument) => argument.startsWith('-'));
const filters = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));

function find(folders: readonly string[]): string[] {
  const patterns = folders.map((folder) => `${folder}/**/*.test.ts`);
  return globSync(patterns, { cwd: root, exclude: ['**/fixtures/**', '**/node_modules/**'] })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => filters.length === 0 || filters.some((filter) => matches(file, filter)))
    .sort();
}

function matches(file: string, filter: string): boolean {
  const path = filter.replace(/^\.\//, '').replace(/\/$/, '');
  return file === path || file.startsWith(`${path}/`);
}

function tests(name: string, files: readonly string[], more: readonly string[]): Step[] {
  if (files.length === 0) return [];
  const reporters =
    filters.length > 0 ? to('spec', 'stdout') : [...to('dot', 'stdout'), ...to('tap', tapFile)];
  const args = ['--test', `--test-timeout=${timeoutMs}`, ...reporters, ...more, ...flags, ...files];
  return [{ name, command: process.execPath, args, after: printClosingLines }];
}

function to(reporter: string, destination: string): string[] {
  return [`--test-reporter=${reporter}`, `--test-reporter-destination=${destination}`];
}

/** Dots have no names and no count: what was skipped, why, and the sums are taken from the report in the file. */
function printClosingLines(): void {
  if (!existsSync(tapFile)) return;
  const lines = readFileSync(tapFile, 'utf8').trimEnd().split('\n');
  console.log();
  for (const line of lines) {
    const [, name, reason] = /^\s*ok \d+ - (.*) # SKIP ?(.*)$/.exec(line) ?? [];
    if (name !== undefined) console.log(`skipped: ${name}: ${reason}`);
    // A failure among them is lived again by it.
    if (/^\s*# simulation: /.test(line)) console.log(line.trim().slice(2));
  }
  console.log(lines.filter((line) => /^# [a-z_]+ [\d.]+$/.test(line)).join('\n'));
  rmSync(tapFile);
}

for (const filter of filters) {
  if (statSync(join(root, filter), { throwIfNoEntry: false }) === undefined) {
    console.error(`there is no ${filter}`);
    process.exit(2);
  }
}
// Node's own choice leaves a core alone, which of two is half of them.
const parallel = tests('unit tests and scenarios', find(parallelFolders), [
  `--test-concurrency=${availableParallelism()}`,
]);
const serial = tests('packaging and simulation', find(serialFolders), ['--test-concurrency=1']);
const waiting = tests('integration, interop, guards, partitions, examples and stores', find(waitingFolders), [
  '--test-concurrency=3',
]);
const steps = [...(filters.length === 0 ? checks : []), ...parallel, ...serial, ...waiting];
if (parallel.length + serial.length + waiting.length === 0) {
  console.error('no test file matches');
  process.exitCode = 2;
} else {
  process.exitCode = runSteps(steps) ? 0 : 1;
}
