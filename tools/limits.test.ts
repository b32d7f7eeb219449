// The bounds that docs/reference/limits.md tells of are those of the code, and each names a test that is there.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { defaultLimits } from '../src/api/http2/index.ts';
import { serveFlags } from '../src/cli/serve/flags.ts';

const root = join(import.meta.dirname, '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const page = read('docs/reference/limits.md');

interface Row {
  readonly limit: string;
  readonly value: string;
  readonly flag: string;
  readonly tests: readonly string[];
}

function rowsOf(heading: string): Row[] {
  const [, text = ''] = page.split(`\n## ${heading}\n`);
  const lines = (text.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'));
  return lines.map((line) => {
    const [limit = '', value = '', flag = '', , heldBy = ''] = line
      .slice(2, -2)
      .split(' | ')
      .map((cell) => cell.trim());
    return { limit, value, flag, tests: quoted(heldBy) };
  });
}

/** Names of tests, which may go over the end of a line. */
function quoted(text: string): string[] {
  return [...text.matchAll(/"([^"]{20,})"/g)].map(([, name = '']) => name.replaceAll(/\s+/g, ' '));
}

const units: Readonly<Record<string, number>> = { KiB: 2 ** 10, MiB: 2 ** 20, s: 1000, h: 3_600_000 };

function numberOf(text: string): number {
  const [, digits = '', unit] = /^([\d,]+)(?: (KiB|MiB|s|h))?$/.exec(text) ?? [];
  return Number(digits.replaceAll(',', '')) * (unit === undefined ? 1 : (units[unit] as number));
}

function documentedValue(text: string): unknown {
  const [burst, perSecond] = text.split(' + ');
  if (burst === undefined || perSecond === undefined) return numberOf(text);
  return { burst: numberOf(burst), perSecond: numberOf(perSecond.replace(/\/s$/, '')) };
}

/** A constant of a source file: a product of numbers. */
function constant(file: string, name: string): number {
  const [, expression] = new RegExp(`^(?:export )?const ${name} = ([\\d_ *]+);$`, 'm').exec(read(file)) ?? [];
  assert.ok(expression !== undefined, `${file} has no ${name}`);
  return expression.split('*').reduce((product, factor) => product * Number(factor.replaceAll('_', '')), 1);
}

const ofConnections = rowsOf('Of a gRPC connection');
const ofPort = rowsOf('Of the port');

test('each bound of a connection is documented with its default, and no other is', () => {
  const documented = ofConnections.map(({ limit, value }) => [
    limit.replaceAll('`', ''),
    documentedValue(value),
  ]);
  assert.deepEqual(Object.fromEntries(documented), Object.fromEntries(Object.entries(defaultLimits)));
  assert.equal(documented.length, Object.keys(defaultLimits).length);
});

test('the bounds of the port are those of the code', () => {
  assert.ok(ofPort.length > 10);
  for (const { limit, value } of ofPort) {
    const [, name = '', file = ''] = /^`(\w+)` of `(\S+)`$/.exec(limit) ?? [];
    assert.equal(documentedValue(value), constant(file, name), limit);
  }
});

test('each bound names its flag, and a flag says its default', () => {
  const flags: readonly { readonly name: string }[] = serveFlags;
  for (const { limit, flag } of [...ofConnections, ...ofPort]) {
    if (flag === 'fixed') continue;
    assert.ok(
      flags.some(({ name }) => flag === `\`--${name}\``),
      `${limit}: ${flag}`,
    );
  }
});

test('each bound is held by a test that is there', () => {
  const files = globSync(['src/{api,keyspace,member}/**/*.test.ts', 'src/runtime/*.test.ts'], { cwd: root });
  const sources = files.map(read).join('\n');
  for (const { limit, tests } of [...ofConnections, ...ofPort]) assert.ok(tests.length > 0, limit);
  for (const name of quoted(page))
    assert.ok(
      // One of several forms of a test has the form's name after its own.
      [`test('${name}'`, `test(\`${name}: \${`, `inBothForms('${name}'`].some((text) =>
        sources.includes(text),
      ),
      `there is no test "${name}"`,
    );
});
